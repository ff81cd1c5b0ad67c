//! Network checks of `postlet doctor`: name servers, the operator's authorization servers, and the
//! mail servers of the accounts.
//!
//! The checks do not log in and send no request to a token endpoint: they must not count as failed
//! logins, and need no secret. A tenant's mail server is not run by the operator, so one that does not
//! respond is a warning.
//!
//! Invariant: every connection goes through the dialer of `net`, so the egress rules apply.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::account_check::verify::SOON;
use engine::oauth::servers::Servers;
use engine::providers::Profiles;
use futures_util::stream::{self, StreamExt};
use model::account::{Account, MailServer, Security};
use model::instant::Timestamp;
use model::port::dial::{Dial, DialError, Encryption, Target, TlsFault};
use model::port::lookup::{FetchError, LookupError, Resolve};
use net::dial::Dialer;
use net::https_fetch::Fetcher;

use crate::cli::doctor::check::Check;

/// The number of mail servers that are checked.
const MOST_SERVERS: usize = 200;
/// Checks at once.
const AT_ONCE: usize = 8;
/// Timeout of each check.
const LIMIT: Duration = Duration::from_secs(20);

/// Checks that the name servers respond. A response without records counts as a response.
pub(crate) async fn names(dialer: &Dialer, accounts: &[Account], table: &Profiles) -> Check {
    const NAME: &str = "dns";
    let of_accounts = accounts.first().map(|account| account.email.domain().to_owned());
    // Without accounts: the domain of a large service's mail server, which has an MX record.
    let known = || {
        table
            .all()
            .find_map(|profile| Some(profile.imap.as_ref()?.host.split_once('.')?.1.to_owned()))
    };
    let Some(domain) = of_accounts.or_else(known) else {
        return Check::skipped(NAME, "there is no domain to look up");
    };
    match tokio::time::timeout(LIMIT, dialer.exchangers(&domain)).await {
        Ok(Ok(found)) if found.is_empty() => {
            let finding = format!("the name servers responded, but have no MX record of {domain}");
            Check::warning(NAME, finding, format!("if that domain receives mail, {NAME_SERVERS}"))
        }
        Ok(Ok(found)) => Check::ok(
            NAME,
            format!("the name servers responded, MX records of {domain}: {}", found.len()),
        ),
        Ok(Err(error)) => names_failed(NAME, error),
        Err(_) => names_failed(NAME, LookupError::Timeout),
    }
}

fn names_failed(name: &str, error: LookupError) -> Check {
    Check::failed(name, error.to_string(), NAME_SERVERS)
}

const NAME_SERVERS: &str =
    "set `servers` in [dns], or correct the name servers of this machine (/etc/resolv.conf)";

/// Checks each mail server of the accounts once.
pub(crate) async fn servers(dialer: &Dialer, accounts: &[Account], now: Timestamp) -> Vec<Check> {
    let mut all: BTreeMap<String, &MailServer> = BTreeMap::new();
    for server in accounts.iter().flat_map(|account| account.imap.iter().chain(&account.smtp)) {
        all.entry(named(server)).or_insert(server);
    }
    let left_out = all.len().saturating_sub(MOST_SERVERS);
    let looks = all
        .into_iter()
        .take(MOST_SERVERS)
        .map(|(name, at)| async move { server(dialer, &name, at, now).await });
    let mut checks: Vec<Check> = stream::iter(looks).buffered(AT_ONCE).collect().await;
    if left_out > 0 {
        checks.push(Check::skipped("servers", format!("{left_out} more are not checked")));
    }
    checks
}

/// Checks that TLS connections to each configured token endpoint can be opened.
pub(crate) async fn authorization(
    fetcher: &Fetcher,
    servers: &Servers,
    now: Timestamp,
) -> Vec<Check> {
    let looks = servers.by_name.iter().map(|(name, server)| async move {
        let name = format!("oauth.server.{name}");
        match tokio::time::timeout(LIMIT, fetcher.knock(&server.token)).await {
            Ok(Ok(encryption)) => certificate(&name, encryption, now),
            Ok(Err(error @ FetchError::Dial(DialError::NotAllowed { .. }))) => {
                let advice = "an authorization server inside your network is allowed by a rule of [egress] allow with its port";
                Check::failed(&name, error.to_string(), advice)
            }
            Ok(Err(FetchError::Dial(error))) => {
                let advice = match error {
                    DialError::Unreachable { .. } | DialError::Timeout { .. } => NO_WEB,
                    DialError::NotFound { .. }
                    | DialError::Unresolved { .. }
                    | DialError::NotAllowed { .. }
                    | DialError::Tls { .. } => advice(&error),
                };
                Check::failed(&name, error.to_string(), advice)
            }
            Ok(Err(error)) => Check::failed(&name, error.to_string(), "correct its key `token`"),
            Err(_) => Check::failed(&name, "no response in time", NO_WEB),
        }
    });
    stream::iter(looks).buffered(AT_ONCE).collect().await
}

const NO_WEB: &str = "check that the server runs, and that firewalls allow connections from this machine to its port";

fn named(server: &MailServer) -> String {
    format!("{}:{}", server.host, server.port)
}

fn certificate(name: &str, encryption: Option<Encryption>, now: Timestamp) -> Check {
    let ends = encryption.and_then(|found| found.certificate_expires);
    match ends {
        Some(ends) if ends.since(now) < SOON => {
            let finding = format!("it responds, but its certificate expires on {ends}");
            Check::warning(name, finding, "ask the server's operator to renew it in time")
        }
        Some(ends) => {
            Check::ok(name, format!("it responds, and its certificate is valid until {ends}"))
        }
        None => Check::ok(name, "it responds, and its certificate is trusted"),
    }
}

async fn server(dialer: &Dialer, name: &str, at: &MailServer, now: Timestamp) -> Check {
    let look = async {
        let wire = dialer.dial(&Target::from(at)).await?;
        match at.security {
            Security::Tls => Ok(Some(wire.upgrade().await?.encryption())),
            Security::StartTls => Ok(None),
        }
    };
    match tokio::time::timeout(LIMIT, look).await {
        Ok(Ok(None)) => Check::ok(name, "it responds; TLS was not checked (STARTTLS)"),
        Ok(Ok(Some(encryption))) => certificate(name, encryption, now),
        Ok(Err(error)) => {
            let advice = advice(&error);
            Check::warning(name, error.to_string(), advice)
        }
        Err(_) => Check::warning(name, "no response in time", UNREACHABLE),
    }
}

const UNREACHABLE: &str = "check that the server runs, and that firewalls allow connections from this machine to ports 993, 465 and 587";

const fn advice(error: &DialError) -> &'static str {
    match error {
        DialError::NotFound { .. } => "check the spelling of the name, and the name servers",
        DialError::Unresolved { .. } => NAME_SERVERS,
        DialError::NotAllowed { .. } => {
            "a server inside your network is allowed by [egress] allow in the configuration"
        }
        DialError::Unreachable { .. } | DialError::Timeout { .. } => UNREACHABLE,
        DialError::Tls { fault: TlsFault::NotTls, .. } => {
            "the port starts in plain text: set `security` to `starttls`, or use the port for TLS (993 or 465)"
        }
        DialError::Tls { .. } => {
            "ask the server's operator to renew its certificate, pin its key, or trust its authority with [tls] extra-roots"
        }
    }
}
