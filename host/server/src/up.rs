//! `postlet up`: serves from a configuration, with everything on disk.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use model::caller::Scope;
use serde_json::json;

use crate::config::Config;
use crate::edge::Edge;
use crate::host::{Host, Parts, Stores, this_program};
use crate::keysource::{Given, KeySource};
use crate::running;

/// Serves until it is told to stop.
pub(crate) async fn run(path: &Path, given: Given, machine: bool) -> anyhow::Result<()> {
    let config =
        Config::load(path).with_context(|| format!("{} cannot be used", path.display()))?;
    // First of all: another host may serve here, and a person would wait for nothing.
    let edge = Edge::bind(config.listen)
        .await
        .context("set `listen` to another address, or stop what serves there")?;
    let source = KeySource::choose(&given, config.key_file.as_deref(), &config.data)?;
    drop(given);
    let stores = Stores::on_disk(&config.data, source)?;
    let token_file = config.data.join("operator.token");
    if let Some(tenant) = config.tenants.first()
        && !token_file.exists()
    {
        let text = stores.token(&tenant.id, "operator", &Scope::EVERY).await?;
        write_private(&token_file, text.reveal())?;
    }
    if !machine {
        progress("Starting: compiling the components ...");
    }
    let parts = Parts {
        tenants: config.tenants,
        program: this_program()?,
        egress: config.egress,
        extra_roots: config.extra_roots,
        limits: config.limits,
        compile: config.compile,
        outbox: config.outbox,
        mail: config.mail,
        sources: config.sources,
    };
    let host = Host::build(parts, stores).await?;
    let url = format!("http://{}", edge.address()?);
    let line = if machine {
        json!({"url": url, "tokenFile": token_file}).to_string()
    } else {
        format!("Postlet is ready at {url}; the operator's token is in {}", token_file.display())
    };
    let mut out = std::io::stdout();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .context("cannot write to standard output")?;
    running::run(host, edge).await
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    writeln!(file, "{text}")
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// A line for the person who waits; scripts read standard output.
pub(crate) fn progress(line: &str) {
    // Nothing is lost when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}
