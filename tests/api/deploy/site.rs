//! Test fixture: a host with three tenants in this process, and an HTTP client.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::caller::Scope;
use server::config::Config;
use server::config::master_key::KeySource;
use server::deploy::application::Variables;
use server::host::Host;
use server::host::stores::Stores;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use testkit::code_cache;
use testkit::in_process_host::{Serving, serve, stores};
use testkit::raw_http::{Answer, ask_named};

/// An application of one filter without grants.
pub(crate) const FILTER: &str = "spin_manifest_version = 2\n[application]\nname = \"own\"\n\
    [[trigger.mail]]\ncomponent = \"own\"\nhook = \"before-send\"\n\
    [component.own]\nsource = \"own.wasm\"\n";

/// A serving host.
pub(crate) struct Site {
    pub(crate) host: Arc<Host>,
    pub(crate) directory: TempDir,
    address: SocketAddr,
    acme: String,
    globex: String,
    initech: String,
}

/// The caller of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who {
    Acme,
    Globex,
    Initech,
    Nobody,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::limited("").await
    }

    /// With additional lines of `[limits]`.
    pub(crate) async fn limited(limits: &str) -> Self {
        Self::under(&format!("instances = 8\n{limits}")).await
    }

    /// With these lines as `[limits]`.
    pub(crate) async fn under(limits: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let stores = stores(directory.path());
        Self::of(directory, stores, "", limits).await
    }

    /// With an application of `acme` that has a manifest only.
    pub(crate) async fn with_application(manifest: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let stores = stores(directory.path());
        std::fs::write(directory.path().join("spin.toml"), manifest).unwrap();
        Self::of(directory, stores, "application = \"spin.toml\"\n", "instances = 8").await
    }

    /// With its data in this directory.
    pub(crate) async fn on_disk(directory: TempDir) -> Self {
        let key = directory.path().join("master.key");
        let stores = Stores::on_disk(directory.path(), KeySource::file(key)).unwrap();
        Self::of(directory, stores, "", "instances = 8").await
    }

    async fn of(directory: TempDir, stores: Stores, acme: &str, limits: &str) -> Self {
        let text = format!(
            "data = \".\"\n[[tenant]]\nid = \"acme\"\nhosts = [\"mail.acme.example\"]\n{acme}\
             [[tenant]]\nid = \"globex\"\nhosts = [\"globex.example\"]\n\
             [[tenant]]\nid = \"initech\"\n\
            [egress]\nallow = [\"127.0.0.1:465\"]\n[compile]\ncpu-secs = 10\n[limits]\n{limits}\n"
        );
        let config = Config::parse(&text, directory.path()).unwrap();
        let scopes = [Scope::Read, Scope::Change, Scope::Send, Scope::Accounts];
        let Serving { host, address, tokens } = serve(config, stores, &scopes).await;
        let [acme, globex, initech] = tokens.try_into().unwrap();
        Self { host, directory, address, acme, globex, initech }
    }

    /// Writes the files of an application and deploys it for `acme`.
    pub(crate) async fn deploy(&self, manifest: &str, wasm: &[u8]) -> Result<(), String> {
        self.deploy_for("acme", "own", manifest, wasm).await
    }

    /// As [`Self::deploy`], for any tenant, from a directory of its own.
    pub(crate) async fn deploy_for(
        &self,
        tenant: &str,
        directory: &str,
        manifest: &str,
        wasm: &[u8],
    ) -> Result<(), String> {
        let path = self.path(directory).join("spin.toml");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, manifest).unwrap();
        std::fs::write(path.with_file_name("own.wasm"), wasm).unwrap();
        let ended = self.host.deploy(&tenant.parse().unwrap(), &path, &Variables::new()).await;
        code_cache::keep(self.directory.path());
        ended.map_err(|fault| {
            let text = fault.to_string();
            let (place, rest) = text.split_once(": ").unwrap();
            let (file, line) = place.rsplit_once(':').unwrap();
            assert!(file.ends_with(&format!("{directory}/spin.toml")), "{text}");
            let rest = rest.replace(&format!("{}/", self.directory.path().display()), "");
            format!("line {line}: {rest}")
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A new connection, and the header fields that authorise a request of `acme`.
    pub(crate) async fn connect(&self) -> (TcpStream, String) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        (stream, format!("host: test\r\nauthorization: Bearer {}\r\n", self.acme))
    }

    /// Sends a request, and leaves the response to be read.
    pub(crate) async fn open(&self, who: Who, path: &str) -> TcpStream {
        let token = self.token(who).unwrap_or_default();
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\n\r\n");
        self.say(&head).await
    }

    /// A connection on which these bytes were sent.
    pub(crate) async fn say(&self, words: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(words.as_bytes()).await.unwrap();
        stream
    }

    pub(crate) fn token(&self, who: Who) -> Option<&str> {
        match who {
            Who::Acme => Some(&self.acme),
            Who::Globex => Some(&self.globex),
            Who::Initech => Some(&self.initech),
            Who::Nobody => None,
        }
    }

    pub(crate) async fn get(&self, who: Who, path: &str) -> Answer {
        self.ask(who, "GET", path, None).await
    }

    pub(crate) async fn ask(
        &self,
        who: Who,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Answer {
        self.ask_at("test", who, method, path, body).await
    }

    /// Sends a request with this Host field.
    pub(crate) async fn ask_at(
        &self,
        name: &str,
        who: Who,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Answer {
        let token = self.token(who);
        ask_named(self.address, name, token, method, path, body).await
    }
}

/// A file of this directory.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/api/deploy").join(name)
}
