//! Where facts about mail services come from: files, the DNS, the web.
//!
//! The part of the configuration that is about discovery, with the files that it
//! names, which are read once at start.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::discovery::ispdb::{Ispdb, LocalIspdb};
use engine::providers::Profiles;
use model::ids::TenantId;
use serde::Deserialize;

/// How mail servers are found.
#[derive(Debug)]
pub struct Sources {
    /// Postlet's own table and the operator's files.
    pub providers: Arc<Profiles>,
    /// Files of single tenants, which go first.
    pub tenants: HashMap<TenantId, Profiles>,
    /// Whether anything is asked when the files do not know a domain.
    pub network: bool,
    /// The operator's database of mail services.
    pub ispdb: Ispdb,
    /// Whether domains are asked by Autodiscover.
    pub autodiscover: bool,
    /// For one search.
    pub limit: Duration,
    /// Where domains serve https; only tests have another than 443.
    pub https_port: u16,
    /// The name servers that are asked; the system's when there are none here.
    pub name_servers: Vec<SocketAddr>,
}

/// A key, and what to do about its value.
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
    /// Paths are relative to `base`; `tenants` are the directories of those that have one, with the key
    /// that names it.
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

fn ispdb(said: Option<&str>, base: &Path) -> Result<Ispdb, Wrong> {
    const KEY: &str = "discovery.ispdb";
    let Some(said) = said else { return Ok(Ispdb::Off) };
    if said.starts_with("https://") && !said.contains(['?', '#', '@']) {
        return Ok(Ispdb::Web(format!("{}/", said.trim_end_matches('/'))));
    }
    if said.contains("://") {
        let fault = format!("`{said}` is neither an https address without a query nor a path");
        return Err(wrong(KEY, &fault));
    }
    let path = base.join(said);
    let unreadable = |error| wrong(KEY, &format!("cannot read {}: {error}", path.display()));
    let files = if path.is_dir() {
        files(&path, "xml").map_err(unreadable)?
    } else {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        vec![(name, std::fs::read(&path).map_err(unreadable)?)]
    };
    LocalIspdb::read(&files).map(Ispdb::Local).map_err(|error| wrong(KEY, &error))
}

fn name_servers(said: &[String]) -> Result<Vec<SocketAddr>, Wrong> {
    let server = |(index, text): (usize, &String)| {
        let alone = || text.parse().ok().map(|ip| SocketAddr::new(ip, 53));
        text.parse().ok().or_else(alone).ok_or_else(|| {
            let fault =
                format!("`{text}` is not an address such as 192.0.2.53 or [2001:db8::53]:53");
            wrong(format!("dns.servers[{index}]"), &fault)
        })
    };
    said.iter().enumerate().map(server).collect()
}

/// Name and text of every `.toml` file.
fn provider_files(key: &str, directory: &Path) -> Result<Vec<(String, String)>, Wrong> {
    let unreadable = |error| wrong(key, &format!("cannot read {}: {error}", directory.display()));
    let text = |(name, bytes)| {
        let fault = format!("{name} is not text in UTF-8");
        String::from_utf8(bytes).map(|text| (name, text)).map_err(|_| wrong(key, &fault))
    };
    files(directory, "toml").map_err(unreadable)?.into_iter().map(text).collect()
}

/// Name and bytes of every file that ends so, by name; whatever else lies there is somebody else's.
fn files(directory: &Path, end: &str) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == end) {
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
