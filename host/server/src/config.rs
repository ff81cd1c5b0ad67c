//! The configuration of `postlet up`.
//!
//! Two types: what may be written, and what the program runs on, which has
//! nothing left to check. A fault names the key and, where TOML knows it, the line.
//! docs/configuration.md shows every key with its default.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::ids::TenantId;
use net::guard::{Egress, Rule};
use serde::Deserialize;

use crate::hostname::HostName;
use crate::sources::{RawDiscovery, RawDns, RawProviders, Sources};

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
    /// What compiling a tenant's component may cost.
    pub compile: Compile,
    /// When a submission is tried again.
    pub outbox: Outbox,
    /// How long mail servers may take.
    pub mail: MailTimes,
    /// How mail servers are found.
    pub sources: Sources,
}

/// One customer.
#[derive(Clone, PartialEq, Eq)]
pub struct TenantConfig {
    /// Its id.
    pub id: TenantId,
    /// The names under which it alone is served.
    pub hosts: Vec<HostName>,
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
    /// Connections at once of one peer; none where it does not matter.
    pub peer: Option<PeerLimit>,
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// How slowly a body may come.
    pub pace: Pace,
    /// How long a client may read nothing of an answer that waits for it.
    pub write: Duration,
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

/// How many connections one peer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimit {
    /// At once.
    pub most: usize,
    /// Peers on this machine count too. Where nobody says so they do not: a proxy is one.
    pub loopback: bool,
}

/// How slowly a body may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Waiting that every body may cost.
    pub grace: Duration,
    /// What it may wait longer for, per second.
    pub bytes: u64,
}

/// What compiling a tenant's component may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compile {
    /// Computing time of the child.
    pub cpu: Duration,
    /// From its start to its end, on a machine that may be busy.
    pub wall: Duration,
    /// Its address space, in bytes.
    pub memory: u64,
    /// Compiled code that is kept on disk, in bytes; 0 keeps none.
    pub cache: u64,
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
            .field("hosts", &self.hosts)
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
    compile: RawCompile,
    #[serde(default)]
    outbox: RawOutbox,
    #[serde(default)]
    mail: RawMail,
    #[serde(default)]
    providers: RawProviders,
    #[serde(default)]
    discovery: RawDiscovery,
    #[serde(default)]
    dns: RawDns,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawTenant {
    id: String,
    #[serde(default)]
    hosts: Vec<String>,
    application: Option<PathBuf>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    providers: Option<PathBuf>,
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
    connections_per_peer: Option<u64>,
    head_secs: Option<u64>,
    body_grace_secs: Option<u64>,
    body_bytes_per_sec: Option<u64>,
    write_secs: Option<u64>,
    cpu_millis: Option<u64>,
    idle_secs: Option<u64>,
    total_secs: Option<u64>,
    memory_bytes: Option<u64>,
    instances: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawCompile {
    cpu_secs: Option<u64>,
    wall_secs: Option<u64>,
    memory_bytes: Option<u64>,
    cache_bytes: Option<u64>,
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
        let (tenants, own) = tenants(self.tenant, base)?;
        let sources = Sources::check(self.providers, &self.discovery, &self.dns, own, base)
            .map_err(|(key, told)| fault(key, told))?;
        Ok(Config {
            listen,
            key_file: self.key_file.map_or_else(|| data.join("master.key"), |path| base.join(path)),
            data,
            tenants,
            egress: egress(&self.egress.allow)?,
            extra_roots,
            limits: self.limits.check()?,
            compile: self.compile.check()?,
            outbox: self.outbox.check()?,
            mail: self.mail.check()?,
            sources,
        })
    }
}

/// Beside the tenants, the directories of those with provider files of their own.
#[expect(clippy::type_complexity, reason = "two lists that one loop makes")]
fn tenants(
    raw: Vec<RawTenant>,
    base: &Path,
) -> Result<(Vec<TenantConfig>, Vec<(TenantId, String, PathBuf)>), ConfigFault> {
    if raw.is_empty() {
        return Err(fault("tenant", "at least one is needed: [[tenant]] with id = \"acme\""));
    }
    let mut ids = BTreeSet::new();
    let mut taken: BTreeMap<HostName, TenantId> = BTreeMap::new();
    let mut tenants = Vec::with_capacity(raw.len());
    let mut own = Vec::new();
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
        let mut hosts = Vec::with_capacity(tenant.hosts.len());
        for (place, text) in tenant.hosts.iter().enumerate() {
            let key = || format!("tenant[{index}].hosts[{place}]");
            let host: HostName =
                text.parse().map_err(|error| fault(key(), format!("`{text}`: {error}")))?;
            if let Some(other) = taken.insert(host.clone(), id.clone()) {
                return Err(fault(key(), format!("`{host}` is there twice, also for `{other}`")));
            }
            hosts.push(host);
        }
        if let Some(directory) = tenant.providers {
            own.push((id.clone(), format!("tenant[{index}].providers"), directory));
        }
        let application = tenant.application.map(|path| base.join(path));
        tenants.push(TenantConfig { id, hosts, application, variables: tenant.variables });
    }
    Ok((tenants, own))
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
        let seconds = |key: &str, value: Option<u64>, default: u64| {
            within(&format!("limits.{key}"), value, default, 1, 3600).map(Duration::from_secs)
        };
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Ok(Limits {
            json_body: size(bytes("json-body-bytes", self.json_body_bytes, 8 << 20)?),
            body: bytes("body-bytes", self.body_bytes, 35 << 20)?,
            connections: size(within("limits.connections", self.connections, 1024, 1, 100_000)?),
            peer: match size(within(
                "limits.connections-per-peer",
                self.connections_per_peer,
                64,
                0,
                100_000,
            )?) {
                0 => None,
                most => Some(PeerLimit { most, loopback: self.connections_per_peer.is_some() }),
            },
            pace: Pace {
                grace: seconds("body-grace-secs", self.body_grace_secs, 5)?,
                bytes: within(
                    "limits.body-bytes-per-sec",
                    self.body_bytes_per_sec,
                    1024,
                    1,
                    1 << 20,
                )?,
            },
            write: seconds("write-secs", self.write_secs, 30)?,
            head: Duration::from_secs(within("limits.head-secs", self.head_secs, 10, 1, 300)?),
            cpu: Duration::from_millis(within(
                "limits.cpu-millis",
                self.cpu_millis,
                2000,
                10,
                60_000,
            )?),
            idle: seconds("idle-secs", self.idle_secs, 30)?,
            total: seconds("total-secs", self.total_secs, 60)?,
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

impl Default for Compile {
    /// What the largest interpreters need on a slow machine, several times over.
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(60),
            wall: Duration::from_secs(180),
            memory: 3_000_000_000,
            cache: 1 << 30,
        }
    }
}

impl RawCompile {
    fn check(self) -> Result<Compile, ConfigFault> {
        let usual = Compile::default();
        let seconds = |key: &str, value: Option<u64>, default: Duration| {
            within(&format!("compile.{key}"), value, default.as_secs(), 1, 3600)
                .map(Duration::from_secs)
        };
        let bytes = |key: &str, value: Option<u64>, default: u64, least: u64| {
            within(&format!("compile.{key}"), value, default, least, 1 << 40)
        };
        Ok(Compile {
            cpu: seconds("cpu-secs", self.cpu_secs, usual.cpu)?,
            wall: seconds("wall-secs", self.wall_secs, usual.wall)?,
            memory: bytes("memory-bytes", self.memory_bytes, usual.memory, 256 << 20)?,
            cache: bytes("cache-bytes", self.cache_bytes, usual.cache, 0)?,
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
            imap_idle: seconds("imap-idle-secs", self.imap_idle_secs, 60)?,
            imap_command: seconds("imap-command-secs", self.imap_command_secs, 600)?,
            smtp_step: seconds("smtp-step-secs", self.smtp_step_secs, 60)?,
            final_dot: seconds("final-dot-secs", self.final_dot_secs, 600)?,
        })
    }
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
