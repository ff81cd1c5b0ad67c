//! The configuration of `postlet up`.
//!
//! Two types: what may be written, and what the program runs on, which has
//! nothing left to check. A fault names the key and, where TOML knows it, the line.
//! docs/configuration.md shows every key with its default.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::profiles::Profiles;
use model::ids::TenantId;
use net::guard::{Egress, Rule};
use serde::Deserialize;

/// What the host runs on.
#[derive(Debug)]
pub struct Config {
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// Databases, blobs and keys.
    pub data: PathBuf,
    /// The master key; made on the first start.
    pub key_file: PathBuf,
    /// At least one.
    pub tenants: Vec<TenantConfig>,
    /// Which servers may be dialled.
    pub egress: Egress,
    /// PEM certificates that are trusted beside the public ones.
    pub extra_roots: Option<Vec<u8>>,
    /// Caps on requests.
    pub limits: Limits,
    /// When a submission is tried again.
    pub outbox: Outbox,
    /// How long mail servers may take.
    pub mail: MailTimes,
    /// What is known about mail services: Postlet's own table and the operator's files.
    pub providers: Arc<Profiles>,
}

/// One customer.
#[derive(Clone, PartialEq, Eq)]
pub struct TenantConfig {
    /// Its id.
    pub id: TenantId,
    /// The `spin.toml` of its own application, served beside the default one.
    pub application: Option<PathBuf>,
    /// Values of the application's variables, by name.
    pub variables: BTreeMap<String, String>,
}

/// Caps on requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// JSON bodies, in bytes.
    pub json_body: usize,
    /// Other bodies, in bytes.
    pub body: u64,
    /// Connections at once.
    pub connections: usize,
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// CPU time of a component for one request.
    pub cpu: Duration,
    /// Between bytes or host calls of a component.
    pub idle: Duration,
    /// A whole request.
    pub total: Duration,
    /// Linear memory of a component, in bytes.
    pub memory: usize,
    /// Component instances at once.
    pub instances: u32,
}

/// When a submission is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox {
    /// The wait after each attempt; the last one repeats.
    pub retry: Vec<Duration>,
    /// After this a submission expires.
    pub give_up: Duration,
}

/// How long mail servers may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailTimes {
    /// Between bytes of an IMAP answer.
    pub imap_idle: Duration,
    /// A whole IMAP command, however busily the server talks.
    pub imap_command: Duration,
    /// One SMTP step.
    pub smtp_step: Duration,
    /// The answer to the final dot (RFC 5321 §4.5.3.2.6 asks for ten minutes).
    pub final_dot: Duration,
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFault {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("{0}")]
    Toml(String),
    /// A key whose value cannot be used.
    #[error("`{key}`: {fault}")]
    Key {
        /// As it is written in the file.
        key: String,
        /// What to do.
        fault: String,
    },
}

impl Config {
    /// Reads the file; paths in it are relative to its directory.
    ///
    /// # Errors
    /// With the key that is at fault.
    pub fn load(path: &Path) -> Result<Self, ConfigFault> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigFault::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, path.parent().unwrap_or(Path::new(".")))
    }

    /// # Errors
    /// With the key that is at fault.
    pub fn parse(text: &str, base: &Path) -> Result<Self, ConfigFault> {
        let raw: Raw = toml::from_str(text)
            .map_err(|error| ConfigFault::Toml(error.to_string().trim_end().to_owned()))?;
        raw.check(base)
    }
}

impl fmt::Debug for TenantConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        f.debug_struct("TenantConfig")
            .field("id", &self.id)
            .field("application", &self.application)
            .field("variables", &self.variables.keys().collect::<Vec<_>>())
            .finish()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    listen: Option<String>,
    data: PathBuf,
    key_file: Option<PathBuf>,
    #[serde(default)]
    tenant: Vec<RawTenant>,
    #[serde(default)]
    egress: RawEgress,
    #[serde(default)]
    tls: RawTls,
    #[serde(default)]
    limits: RawLimits,
    #[serde(default)]
    outbox: RawOutbox,
    #[serde(default)]
    mail: RawMail,
    #[serde(default)]
    providers: RawProviders,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawTenant {
    id: String,
    application: Option<PathBuf>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawEgress {
    allow: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawTls {
    extra_roots: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawLimits {
    json_body_bytes: Option<u64>,
    body_bytes: Option<u64>,
    connections: Option<u64>,
    head_secs: Option<u64>,
    cpu_millis: Option<u64>,
    idle_secs: Option<u64>,
    total_secs: Option<u64>,
    memory_bytes: Option<u64>,
    instances: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawOutbox {
    retry_secs: Option<Vec<u64>>,
    give_up_hours: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawMail {
    imap_idle_secs: Option<u64>,
    imap_command_secs: Option<u64>,
    smtp_step_secs: Option<u64>,
    final_dot_secs: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawProviders {
    directory: Option<PathBuf>,
}

impl Raw {
    fn check(self, base: &Path) -> Result<Config, ConfigFault> {
        let data = base.join(self.data);
        let listen = self.listen.as_deref().unwrap_or("127.0.0.1:7400");
        let listen = listen.parse().map_err(|_| {
            fault(
                "listen",
                format!("`{listen}` is not an address and a port such as 127.0.0.1:7400"),
            )
        })?;
        let extra_roots = match self.tls.extra_roots {
            Some(path) => {
                let path = base.join(path);
                Some(std::fs::read(&path).map_err(|error| {
                    fault("tls.extra-roots", format!("cannot read {}: {error}", path.display()))
                })?)
            }
            None => None,
        };
        Ok(Config {
            listen,
            key_file: self.key_file.map_or_else(|| data.join("master.key"), |path| base.join(path)),
            data,
            tenants: tenants(self.tenant, base)?,
            egress: egress(&self.egress.allow)?,
            extra_roots,
            limits: self.limits.check()?,
            outbox: self.outbox.check()?,
            mail: self.mail.check()?,
            providers: self.providers.check(base)?,
        })
    }
}

fn tenants(raw: Vec<RawTenant>, base: &Path) -> Result<Vec<TenantConfig>, ConfigFault> {
    if raw.is_empty() {
        return Err(fault("tenant", "at least one is needed: [[tenant]] with id = \"acme\""));
    }
    let mut ids = BTreeSet::new();
    let mut tenants = Vec::with_capacity(raw.len());
    for (index, tenant) in raw.into_iter().enumerate() {
        let id: TenantId = tenant
            .id
            .parse()
            .map_err(|error| fault(format!("tenant[{index}].id"), format!("{error}")))?;
        if !ids.insert(id.clone()) {
            return Err(fault(format!("tenant[{index}].id"), format!("`{id}` is there twice")));
        }
        if tenant.application.is_none() && !tenant.variables.is_empty() {
            let key = format!("tenant[{index}].variables");
            return Err(fault(key, "they are those of an `application`, and there is none"));
        }
        let application = tenant.application.map(|path| base.join(path));
        tenants.push(TenantConfig { id, application, variables: tenant.variables });
    }
    Ok(tenants)
}

fn egress(allow: &[String]) -> Result<Egress, ConfigFault> {
    let mut rules: Vec<Rule> = Vec::with_capacity(allow.len());
    for (index, rule) in allow.iter().enumerate() {
        rules.push(
            rule.parse()
                .map_err(|error| fault(format!("egress.allow[{index}]"), format!("{error}")))?,
        );
    }
    Ok(Egress::new(rules))
}

impl RawLimits {
    fn check(self) -> Result<Limits, ConfigFault> {
        let bytes = |key: &str, value: Option<u64>, default: u64| {
            within(&format!("limits.{key}"), value, default, 1024, 1 << 30)
        };
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Ok(Limits {
            json_body: size(bytes("json-body-bytes", self.json_body_bytes, 8 << 20)?),
            body: bytes("body-bytes", self.body_bytes, 35 << 20)?,
            connections: size(within("limits.connections", self.connections, 1024, 1, 100_000)?),
            head: Duration::from_secs(within("limits.head-secs", self.head_secs, 10, 1, 300)?),
            cpu: Duration::from_millis(within(
                "limits.cpu-millis",
                self.cpu_millis,
                2000,
                10,
                60_000,
            )?),
            idle: Duration::from_secs(within("limits.idle-secs", self.idle_secs, 30, 1, 3600)?),
            total: Duration::from_secs(within("limits.total-secs", self.total_secs, 60, 1, 3600)?),
            memory: size(within(
                "limits.memory-bytes",
                self.memory_bytes,
                64 << 20,
                1 << 20,
                256 << 20,
            )?),
            instances: u32::try_from(within("limits.instances", self.instances, 200, 2, 1000)?)
                .unwrap_or(1000),
        })
    }
}

impl RawOutbox {
    fn check(self) -> Result<Outbox, ConfigFault> {
        let retry =
            self.retry_secs.unwrap_or_else(|| vec![30, 120, 300, 900, 1800, 3600, 7200, 14_400]);
        if retry.is_empty() || retry.iter().any(|seconds| !(1..=86_400).contains(seconds)) {
            return Err(fault(
                "outbox.retry-secs",
                "one or more waits between 1 and 86400 seconds are needed",
            ));
        }
        let hours = within("outbox.give-up-hours", self.give_up_hours, 96, 1, 720)?;
        Ok(Outbox {
            retry: retry.into_iter().map(Duration::from_secs).collect(),
            give_up: Duration::from_secs(hours * 3600),
        })
    }
}

impl RawMail {
    fn check(self) -> Result<MailTimes, ConfigFault> {
        let seconds = |key: &str, value: Option<u64>, default: u64| {
            within(&format!("mail.{key}"), value, default, 1, 3600).map(Duration::from_secs)
        };
        Ok(MailTimes {
            imap_idle: seconds("imap-idle-secs", self.imap_idle_secs, 30)?,
            imap_command: seconds("imap-command-secs", self.imap_command_secs, 600)?,
            smtp_step: seconds("smtp-step-secs", self.smtp_step_secs, 60)?,
            final_dot: seconds("final-dot-secs", self.final_dot_secs, 600)?,
        })
    }
}

impl RawProviders {
    fn check(self, base: &Path) -> Result<Arc<Profiles>, ConfigFault> {
        const KEY: &str = "providers.directory";
        let files = match self.directory {
            Some(directory) => {
                let directory = base.join(directory);
                provider_files(&directory).map_err(|error| {
                    fault(KEY, format!("cannot read {}: {error}", directory.display()))
                })?
            }
            None => Vec::new(),
        };
        let profiles =
            Profiles::with_directory(&files).map_err(|error| fault(KEY, error.to_string()))?;
        Ok(Arc::new(profiles))
    }
}

/// Name and text of every `.toml` file, by name; whatever else lies there is somebody else's.
fn provider_files(directory: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "toml") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, std::fs::read_to_string(&path)?));
        }
    }
    files.sort();
    Ok(files)
}

fn within(
    key: &str,
    value: Option<u64>,
    default: u64,
    least: u64,
    most: u64,
) -> Result<u64, ConfigFault> {
    let value = value.unwrap_or(default);
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(fault(key, format!("{value} is not between {least} and {most}")))
    }
}

fn fault(key: impl Into<String>, fault: impl Into<String>) -> ConfigFault {
    ConfigFault::Key { key: key.into(), fault: fault.into() }
}
