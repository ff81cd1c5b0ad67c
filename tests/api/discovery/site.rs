//! Test fixture: a host in this process with a fake DNS and fake web servers.

use std::net::SocketAddr;
use std::path::Path;

use model::caller::Scope;
use serde_json::Value;
use server::config::Config;
use tempfile::TempDir;

use testkit::command::command;
use testkit::in_process_host::{Serving, serve, stores};
use testkit::raw_http::ask;
use testkit::servers::dns::Zone;
use testkit::servers::web::Web;
use testkit::terminal::Terminal;

pub(crate) struct Site {
    address: SocketAddr,
    token: String,
    _directory: TempDir,
}

impl Site {
    /// Connections to the mail ports of 127.0.0.1 and to the web server's address are permitted,
    /// and to no other private address. `files` are written beside the configuration, to which
    /// `more` is added.
    pub(crate) async fn start(zone: &Zone, web: &Web, more: &str, files: &[(&str, &str)]) -> Self {
        let rules = format!("allow = [\"127.0.0.1\"]\nfetch = [\"{}\"]", web.address);
        Self::under(&rules, zone, web, more, files).await
    }

    /// As [`Self::start`], with other rules in `[egress]`.
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

    /// Status and body of a request about the domain.
    pub(crate) async fn find(&self, domain: &str) -> (u16, Value) {
        self.talk("GET", &format!("/v1/providers?email=ann.canary@{domain}"), None).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        self.talk(method, path, Some(body)).await
    }

    /// Runs the command line against this host; returns its output on both streams.
    pub(crate) async fn command(&self, args: &[&str]) -> (bool, String) {
        command(self.address, &self.token, args).await
    }

    /// As above, at a terminal.
    pub(crate) fn terminal(&self, args: &str) -> Terminal {
        Terminal::run(&format!("http://{}", self.address), &self.token, args, "C")
    }

    async fn talk(&self, method: &str, path: &str, body: Option<&str>) -> (u16, Value) {
        let answer = ask(self.address, Some(&self.token), method, path, body).await;
        (answer.status, answer.json())
    }
}

/// The outcome of a step, and the reason.
#[track_caller]
pub(crate) fn step<'a>(answer: &'a Value, source: &str) -> (&'a str, &'a str) {
    let steps = answer["explain"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
    let step = steps.iter().find(|step| step["source"] == source);
    let step = step.unwrap_or_else(|| panic!("no step {source}: {answer:#}"));
    (step["outcome"].as_str().unwrap(), step["reason"].as_str().unwrap())
}
