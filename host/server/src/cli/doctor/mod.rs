//! `postlet doctor`: checks everything that a host needs.
//!
//! It checks what `up` would use, and may run beside a running host. Each check has a
//! finding and, where something is wrong, advice.
//!
//! Invariant: a check changes nothing, logs in nowhere, and leaves nothing behind.

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

use crate::cli::doctor::check::{Check, State};
use crate::cli::output::say;
use crate::config::master_key::EnvironmentKeys;
use crate::config::{Config, ConfigFault};
use crate::os::clock::SystemClock;

mod check;
mod disk;
mod local;
mod network;

/// A minimal configuration, the same as in the README.
const FIRST: &str = "data = \"data\"\n\n[[tenant]]\nid = \"acme\"";

/// Runs all checks.
///
/// # Errors
/// When a check failed.
pub(crate) async fn run(
    path: &Path,
    given: &EnvironmentKeys,
    offline: bool,
    machine: bool,
) -> anyhow::Result<()> {
    let mut report = Report { machine, checks: Vec::new() };
    run_checks(path, given, offline, &mut report).await?;
    let failed = report.checks.iter().filter(|check| check.state == State::Failed).count();
    if machine {
        let checks: Vec<Value> = report.checks.iter().map(Check::shown).collect();
        say(&json!({"ok": failed == 0, "checks": checks}).to_string())?;
    }
    match failed {
        0 => Ok(()),
        1 => bail!("1 check failed"),
        _ => bail!("{failed} checks failed"),
    }
}

async fn run_checks(
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
            let finding =
                if named { format!("{fault:#}") } else { format!("{}: {fault:#}", path.display()) };
            let advice = if missing {
                format!("name another file with --config, or start with these four lines:\n{FIRST}")
            } else {
                "docs/configuration.md lists every key; --config names another file".to_owned()
            };
            return report.add(Check::failed("configuration", finding, advice));
        }
    };
    let tenants = config.tenants.len();
    report.add(Check::ok("configuration", format!("{}, tenants: {tenants}", path.display())))?;
    for check in local::applications(&config.tenants) {
        report.add(check)?;
    }
    for check in disk::directories(&config.data) {
        report.add(check)?;
    }
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
            let finding = format!("`tls.extra-roots`: {:#}", anyhow::Error::from(fault));
            return report.add(Check::failed("roots", finding, "name a file of PEM certificates"));
        }
    };
    if offline {
        return report.add(Check::skipped("network", "not checked: --offline is set"));
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

/// The build time of this program.
fn built() -> Timestamp {
    let seconds: i64 = env!("POSTLET_BUILT").parse().unwrap_or_default();
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

/// The checks so far. Without JSON output each is printed when it is done.
struct Report {
    machine: bool,
    checks: Vec<Check>,
}

impl Report {
    fn add(&mut self, check: Check) -> anyhow::Result<()> {
        if !self.machine {
            let state = check.state.as_str();
            say(&format!("{state:<8} {}: {}", check.name, check.finding))?;
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
