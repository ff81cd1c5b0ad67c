//! `postlet doctor`: is everything in order that a host needs?
//!
//! Looks at what `up` would run on, and beside a host that runs. Each look tells
//! what it saw and, where something is wrong, what to do.
//!
//! Invariant: nothing is made, changed or logged in to.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use model::instant::Timestamp;
use model::port::clock::Clock;
use net::dial::Dialer;
use net::https_fetch::Fetcher;
use net::tls::Trust;
use serde_json::{Value, json};

use crate::cli::api_client::say;
use crate::cli::doctor::check::{Check, State};
use crate::config::master_key::EnvironmentKeys;
use crate::config::{Config, ConfigFault};
use crate::os::clock::SystemClock;

mod check;
mod local;
mod network;

/// A whole configuration, as the README has it.
const FIRST: &str = "data = \"data\"\n\n[[tenant]]\nid = \"acme\"";

/// Looks at everything; an error when something failed.
pub(crate) async fn run(
    path: &Path,
    given: &EnvironmentKeys,
    offline: bool,
    machine: bool,
) -> anyhow::Result<()> {
    let mut report = Report { machine, checks: Vec::new() };
    look(path, given, offline, &mut report).await?;
    let failed = report.checks.iter().filter(|check| check.state == State::Failed).count();
    if machine {
        let checks: Vec<Value> = report.checks.iter().map(Check::shown).collect();
        say(&json!({"ok": failed == 0, "checks": checks}).to_string())?;
    }
    match failed {
        0 => Ok(()),
        1 => bail!("one thing is wrong"),
        _ => bail!("{failed} things are wrong"),
    }
}

async fn look(
    path: &Path,
    given: &EnvironmentKeys,
    offline: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(fault) => {
            let named = matches!(fault, ConfigFault::Unreadable { .. });
            let missing = matches!(&fault, ConfigFault::Unreadable { source, .. } if source.kind() == ErrorKind::NotFound);
            let fault = anyhow::Error::from(fault);
            let told =
                if named { format!("{fault:#}") } else { format!("{}: {fault:#}", path.display()) };
            let advice = if missing {
                format!(
                    "--config names another file; to begin with, write these four lines:\n{FIRST}"
                )
            } else {
                "docs/configuration.md shows every key; --config names another file".to_owned()
            };
            return report.add(Check::failed("configuration", told, advice));
        }
    };
    let tenants = config.tenants.len();
    report.add(Check::ok("configuration", format!("{}, tenants: {tenants}", path.display())))?;
    for check in local::applications(&config.tenants) {
        report.add(check)?;
    }
    report.add(local::directory(&config.data))?;
    let (checks, seen) = local::store(&config, given);
    for check in checks {
        report.add(check)?;
    }
    let (now, built) = (SystemClock::new().now(), built());
    report.add(local::clock(now, built, seen.as_ref()))?;
    report.add(local::build(now, built))?;
    report.add(local::providers(&config.sources.providers, now))?;
    let trust = match Trust::new(config.extra_roots.as_deref()) {
        Ok(trust) => trust,
        Err(fault) => {
            let told = format!("`tls.extra-roots`: {:#}", anyhow::Error::from(fault));
            return report.add(Check::failed("roots", told, "give a file of PEM certificates"));
        }
    };
    if offline {
        return report.add(Check::skipped("network", "not looked at, as --offline says"));
    }
    let mut dialer = Dialer::new(config.egress, trust);
    if !config.sources.name_servers.is_empty() {
        dialer = dialer.with_name_servers(&config.sources.name_servers);
    }
    let dialer = Arc::new(dialer);
    let accounts = seen.map(|seen| seen.accounts).unwrap_or_default();
    report.add(network::names(&dialer, &accounts, &config.sources.providers).await)?;
    let fetcher = Fetcher::configured(Arc::clone(&dialer));
    for check in network::authorization(&fetcher, &config.authorization, now).await {
        report.add(check)?;
    }
    for check in network::servers(&dialer, &accounts, now).await {
        report.add(check)?;
    }
    Ok(())
}

/// When this program was built.
fn built() -> Timestamp {
    let seconds: i64 = env!("POSTLET_BUILT").parse().unwrap_or_default();
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

/// What was seen so far; a person reads each line when it is known.
struct Report {
    machine: bool,
    checks: Vec<Check>,
}

impl Report {
    fn add(&mut self, check: Check) -> anyhow::Result<()> {
        if !self.machine {
            let state = check.state.as_str();
            say(&format!("{state:<8} {}: {}", check.name, check.told))?;
            for line in check.advice.iter().flat_map(|advice| advice.lines()) {
                say(format!("{:<8} {line}", "").trim_end())?;
            }
        }
        self.checks.push(check);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_lines_are_a_configuration() {
        let config = Config::parse(FIRST, Path::new("/")).unwrap();
        assert_eq!((config.tenants.len(), FIRST.lines().count()), (1, 4));
    }
}
