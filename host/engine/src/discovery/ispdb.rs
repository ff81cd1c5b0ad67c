//! The operator's provider database: autoconfig files for many domains.
//!
//! Off unless the operator configures one: at a URL, whose server then learns the domains that are
//! queried, or as local files.

use std::collections::BTreeMap;

use crate::discovery::autoconfig::ClientConfig;
use crate::discovery::xml::Unusable;

/// Where the database is.
#[derive(Clone, Debug, Default)]
pub enum Ispdb {
    /// No database.
    #[default]
    Off,
    /// An https URL; the domain is appended.
    Web(String),
    /// Files that were read at start.
    Local(LocalIspdb),
}

/// A database of local files, by domain.
#[derive(Clone, Debug)]
pub struct LocalIspdb {
    files: Vec<ClientConfig>,
    /// Normalised domain to the index of its file.
    domains: BTreeMap<String, usize>,
}

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {fault}")]
pub struct IspdbFault {
    pub file: String,
    pub fault: Unusable,
}

impl LocalIspdb {
    /// Parses files, each with its name. Of two files for one domain the first is used.
    ///
    /// # Errors
    /// The first file that cannot be read.
    pub fn read(files: &[(String, Vec<u8>)]) -> Result<Self, IspdbFault> {
        let mut local = Self { files: Vec::with_capacity(files.len()), domains: BTreeMap::new() };
        for (name, bytes) in files {
            let file = ClientConfig::parse(bytes)
                .map_err(|fault| IspdbFault { file: name.clone(), fault })?;
            for domain in &file.domains {
                local.domains.entry(domain.clone()).or_insert(local.files.len());
            }
            local.files.push(file);
        }
        Ok(local)
    }

    pub(crate) fn get(&self, domain: &str) -> Option<&ClientConfig> {
        self.files.get(*self.domains.get(domain)?)
    }
}
