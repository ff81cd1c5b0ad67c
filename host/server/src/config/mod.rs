//! Configuration file of `postlet up`.
//!
//! Two types: the raw one as TOML has it, and the checked one that the program uses. An
//! error names the key and, for TOML errors, the line. docs/configuration.md lists every
//! key with its default.

pub mod host_name;
pub(crate) mod ehlo_name;
pub mod discovery;
pub(crate) mod oauth;
pub mod limits;
pub mod master_key;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use engine::oauth::servers::Servers;
use engine::toml_error;
use model::ids::TenantId;
use net::egress_guard::{Egress, InvalidRule, Rule};
use serde::Deserialize;

use crate::config::discovery::{RawDiscovery, RawDns, RawProviders, Sources};
use crate::config::ehlo_name::RawSmtp;
use crate::config::host_name::HostName;
use crate::config::limits::{
    Compile, Limits, MailTimes, Outbox, RawCompile, RawLimits, RawMail, RawOutbox,
};
use crate::config::oauth::RawOAuth;

/// The checked configuration.
#[derive(Debug)]
pub struct Config {
    /// The address of the HTTP server.
    pub listen: SocketAddr,
    /// The data directory: databases, message files and keys.
    pub data: PathBuf,
    /// The file of the master key, when it is not in the data directory; created at the first start.
    pub key_file: Option<PathBuf>,
    /// The tenants, at least one.
    pub tenants: Vec<TenantConfig>,
    /// The egress rules: which addresses may be connected to.
    pub egress: Egress,
    /// PEM certificates of authorities that are trusted in addition to the public ones.
    pub extra_roots: Option<Vec<u8>>,
    /// Limits of requests and connections.
    pub limits: Limits,
    /// Limits of compiling a tenant's component.
    pub compile: Compile,
    /// Delivery settings of the outbox.
    pub outbox: Outbox,
    /// Timeouts of mail servers.
    pub mail: MailTimes,
    /// The configured EHLO argument: a domain or an address literal (RFC 5321 §4.1.1.1).
    pub ehlo_name: Option<String>,
    /// The sources of mail server settings.
    pub sources: Sources,
    /// The OAuth authorization servers.
    pub authorization: Servers,
}

/// The configuration of one tenant.
#[derive(Clone, PartialEq, Eq)]
pub struct TenantConfig {
    /// Its id.
    pub id: TenantId,
    /// The host names that belong to this tenant only.
    pub hosts: Vec<HostName>,
    /// The `spin.toml` of its own application, served beside the default one.
    pub application: Option<PathBuf>,
    /// Values of the application's variables, by name.
    pub variables: BTreeMap<String, String>,
}

/// An error in the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFault {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A syntax error, an unknown key, or a value of the wrong type.
    #[error("{0}")]
    Toml(String),
    /// A key with an invalid value.
    #[error("`{key}`: {fault}")]
    Key {
        /// The key with its tables, such as `limits.head-secs`.
        key: String,
        /// What is wrong with the value.
        fault: String,
    },
}

impl Config {
    /// Reads and checks the file, and the files that it names. Paths are relative to its directory.
    ///
    /// # Errors
    /// When a file cannot be read; otherwise with the first invalid key.
    pub fn load(path: &Path) -> Result<Self, ConfigFault> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigFault::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, path.parent().unwrap_or(Path::new(".")))
    }

    /// Checks the text of a configuration file; paths in it are relative to `base`.
    ///
    /// # Errors
    /// With the first invalid key.
    pub fn parse(text: &str, base: &Path) -> Result<Self, ConfigFault> {
        let raw: Raw = toml::from_str(text).map_err(|error| {
            let (shown, message) = (error.to_string(), error.message().trim_end());
            let place = shown.trim_end().strip_suffix(message).unwrap_or_default();
            ConfigFault::Toml(format!("{place}{}", toml_error::explain(&error, text)))
        })?;
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
    smtp: RawSmtp,
    #[serde(default)]
    providers: RawProviders,
    #[serde(default)]
    discovery: RawDiscovery,
    #[serde(default)]
    dns: RawDns,
    #[serde(default)]
    oauth: RawOAuth,
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
    fetch: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawTls {
    extra_roots: Option<PathBuf>,
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
        let refused = |(key, reason)| fault(key, reason);
        let sources = Sources::check(self.providers, &self.discovery, &self.dns, own, base)
            .map_err(refused)?;
        Ok(Config {
            listen,
            key_file: self.key_file.map(|path| base.join(path)),
            data,
            tenants,
            egress: self.egress.check()?,
            extra_roots,
            limits: self.limits.check().map_err(refused)?,
            compile: self.compile.check().map_err(refused)?,
            outbox: self.outbox.check().map_err(refused)?,
            mail: self.mail.check().map_err(refused)?,
            ehlo_name: self.smtp.check().map_err(refused)?,
            sources,
            authorization: self.oauth.check(base).map_err(refused)?,
        })
    }
}

/// Checks the tenants; also returns the provider directory of each tenant with one, and its key.
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
            return Err(fault(format!("tenant[{index}].id"), format!("`{id}` is listed twice")));
        }
        if tenant.application.is_none() && !tenant.variables.is_empty() {
            let key = format!("tenant[{index}].variables");
            return Err(fault(key, "variables belong to an `application`, which is missing"));
        }
        let mut hosts = Vec::with_capacity(tenant.hosts.len());
        for (place, text) in tenant.hosts.iter().enumerate() {
            let key = || format!("tenant[{index}].hosts[{place}]");
            let host: HostName =
                text.parse().map_err(|error| fault(key(), format!("`{text}`: {error}")))?;
            if let Some(other) = taken.insert(host.clone(), id.clone()) {
                return Err(fault(key(), format!("`{host}` is listed twice, also for `{other}`")));
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

impl RawEgress {
    fn check(&self) -> Result<Egress, ConfigFault> {
        let fetch = rules("fetch", &self.fetch)?;
        if let Some(index) = fetch.iter().position(|rule| !rule.has_port()) {
            let reason = "a port is needed, as in `10.0.0.5:443`: URLs that tenants and mail domains choose can reach these addresses";
            return Err(fault(format!("egress.fetch[{index}]"), reason));
        }
        Ok(Egress::new(rules("allow", &self.allow)?).with_fetch(fetch))
    }
}

fn rules(key: &str, texts: &[String]) -> Result<Vec<Rule>, ConfigFault> {
    let mut rules = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let rule = text.parse();
        let invalid =
            |error: InvalidRule| fault(format!("egress.{key}[{index}]"), error.to_string());
        rules.push(rule.map_err(invalid)?);
    }
    Ok(rules)
}

fn fault(key: impl Into<String>, fault: impl Into<String>) -> ConfigFault {
    ConfigFault::Key { key: key.into(), fault: fault.into() }
}
