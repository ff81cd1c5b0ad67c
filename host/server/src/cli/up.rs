//! `postlet up`: runs a host from a configuration file, with its data on disk.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use model::caller::Scope;
use model::ids::TenantId;
use rules::foreign_text::shown;
use serde_json::json;

use crate::cli::output::{say, warn};
use crate::config::Config;
use crate::config::master_key::{EnvironmentKeys, KeySource};
use crate::host::stores::Stores;
use crate::host::{Host, HostConfig, this_program};
use crate::log::quota;
use crate::os::file_limit;
use crate::serve::listener::HttpListener;
use crate::serve::shutdown::Signals;
use crate::serve::{disk_failure, shutdown};

/// Serves until a signal.
///
/// # Errors
/// When the configuration, the key, the store or an embedded component cannot be used, or the address
/// is in use.
pub(crate) async fn run(path: &Path, given: EnvironmentKeys, machine: bool) -> anyhow::Result<()> {
    let mut config = Config::load(path).with_context(|| {
        format!("{} cannot be used (`postlet doctor` says what it needs)", path.display())
    })?;
    file_limit::fit(&mut config.limits);
    // First, since another host may serve here: compiling takes seconds.
    let edge = HttpListener::bind(config.listen)
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
        warn("Starting: compiling the components ...");
    }
    let holder = holder(&stores, &token_file).await;
    let others: Vec<TenantId> = config
        .tenants
        .iter()
        .map(|tenant| tenant.id.clone())
        .filter(|id| holder.as_ref().is_some_and(|holder| holder != id))
        .collect();
    let parts = HostConfig {
        tenants: config.tenants,
        program: this_program()?,
        egress: config.egress,
        extra_roots: config.extra_roots,
        limits: config.limits,
        compile: config.compile,
        outbox: config.outbox,
        mail: config.mail,
        ehlo_name: config.ehlo_name,
        sources: config.sources,
        authorization: config.authorization,
    };
    quota::allow(parts.limits.log);
    let stop = parts.limits.stop;
    let host = Host::build(parts, stores).await?;
    disk_failure::watch(&host)?;
    let url = format!("http://{}", edge.address()?);
    for (tenant, fault) in host.api.deployments.undeployed() {
        if !machine {
            let tenant = tenant.as_str();
            warn(&shown(format_args!("The application of `{tenant}` is not served: {fault}")));
        }
    }
    let line = if machine {
        json!({"url": url, "tokenFile": token_file, "tenant": holder}).to_string()
    } else {
        ready(&url, &token_file, holder.as_ref(), &others)
    };
    let signals = Signals::watch(stop)?;
    say(&line)?;
    shutdown::run(host, edge, signals).await;
    Ok(())
}

/// The tenant of the token in the file; none when the token is no longer valid.
async fn holder(stores: &Stores, token_file: &Path) -> Option<TenantId> {
    let text = std::fs::read_to_string(token_file).ok()?;
    stores.holder(text.trim()).await
}

/// The line that a person sees when the host is ready: the tenant of the operator's token, and how to
/// create tokens of the other tenants.
fn ready(url: &str, file: &Path, holder: Option<&TenantId>, others: &[TenantId]) -> String {
    let file = file.display();
    let Some(holder) = holder else {
        return format!(
            "Postlet is ready at {url}; the token in {file} is no longer valid: remove the file and restart to get a new one"
        );
    };
    let holder = holder.as_str();
    let mut line = format!(
        "Postlet is ready at {url}; the operator's token, of the tenant `{holder}`, is in {file}"
    );
    if let Some(other) = others.first() {
        line += &format!(
            "; other tenants need tokens of their own: postlet token create --tenant {} --scope read,change,send,accounts",
            other.as_str()
        );
    }
    line
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    writeln!(file, "{text}")
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_tenant_of_the_token_and_how_others_get_one() {
        let (acme, globex): (TenantId, TenantId) =
            ("acme".parse().unwrap(), "globex".parse().unwrap());
        let file = Path::new("data/operator.token");
        let alone = ready("http://h", file, Some(&acme), &[]);
        assert!(alone.contains("of the tenant `acme`, is in data/operator.token"), "{alone}");
        assert!(!alone.contains("--tenant"), "{alone}");
        let two = ready("http://h", file, Some(&acme), &[globex]);
        assert!(two.contains("postlet token create --tenant globex --scope read"), "{two}");
        assert!(ready("http://h", file, None, &[]).contains("no longer valid"));
    }

    #[tokio::test]
    async fn a_token_of_somewhere_else_has_no_holder_here() {
        let scratch = tempfile::tempdir().unwrap();
        let (mine, other) = (Stores::in_memory(scratch.path()), Stores::in_memory(scratch.path()));
        let (mine, other) = (mine.unwrap(), other.unwrap());
        let acme: TenantId = "acme".parse().unwrap();
        let text = mine.token(&acme, "test", &Scope::EVERY).await.unwrap();
        assert_eq!(mine.holder(text.reveal()).await, Some(acme));
        assert_eq!(other.holder(text.reveal()).await, None);
        // Nor has one with a wrong secret.
        assert_eq!(mine.holder(&format!("{}x", text.reveal())).await, None);
        assert_eq!(mine.holder("nonsense").await, None);
    }
}
