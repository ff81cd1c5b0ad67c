//! A host in this process whose DNS and web are the test's.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::caller::Scope;
use serde_json::Value;
use server::config::Config;
use server::edge::Edge;
use server::host::{Host, Parts, Stores};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::dns::Zone;
use crate::web::Web;

/// A machine that is busy compiles slowly.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) struct Site {
    address: SocketAddr,
    token: String,
    _directory: TempDir,
}

impl Site {
    /// Mail ports of 127.0.0.1 and the web's address may be dialled, and nothing else that is private.
    /// `files` lie beside the configuration, of which `more` is a part.
    pub(crate) async fn start(zone: &Zone, web: &Web, more: &str, files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [("ca.pem", web.authority.as_str())].iter().chain(files) {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let text = format!(
            "data = \".\"\n[dns]\nservers = [\"{}\"]\n[egress]\nallow = [\"127.0.0.1\", \"{}\"]\n[tls]\nextra-roots = \"ca.pem\"\n[limits]\ninstances = 8\n{more}\n[[tenant]]\nid = \"acme\"\n",
            zone.serve().await,
            web.address,
        );
        let tenant_has_files = files.iter().any(|(name, _)| name.starts_with("own/"));
        let text = if tenant_has_files { text + "providers = \"own\"\n" } else { text };
        let mut config = Config::parse(&text, directory.path()).unwrap();
        config.sources.https_port = web.address.port();
        let tenant = config.tenants[0].id.clone();
        let parts = Parts {
            tenants: config.tenants,
            program: PathBuf::from(env!("CARGO_BIN_EXE_postlet")),
            egress: config.egress,
            extra_roots: config.extra_roots,
            sources: config.sources,
            limits: config.limits,
            compile: config.compile,
            outbox: config.outbox,
            mail: config.mail,
        };
        let stores = Stores::in_memory(&directory.path().join("spool")).unwrap();
        let token = stores.token(&tenant, "test", &Scope::EVERY).await.unwrap();
        let host = Host::build(parts, stores).await.unwrap();
        let edge = Edge::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = edge.address().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test ends with its tasks")]
        tokio::spawn(edge.serve(Arc::clone(&host), std::future::pending()));
        Self { address, token: token.reveal().to_owned(), _directory: directory }
    }

    /// Status and body for an address of the domain.
    pub(crate) async fn find(&self, domain: &str) -> (u16, Value) {
        self.ask("GET", &format!("/v1/providers?email=ann.canary@{domain}"), "").await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        let talk = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut said = Vec::new();
            stream.read_to_end(&mut said).await.unwrap();
            String::from_utf8(said).unwrap()
        };
        let said = tokio::time::timeout(PATIENCE, talk).await.unwrap();
        let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{said:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        // One JSON document: what stands round it are the sizes of chunks.
        let (from, to) = (body.find('{').unwrap(), body.rfind('}').unwrap());
        let json = body[from..=to].replace("\r\n", "");
        (status, serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {said}")))
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
