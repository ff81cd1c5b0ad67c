//! Local checks of `postlet doctor`: applications, key, store, clock, build and the table of providers.
//!
//! Invariant: nothing is created or changed, also while a host runs.

use std::path::Path;
use std::time::Duration;

use engine::app::manifest::Manifest;
use engine::providers::Profiles;
use model::instant::Timestamp;
use model::provider::Evidence;
use runtime::wrong_file::WrongFile;
use store::OpenError;
use store::keys::Keys;
use store::keys::key_file::KeyFile;
use store::sqlite::inspect::{self, Inspection};

use crate::cli::doctor::check::Check;
use crate::config::master_key::{EnvironmentKeys, KeySource};
use crate::config::{Config, TenantConfig, master_key};
use crate::deploy::application::at_source;
use crate::deploy::{DeployFault, directory_of, manifest_of, source_of};

/// The age of a build above which there is a warning: it lacks half a year of security fixes.
const OLD: Duration = Duration::from_secs(180 * 86_400);
/// The largest clock difference between two machines that is accepted.
const SKEW: Duration = Duration::from_secs(120);
/// The age in years at which facts about a provider are stale: services move their servers, and change
/// their requirements.
const STALE_YEARS: i32 = 3;

/// Checks that each tenant's manifest, and the component files that it names, can be read.
pub(crate) fn applications(tenants: &[TenantConfig]) -> Vec<Check> {
    let named =
        tenants.iter().filter_map(|tenant| Some((&tenant.id, tenant.application.as_ref()?)));
    let read = |(id, path): (&model::ids::TenantId, &std::path::PathBuf)| {
        let name = format!("application of {id}");
        match manifest_of(path) {
            Ok(manifest) => {
                if let Some(fault) = sources(path, &manifest) {
                    let advice = "build the application, or correct the manifest: until then `up` serves this tenant the default application only";
                    return Check::failed(&name, fault.to_string(), advice);
                }
                let count = manifest.components.len();
                Check::ok(&name, format!("{}, components: {count}", path.display()))
            }
            Err(fault) => Check::failed(&name, format!("{fault:#}"), "correct the manifest"),
        }
    };
    named.map(read).collect()
}

/// The first component whose file cannot be read or is empty.
fn sources(path: &Path, manifest: &Manifest) -> Option<DeployFault> {
    let fault = manifest.components.iter().find_map(|(name, written)| {
        match source_of(directory_of(path), name, written) {
            Err(fault) => Some(fault),
            Ok(bytes) if bytes.is_empty() => {
                Some(at_source(name, written, WrongFile::Empty.to_string()))
            }
            Ok(_) => None,
        }
    })?;
    Some(DeployFault { manifest: path.to_owned(), fault })
}

/// Checks the master key and the store; also returns what the inspection of the store found.
pub(crate) fn store(config: &Config, given: &EnvironmentKeys) -> (Vec<Check>, Option<Inspection>) {
    const STORE: &str = "store";
    let (key, keys) = key(config, given);
    let Some(keys) = keys else {
        return (vec![key, Check::skipped(STORE, "not checked without a key")], None);
    };
    match inspect::look(&config.data, &keys) {
        Ok(None) => (vec![key, Check::ok(STORE, "nothing is stored yet")], None),
        Ok(Some(seen)) => {
            let by = if seen.in_use { "a host runs on it" } else { "no host runs on it" };
            let finding = format!("intact, accounts: {}, {by}", seen.accounts.len());
            let mut checks = vec![key, Check::ok(STORE, finding)];
            checks.extend(quarantine(&seen));
            (checks, Some(seen))
        }
        Err(error @ OpenError::WrongKey { .. }) => {
            let key = Check::failed(KEY, describe(&error), advice(&error));
            (vec![key, Check::skipped(STORE, "the key does not decrypt it")], None)
        }
        Err(error) => (vec![key, Check::failed(STORE, describe(&error), advice(&error))], None),
    }
}

/// A warning when there are quarantined submissions.
fn quarantine(seen: &Inspection) -> Option<Check> {
    (seen.quarantined > 0).then(|| {
        let finding = format!(
            "{} submissions could not be read and are in quarantine; they are not sent",
            seen.quarantined
        );
        let advice = "read the table `quarantine` of outbox.db (`sqlite3 -readonly`), send what is needed by hand, then delete its rows; also check the disk";
        Check::warning("quarantine", finding, advice)
    })
}

const KEY: &str = "key";

fn key(config: &Config, given: &EnvironmentKeys) -> (Check, Option<Keys>) {
    let source = KeySource::choose(given, config.key_file.as_deref(), &config.data);
    let file = match source {
        Ok(KeySource::File(file)) => file,
        Ok(KeySource::Environment(keys)) => {
            return (Check::ok(KEY, format!("in {}", master_key::VARIABLE)), Some(keys));
        }
        Err(fault) => {
            return (
                Check::failed(
                    KEY,
                    format!("{fault:#}"),
                    "keep one key in one place, as docs/configuration.md says under \"The master key\"",
                ),
                None,
            );
        }
    };
    let place = file.path().display();
    match file.load() {
        Ok(Some(keys)) => (loaded(&file), Some(keys)),
        Ok(None) if config.data.join("meta.db").exists() => {
            let finding =
                format!("{place} is missing, and {} is encrypted with it", config.data.display());
            let advice = "restore the key, or set POSTLET_MASTER_KEY here too if it is kept there: nothing else decrypts the passwords";
            (Check::failed(KEY, finding, advice), None)
        }
        Ok(None) => (Check::ok(KEY, format!("{place} will be created at the first start")), None),
        Err(error) => (Check::failed(KEY, describe(&error), advice(&error)), None),
    }
}

/// A key that was read; a warning when a rotation did not finish.
fn loaded(file: &KeyFile) -> Check {
    let place = file.path().display();
    let Some(next) = file.unfinished() else { return Check::ok(KEY, place.to_string()) };
    let finding = format!("{place}, and {}: a rotation of the key did not finish", next.display());
    let advice = "start the host, or run `postlet key rotate` where it runs, to finish it; until then keep both files: either may be needed";
    Check::warning(KEY, finding, advice)
}

fn advice(error: &OpenError) -> &'static str {
    match error {
        OpenError::KeyExposed { .. } => "chmod 600 it, and change the passwords that it protects",
        OpenError::KeyMalformed { .. } | OpenError::WrongKey { .. } => {
            "restore the key that belongs to this data"
        }
        OpenError::Missing { .. } => {
            "restore both databases from one backup, or move the directory away to start with an empty one"
        }
        OpenError::Newer { .. } => "use the newest release that ever ran here",
        OpenError::Damaged { .. } | OpenError::Database { .. } => {
            "stop the host, keep a copy of the directory, and restore the last backup"
        }
        OpenError::Io { .. } | OpenError::Locked { .. } => "run this as the user who runs the host",
    }
}

/// Checks the system clock against the build time and the newest stored message: certificates, tokens
/// and retries depend on it.
pub(crate) fn clock(now: Timestamp, built: Timestamp, seen: Option<&Inspection>) -> Check {
    const NAME: &str = "clock";
    let advice = "set the clock, and synchronize it with NTP";
    if built.since(now) > SKEW {
        let finding = format!("it is {now}, but this program was built at {built}");
        return Check::failed(NAME, finding, advice);
    }
    if let Some(newest) = seen.and_then(|seen| seen.newest)
        && newest.since(now) > SKEW
    {
        let finding = format!("it is {now}, but a message was accepted at {newest}");
        return Check::failed(NAME, finding, advice);
    }
    Check::ok(NAME, now.to_string())
}

/// Checks the age of the program.
pub(crate) fn build(now: Timestamp, built: Timestamp) -> Check {
    const NAME: &str = "build";
    let age = now.since(built);
    let finding =
        format!("version {}, {} days old", env!("CARGO_PKG_VERSION"), age.as_secs() / 86_400);
    if age > OLD {
        let advice = "install the newest release, or build it again with newer dependencies";
        return Check::warning(NAME, finding, advice);
    }
    Check::ok(NAME, finding)
}

/// Checks the age of the facts in the provider table.
pub(crate) fn providers(profiles: &Profiles, now: Timestamp) -> Check {
    const NAME: &str = "providers";
    let this_year = year(&now.to_string()).unwrap_or_default();
    let mut known = 0;
    let mut stale = Vec::new();
    for profile in profiles.all() {
        known += 1;
        let read = profile.facts.iter().filter_map(|fact| match &fact.evidence {
            Evidence::Read { date, .. } => year(date),
            Evidence::Unverified => None,
        });
        if read.max().is_some_and(|newest| this_year - newest > STALE_YEARS) {
            stale.push(profile.id.as_str());
        }
    }
    if stale.is_empty() {
        return Check::ok(NAME, format!("{known} are known"));
    }
    let finding =
        format!("the entries of {} are more than {STALE_YEARS} years old", stale.join(", "));
    Check::warning(NAME, finding, "install the newest release, or update your own provider files")
}

fn year(date: &str) -> Option<i32> {
    date.get(..4)?.parse().ok()
}

/// An error with its causes in one line, without the advice that [`advice`] gives.
fn describe(error: &OpenError) -> String {
    let mut text = error.to_string();
    let advises = matches!(
        error,
        OpenError::KeyExposed { .. } | OpenError::Newer { .. } | OpenError::Missing { .. }
    );
    if advises && let Some((fact, _)) = text.rsplit_once(": ") {
        text = fact.to_owned();
    }
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::State;

    const BUILT: &str = "2026-06-01T00:00:00Z";

    #[test]
    fn a_clock_before_the_build_or_the_newest_message_fails() {
        let newest = |text: &str| Inspection {
            in_use: false,
            accounts: Vec::new(),
            quarantined: 0,
            newest: Some(at(text)),
        };
        let check = |now: &str, seen: Option<Inspection>, want| {
            assert_eq!(clock(at(now), at(BUILT), seen.as_ref()).state, want, "{now}");
        };
        check("2026-06-02T00:00:00Z", None, State::Ok);
        check("2026-05-31T23:59:00Z", None, State::Ok);
        check("2026-05-31T00:00:00Z", None, State::Failed);
        check("2026-06-02T00:00:00Z", Some(newest("2026-06-02T00:01:00Z")), State::Ok);
        check("2026-06-02T00:00:00Z", Some(newest("2026-06-03T00:00:00Z")), State::Failed);
    }

    #[test]
    fn quarantined_submissions_are_a_warning() {
        let seen = |quarantined| Inspection {
            in_use: false,
            accounts: Vec::new(),
            quarantined,
            newest: None,
        };
        assert!(quarantine(&seen(0)).is_none());
        let check = quarantine(&seen(3)).unwrap();
        assert_eq!(check.state, State::Warning);
        assert!(check.finding.starts_with("3 submissions"), "{}", check.finding);
    }

    #[test]
    fn a_program_of_half_a_year_is_old() {
        assert_eq!(build(at("2026-11-01T00:00:00Z"), at(BUILT)).state, State::Ok);
        assert_eq!(build(at("2026-12-01T00:00:00Z"), at(BUILT)).state, State::Warning);
    }

    #[test]
    fn a_finding_does_not_repeat_the_advice() {
        let path = std::path::PathBuf::from("/k: y");
        let error = OpenError::KeyExposed { path: path.clone(), mode: 0o644 };
        assert_eq!(describe(&error), "/k: y may be read by others (mode 644)");
        assert!(advice(&error).contains("chmod 600"));
        let error = OpenError::Newer { file: path, found: 9, known: 8 };
        assert!(describe(&error).ends_with("versions up to 8"), "{}", describe(&error));
        let (file, dir) = ("/d/meta.db".into(), "/d".into());
        let error = OpenError::Missing { file, dir };
        assert!(describe(&error).ends_with("holds what belongs to it"), "{}", describe(&error));
    }

    #[test]
    fn facts_grow_old() {
        let table = Profiles::embedded().unwrap();
        assert_eq!(providers(&table, at("2026-11-01T00:00:00Z")).state, State::Ok);
        assert_eq!(providers(&table, at("2039-11-01T00:00:00Z")).state, State::Warning);
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }
}
