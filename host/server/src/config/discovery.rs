//! Configuration of the discovery of mail servers: `[providers]`, `[discovery]` and `[dns]`.
//!
//! The files that these tables name are read once, at the start.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::discovery::ispdb::{Ispdb, LocalIspdb};
use engine::providers::Profiles;
use model::ids::TenantId;
use serde::Deserialize;

/// The sources of mail server settings.
#[derive(Debug)]
pub struct Sources {
    /// The built-in provider table and the operator's files.
    pub providers: Arc<Profiles>,
    /// The files of each tenant, which take precedence.
    pub tenants: HashMap<TenantId, Profiles>,
    /// Whether network sources are used for a domain that is in no file.
    pub network: bool,
    /// The operator's database of mail services (ISPDB).
    pub ispdb: Ispdb,
    /// Whether Autodiscover is used.
    pub autodiscover: bool,
    /// Timeout of one discovery: 1 to 10 seconds.
    pub limit: Duration,
    /// The port of https at mail domains: 443, except in tests.
    pub https_port: u16,
    /// The name servers; those of the system when empty.
    pub name_servers: Vec<SocketAddr>,
}

/// A key whose value is invalid, and the reason.
pub(crate) type Wrong = (String, String);

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawProviders {
    directory: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawDiscovery {
    network: Option<bool>,
    ispdb: Option<String>,
    autodiscover: bool,
    timeout_secs: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawDns {
    servers: Vec<String>,
}

impl Sources {
    /// Checks the three tables, and reads their files. Paths are relative to `base`; `tenants` has the
    /// provider directory of each tenant with one, and the key that names it.
    ///
    /// # Errors
    /// With the first invalid key.
    pub(crate) fn check(
        providers: RawProviders,
        discovery: &RawDiscovery,
        dns: &RawDns,
        tenants: Vec<(TenantId, String, PathBuf)>,
        base: &Path,
    ) -> Result<Self, Wrong> {
        const KEY: &str = "providers.directory";
        let files = match providers.directory {
            Some(directory) => provider_files(KEY, &base.join(directory))?,
            None => Vec::new(),
        };
        let providers = Profiles::with_directory(&files).map_err(|error| wrong(KEY, &error))?;
        let mut tables = HashMap::new();
        for (id, key, directory) in tenants {
            let files = provider_files(&key, &base.join(directory))?;
            let table = Profiles::of_tenant(&files).map_err(|error| wrong(&key, &error))?;
            tables.insert(id, table);
        }
        let seconds = discovery.timeout_secs.unwrap_or(10);
        if !(1..=10).contains(&seconds) {
            let fault = format!("{seconds} is not between 1 and 10");
            return Err(wrong("discovery.timeout-secs", &fault));
        }
        Ok(Self {
            providers: Arc::new(providers),
            tenants: tables,
            network: discovery.network.unwrap_or(true),
            autodiscover: discovery.autodiscover,
            ispdb: ispdb(discovery.ispdb.as_deref(), base)?,
            limit: Duration::from_secs(seconds),
            https_port: 443,
            name_servers: name_servers(&dns.servers)?,
        })
    }
}

/// The database: an https URL, a file or a directory.
fn ispdb(value: Option<&str>, base: &Path) -> Result<Ispdb, Wrong> {
    const KEY: &str = "discovery.ispdb";
    let Some(value) = value else { return Ok(Ispdb::Off) };
    if value.starts_with("https://") && !value.contains(['?', '#', '@']) {
        return Ok(Ispdb::Web(format!("{}/", value.trim_end_matches('/'))));
    }
    if value.contains("://") {
        let fault = format!("`{value}` is neither an https URL without a query nor a path");
        return Err(wrong(KEY, &fault));
    }
    let path = base.join(value);
    let unreadable = |error| wrong(KEY, &format!("cannot read {}: {error}", path.display()));
    let files = if path.is_dir() {
        files(&path, "xml").map_err(unreadable)?
    } else {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        vec![(name, std::fs::read(&path).map_err(unreadable)?)]
    };
    LocalIspdb::read(&files).map(Ispdb::Local).map_err(|error| wrong(KEY, &error))
}

fn name_servers(texts: &[String]) -> Result<Vec<SocketAddr>, Wrong> {
    let server = |(index, text): (usize, &String)| {
        let alone = || text.parse().ok().map(|ip| SocketAddr::new(ip, 53));
        text.parse().ok().or_else(alone).ok_or_else(|| {
            let fault =
                format!("`{text}` is not an address such as 192.0.2.53 or [2001:db8::53]:53");
            wrong(format!("dns.servers[{index}]"), &fault)
        })
    };
    texts.iter().enumerate().map(server).collect()
}

/// Name and text of every `.toml` file in the directory.
fn provider_files(key: &str, directory: &Path) -> Result<Vec<(String, String)>, Wrong> {
    let unreadable = |error| wrong(key, &format!("cannot read {}: {error}", directory.display()));
    let text = |(name, bytes)| {
        let fault = format!("{name} is not valid UTF-8");
        String::from_utf8(bytes).map(|text| (name, text)).map_err(|_| wrong(key, &fault))
    };
    files(directory, "toml").map_err(unreadable)?.into_iter().map(text).collect()
}

/// Name and bytes of every file with the extension, sorted by name; other files are ignored.
fn files(directory: &Path, extension: &str) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, std::fs::read(&path)?));
        }
    }
    files.sort();
    Ok(files)
}

fn wrong(key: impl Into<String>, fault: &impl ToString) -> Wrong {
    (key.into(), fault.to_string())
}
