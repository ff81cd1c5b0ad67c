//! A host with two tenants in this process, and HTTP to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::caller::Scope;
use serde_json::Value;
use server::config::Config;
use server::deployment::Variables;
use server::edge::Edge;
use server::host::{Host, Parts, Stores};
use server::keysource::KeySource;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A machine that is busy compiles slowly.
const PATIENCE: Duration = Duration::from_secs(180);

/// A host that serves.
pub(crate) struct Site {
    pub(crate) host: Arc<Host>,
    pub(crate) directory: TempDir,
    address: SocketAddr,
    acme: String,
    globex: String,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who {
    Acme,
    Globex,
    Nobody,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::limited("").await
    }

    /// With more lines of `[limits]`.
    pub(crate) async fn limited(limits: &str) -> Self {
        Self::under(&format!("instances = 8\n{limits}")).await
    }

    /// With these lines below `[limits]`.
    pub(crate) async fn under(limits: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let stores = Stores::in_memory(&directory.path().join("spool")).unwrap();
        Self::of(directory, stores, "", limits).await
    }

    /// With an application of acme's, of which there is only the manifest.
    pub(crate) async fn with_application(manifest: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let stores = Stores::in_memory(&directory.path().join("spool")).unwrap();
        std::fs::write(directory.path().join("spin.toml"), manifest).unwrap();
        Self::of(directory, stores, "application = \"spin.toml\"\n", "instances = 8").await
    }

    /// What it stores is in this directory.
    pub(crate) async fn on_disk(directory: TempDir) -> Self {
        let key = directory.path().join("master.key");
        let stores = Stores::on_disk(directory.path(), KeySource::file(key)).unwrap();
        Self::of(directory, stores, "", "instances = 8").await
    }

    async fn of(directory: TempDir, stores: Stores, acme: &str, limits: &str) -> Self {
        let text = format!(
            "data = \".\"\n[[tenant]]\nid = \"acme\"\nhosts = [\"mail.acme.example\"]\n{acme}\
             [[tenant]]\nid = \"globex\"\nhosts = [\"globex.example\"]\n\
            [egress]\nallow = [\"127.0.0.1:465\"]\n[compile]\ncpu-secs = 10\n[limits]\n{limits}\n"
        );
        let config = Config::parse(&text, directory.path()).unwrap();
        let ids: Vec<_> = config.tenants.iter().map(|tenant| tenant.id.clone()).collect();
        let parts = Parts {
            tenants: config.tenants,
            program: PathBuf::from(env!("CARGO_BIN_EXE_postlet")),
            egress: config.egress,
            extra_roots: None,
            sources: config.sources,
            limits: config.limits,
            compile: config.compile,
            outbox: config.outbox,
            mail: config.mail,
        };
        let scopes = [Scope::Read, Scope::Change, Scope::Send, Scope::Accounts];
        let acme = stores.token(&ids[0], "test", &scopes).await.unwrap();
        let globex = stores.token(&ids[1], "test", &scopes).await.unwrap();
        let host = Host::build(parts, stores).await.unwrap();
        let edge = Edge::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = edge.address().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test ends with its tasks")]
        tokio::spawn(edge.serve(Arc::clone(&host), std::future::pending()));
        let (acme, globex) = (acme.reveal().to_owned(), globex.reveal().to_owned());
        Self { host, directory, address, acme, globex }
    }

    /// Writes the files of an application and deploys it for `acme`.
    pub(crate) async fn deploy(&self, manifest: &str, wasm: &[u8]) -> Result<(), String> {
        self.deploy_for("acme", "own", manifest, wasm).await
    }

    /// The same for a tenant, from a directory of its own.
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
        ended.map_err(|fault| {
            let text = fault.to_string();
            let (place, rest) = text.split_once(": ").unwrap();
            assert!(place.ends_with(&format!("{directory}/spin.toml")), "{text}");
            rest.replace(&format!("{}/", self.directory.path().display()), "")
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A connection without a word yet, and what authorises a request of acme's.
    pub(crate) async fn connect(&self) -> (TcpStream, String) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        (stream, format!("host: test\r\nauthorization: Bearer {}\r\n", self.acme))
    }

    /// Asks, and leaves the answer to be read.
    pub(crate) async fn open(&self, who: Who, path: &str) -> TcpStream {
        let token = self.token(who).unwrap_or_default();
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\n\r\n");
        self.say(&head).await
    }

    /// A connection on which this was said.
    pub(crate) async fn say(&self, words: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(words.as_bytes()).await.unwrap();
        stream
    }

    pub(crate) fn token(&self, who: Who) -> Option<&str> {
        match who {
            Who::Acme => Some(&self.acme),
            Who::Globex => Some(&self.globex),
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

    /// Asks under a name of the host's.
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

/// One request on a connection of its own.
pub(crate) async fn ask(
    address: SocketAddr,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> Answer {
    ask_named(address, "test", token, method, path, body).await
}

async fn ask_named(
    address: SocketAddr,
    name: &str,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n");
    if let Some(token) = token {
        head += &format!("authorization: Bearer {token}\r\n");
    }
    if let Some(body) = body {
        head += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    }
    head += "\r\n";
    head += body.unwrap_or_default();
    let talk = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        String::from_utf8(said).unwrap()
    };
    let said = tokio::time::timeout(PATIENCE, talk).await.unwrap();
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{said:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunked(body) } else { body.to_owned() };
    Answer { status, body }
}

/// RFC 9112 §7.1, without extensions and trailers.
fn unchunked(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole += &after[..size];
        rest = after[size..].strip_prefix("\r\n").unwrap_or_default();
        if size == 0 {
            break;
        }
    }
    whole
}

/// A file of this directory.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/deploying").join(name)
}
