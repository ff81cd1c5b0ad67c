//! `postlet dev`: runs a host with its own mail servers, for trying things out.
//!
//! Two tenants, IMAP and SMTP servers on loopback with three mailboxes, everything
//! in memory. The tokens that it prints are valid until it ends.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use mailroom::{Mailroom, User};
use model::account::{Account, Credentials, Identity, MailServer, Security};
use model::caller::Scope;
use model::ids::TenantId;
use model::secret::Secret;
use net::egress_guard::{Egress, Rule};
use rules::foreign_text::shown;
use serde_json::{Value, json};

use crate::cli::curl_examples;
use crate::cli::output::{note, say, warn};
use crate::cli::watch::WatchedApplication;
use crate::config::Config;
use crate::deploy::{MOST_MANIFEST, manifest_of};
use crate::host::stores::Stores;
use crate::host::{Host, HostConfig, this_program};
use crate::log::quota;
use crate::os::{file_limit, task, untrusted_file};
use crate::serve::listener::HttpListener;
use crate::serve::shutdown;
use crate::serve::shutdown::Signals;

/// The port that the README names.
pub(crate) const USUAL: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7400);

/// Tenant, account, display name and password of each mailbox.
const MAILBOXES: [(&str, &str, &str, &str); 3] = [
    ("demo", "anna", "Anna", "anna-password"),
    ("demo", "bob", "Bob", "bob-password"),
    ("other", "carol", "Carol", "carol-password"),
];

/// The default configuration with ten times the limits for compiling: the machine is often busy with
/// a build, the host is often not optimised, and `dev` has no configuration file to raise a limit.
const CONFIG: &str = r#"
data = "."
[[tenant]]
id = "demo"
[[tenant]]
id = "other"
[compile]
cpu-secs = 600
wall-secs = 1800
"#;

/// Starts everything and serves until a signal.
pub(crate) async fn run(
    listen: Option<SocketAddr>,
    own: Option<WatchedApplication>,
    machine: bool,
) -> anyhow::Result<()> {
    if !machine {
        warn("Starting: compiling the components ...");
    }
    let scratch = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .context("cannot create a temporary directory")?;
    let users = MAILBOXES
        .iter()
        .map(|(_, id, _, password)| User {
            email: format!("{id}@mailroom.test"),
            password: (*password).to_owned(),
        })
        .collect();
    let mailroom = Mailroom::start(mailroom::Config { users, hostname: "localhost".to_owned() })
        .await
        .context("cannot start the mail servers")?;
    let rules: Vec<Rule> =
        [mailroom.imap(), mailroom.imaps(), mailroom.submission(), mailroom.submissions()]
            .iter()
            .map(|address| {
                address.to_string().parse().with_context(|| format!("an egress rule for {address}"))
            })
            .collect::<anyhow::Result<_>>()?;
    let mut defaults = Config::parse(CONFIG, scratch.path())?;
    let tenants: Vec<TenantId> = defaults.tenants.iter().map(|tenant| tenant.id.clone()).collect();
    file_limit::fit(&mut defaults.limits);
    let parts = HostConfig {
        tenants: defaults.tenants,
        program: this_program()?,
        egress: Egress::new(rules),
        extra_roots: None,
        limits: defaults.limits,
        compile: defaults.compile,
        outbox: defaults.outbox,
        mail: defaults.mail,
        ehlo_name: defaults.ehlo_name,
        sources: defaults.sources,
        authorization: defaults.authorization,
    };
    quota::allow(parts.limits.log);
    quota::tell_at_once();
    let stop = parts.limits.stop;
    let host = Host::build(parts, Stores::in_memory(scratch.path())?).await?;

    let mut accounts = Vec::with_capacity(MAILBOXES.len());
    for (tenant, id, name, password) in MAILBOXES {
        let (account, shown) = account(tenant, id, name, password, &mailroom)?;
        host.api
            .accounts
            .accounts
            .create(&account, &Credentials::Password(Secret::new(password.to_owned())))
            .await?;
        accounts.push((tenant, shown));
    }
    let mut tokens = Vec::with_capacity(tenants.len());
    for tenant in tenants {
        let scopes = if tenant.as_str() == "demo" {
            Scope::EVERY.to_vec()
        } else {
            vec![Scope::Read, Scope::Change, Scope::Send, Scope::Accounts]
        };
        tokens.push(
            host.api
                .authenticator
                .make(tenant, Some("postlet dev".to_owned()), scopes, None, None)
                .await?,
        );
    }
    let edge = match (listen, HttpListener::bind(listen.unwrap_or(USUAL)).await) {
        (None, Err(why)) => {
            let edge = HttpListener::bind(SocketAddr::new(USUAL.ip(), 0)).await?;
            let address = edge.address()?;
            note(&format!("{why:#}: serving at {address}; --listen names another address"));
            edge
        }
        (_, edge) => edge?,
    };
    let url = format!("http://{}", edge.address()?);
    let of = |wanted: &str| {
        tokens
            .iter()
            .find(|(token, _)| token.tenant.as_str() == wanted)
            .map_or("", |(_, text)| text.reveal())
    };
    let demo: TenantId = "demo".parse()?;
    let manifest = own.as_ref().map(|own| own.manifest.clone());
    let watcher = match own {
        Some(own) => Some(own.start(&host, demo.clone(), url.clone()).await),
        None => {
            if is_application(Path::new("spin.toml")) {
                note("./spin.toml is not served; to serve it: postlet dev --manifest spin.toml");
            }
            None
        }
    };
    let text = if machine {
        ready_line(&url, of("demo"), of("other"), &accounts)
    } else {
        let mut text = welcome(&url, of("demo"));
        // The error of a faulty manifest was printed already.
        let manifest = manifest.and_then(|path| manifest_of(&path).ok());
        let (own, default) = (host.api.deployments.of(&demo), host.api.deployments.default());
        if let Some(manifest) = manifest
            && !Arc::ptr_eq(&own, default)
        {
            let lines = curl_examples::lines(&url, &manifest, &own.openapi, &default.openapi);
            if !lines.is_empty() {
                text += &format!("\n# The endpoints of {}\n", shown(&manifest.name));
                text.extend(lines.into_iter().map(|line| line + "\n"));
            }
            let filters: Vec<_> =
                manifest.filters.iter().map(|filter| filter.component.as_str()).collect();
            if !filters.is_empty() {
                let (name, filters) = (shown(&manifest.name), filters.join(", "));
                text += &format!(
                    "\n# Mail from Anna and Bob passes the filters of {name}: {filters}\n"
                );
            }
        }
        text
    };
    let signals = Signals::watch(stop)?;
    say(&text)?;
    let watching =
        watcher.map(|watcher| task::spawn("manifest", watcher.run(Arc::downgrade(&host))));
    shutdown::run(host, edge, signals).await;
    if let Some(watching) = watching {
        watching.abort();
    }
    drop(mailroom);
    Ok(())
}

/// Whether the file is a manifest other than the default application's, which is in this repository.
fn is_application(path: &Path) -> bool {
    untrusted_file::read(path, MOST_MANIFEST)
        .is_ok_and(|bytes| bytes != components::MANIFEST.as_bytes())
}

fn account(
    tenant: &str,
    id: &str,
    name: &str,
    password: &str,
    mailroom: &Mailroom,
) -> anyhow::Result<(Account, Value)> {
    let email = format!("{id}@mailroom.test");
    let server = |address: SocketAddr| -> anyhow::Result<MailServer> {
        Ok(MailServer {
            host: address.ip().to_string(),
            port: address.port(),
            security: Security::Tls,
            username: email.clone(),
            pin: Some(mailroom.spki_pin().parse()?),
        })
    };
    let (imap, smtp) = (server(mailroom.imaps())?, server(mailroom.submissions())?);
    let shown = |server: &MailServer| json!({"host": server.host, "port": server.port, "security": server.security, "username": server.username, "pin": server.pin});
    let json = json!({"id": id, "email": email, "password": password, "imap": shown(&imap), "smtp": shown(&smtp)});
    let account = Account {
        id: id.parse()?,
        tenant: tenant.parse()?,
        email: email.parse()?,
        name: Some(name.to_owned()),
        imap: Some(imap),
        smtp: Some(smtp),
        identities: vec![Identity { name: Some(name.to_owned()), email: email.parse()? }],
        generation: 1,
    };
    Ok((account, json))
}

/// The line of JSON for scripts.
fn ready_line(url: &str, token: &str, other: &str, accounts: &[(&str, Value)]) -> String {
    let of = |wanted: &str| -> Vec<&Value> {
        accounts
            .iter()
            .filter(|(tenant, _)| *tenant == wanted)
            .map(|(_, account)| account)
            .collect()
    };
    let ids = |wanted: &str| {
        of(wanted).into_iter().filter_map(|account| account.get("id").cloned()).collect::<Value>()
    };
    json!({
        "url": url, "token": token, "tenant": "demo", "accounts": of("demo"),
        "tenants": [{"id": "demo", "token": token, "accounts": ids("demo")}, {"id": "other", "token": other, "accounts": ids("other")}],
    })
    .to_string()
}

/// The text that a person sees when the host is ready.
fn welcome(url: &str, token: &str) -> String {
    format!(
        r#"Postlet is ready at {url}

  There are two mailboxes, anna and bob, on mail servers in this process.
  No mail leaves this machine, and all data is lost when the process ends (Ctrl-C).

  Paste these lines into another terminal:

export POSTLET={url}/v1/accounts
export TOKEN={token}

# The same for this program's own commands, such as `postlet account list`
export POSTLET_URL={url} POSTLET_TOKEN=$TOKEN

# Anna writes to Bob
curl -sS -H "Authorization: Bearer $TOKEN" $POSTLET/anna/send --json '{{"to": [{{"email": "bob@mailroom.test"}}], "subject": "Hello Bob", "text": "How are you?"}}'

# Bob lists his inbox
curl -sS -H "Authorization: Bearer $TOKEN" "$POSTLET/bob/messages?mailbox=INBOX"

# ... takes the first message's id, and fetches it
ID=$(curl -sS -H "Authorization: Bearer $TOKEN" $POSTLET/bob/messages | grep -o '"id":"[^"]*"' | head -n 1 | cut -d '"' -f 4)
curl -sS -H "Authorization: Bearer $TOKEN" $POSTLET/bob/messages/$ID

# ... and flags it
curl -sS -H "Authorization: Bearer $TOKEN" -X PATCH $POSTLET/bob/messages/$ID --json '{{"flags": {{"add": ["\\Seen", "\\Flagged"]}}}}'
"#
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::limits::Compile;

    #[test]
    fn the_limits_for_compiling_are_ten_times_the_defaults() {
        let compile = Config::parse(CONFIG, Path::new(".")).unwrap().compile;
        let usual = Compile::default();
        let (cpu, wall) = (Duration::from_secs(600), Duration::from_secs(1800));
        assert_eq!(compile, Compile { cpu, wall, ..usual });
        assert_eq!((cpu, wall), (usual.cpu * 10, usual.wall * 10));
    }
}
