//! A host in this process whose DNS and web are the test's.

use std::net::SocketAddr;
use std::path::Path;

use model::caller::Scope;
use serde_json::Value;
use server::config::Config;
use tempfile::TempDir;

use testkit::command::command;
use testkit::servers::dns::Zone;
use testkit::servers::web::Web;
use testkit::serving::{Serving, serve, stores};
use testkit::talk::ask;
use testkit::terminal::Terminal;

pub(crate) struct Site {
    address: SocketAddr,
    token: String,
    _directory: TempDir,
}

impl Site {
    /// Mail ports of 127.0.0.1 may be dialled, and the web's address for everybody; nothing else that is
    /// private. `files` lie beside the configuration, of which `more` is a part.
    pub(crate) async fn start(zone: &Zone, web: &Web, more: &str, files: &[(&str, &str)]) -> Self {
        let rules = format!("allow = [\"127.0.0.1\"]\nfetch = [\"{}\"]", web.address);
        Self::under(&rules, zone, web, more, files).await
    }

    /// The same under other rules of `[egress]`.
    pub(crate) async fn under(
        rules: &str,
        zone: &Zone,
        web: &Web,
        more: &str,
        files: &[(&str, &str)],
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [("ca.pem", web.authority.as_str())].iter().chain(files) {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let text = format!(
            "data = \".\"\n[dns]\nservers = [\"{}\"]\n[egress]\n{rules}\n[tls]\nextra-roots = \"ca.pem\"\n[limits]\ninstances = 8\n{more}\n[[tenant]]\nid = \"acme\"\n",
            zone.serve().await,
        );
        let tenant_has_files = files.iter().any(|(name, _)| name.starts_with("own/"));
        let text = if tenant_has_files { text + "providers = \"own\"\n" } else { text };
        let mut config = Config::parse(&text, directory.path()).unwrap();
        config.sources.https_port = web.address.port();
        let stores = stores(directory.path());
        let Serving { address, mut tokens, .. } = serve(config, stores, &Scope::EVERY).await;
        Self { address, token: tokens.remove(0), _directory: directory }
    }

    /// Status and body for an address of the domain.
    pub(crate) async fn find(&self, domain: &str) -> (u16, Value) {
        self.talk("GET", &format!("/v1/providers?email=ann.canary@{domain}"), None).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        self.talk(method, path, Some(body)).await
    }

    /// The command line against this host; what it printed, on both streams.
    pub(crate) async fn command(&self, args: &[&str]) -> (bool, String) {
        command(self.address, &self.token, args).await
    }

    /// The same at a terminal.
    pub(crate) fn terminal(&self, args: &str) -> Terminal {
        Terminal::run(&format!("http://{}", self.address), &self.token, args, "C")
    }

    async fn talk(&self, method: &str, path: &str, body: Option<&str>) -> (u16, Value) {
        let answer = ask(self.address, Some(&self.token), method, path, body).await;
        (answer.status, answer.json())
    }
}

/// What came of a step, and why.
#[track_caller]
pub(crate) fn step<'a>(answer: &'a Value, source: &str) -> (&'a str, &'a str) {
    let steps = answer["explain"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
    let step = steps.iter().find(|step| step["source"] == source);
    let step = step.unwrap_or_else(|| panic!("no step {source}: {answer:#}"));
    (step["outcome"].as_str().unwrap(), step["reason"].as_str().unwrap())
}
