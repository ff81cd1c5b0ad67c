//! A host in this process, on a port of its own, until the test ends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::caller::Scope;
use server::config::Config;
use server::config::master_key::KeySource;
use server::host::stores::Stores;
use server::host::{Host, HostConfig};
use server::serve::listener::HttpListener;

use crate::code_cache;
use crate::exclusive;
use crate::process::binary;

/// The host, its address, and a token for each tenant.
pub struct Serving {
    pub host: Arc<Host>,
    pub address: SocketAddr,
    pub tokens: Vec<String>,
}

/// Stores on disk in this directory, with the code that earlier test hosts have compiled.
pub fn stores(directory: &Path) -> Stores {
    code_cache::lend(directory);
    Stores::on_disk(directory, KeySource::file(directory.join("master.key"))).unwrap()
}

/// Serves a configuration.
pub async fn serve(config: Config, stores: Stores, scopes: &[Scope]) -> Serving {
    exclusive::beside();
    let data = config.data.clone();
    let mut tokens = Vec::new();
    for tenant in &config.tenants {
        let token = stores.token(&tenant.id, "test", scopes).await.unwrap();
        tokens.push(token.reveal().to_owned());
    }
    let parts = HostConfig {
        tenants: config.tenants,
        program: PathBuf::from(binary()),
        egress: config.egress,
        extra_roots: config.extra_roots,
        sources: config.sources,
        authorization: config.authorization,
        limits: config.limits,
        compile: config.compile,
        outbox: config.outbox,
        ehlo_name: config.ehlo_name,
        mail: config.mail,
    };
    let host = Host::build(parts, stores).await.unwrap();
    code_cache::keep(&data);
    let edge = HttpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = edge.address().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test ends with its tasks")]
    tokio::spawn(edge.serve(Arc::clone(&host), std::future::pending()));
    Serving { host, address, tokens }
}
