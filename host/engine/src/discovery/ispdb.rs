//! The operator's database of mail services: files of the same form as those that
//! domains publish, for many domains.
//!
//! Off unless the operator names one: at an address of the web, which then learns
//! the domains that are asked for, or in files on this machine, which nobody learns.

use std::collections::BTreeMap;

use crate::discovery::autoconfig::ClientConfig;
use crate::discovery::xml::Unusable;

/// Where the database is.
#[derive(Clone, Debug, Default)]
pub enum Ispdb {
    /// None is asked.
    #[default]
    Off,
    /// An https address; the domain is written behind it.
    Web(String),
    /// Files that were read at start.
    Local(LocalIspdb),
}

/// Files by domain.
#[derive(Clone, Debug)]
pub struct LocalIspdb {
    files: Vec<ClientConfig>,
    /// Normalised domain to its file.
    domains: BTreeMap<String, usize>,
}

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {fault}")]
pub struct IspdbFault {
    /// The file's name.
    pub file: String,
    /// Why.
    pub fault: Unusable,
}

impl LocalIspdb {
    /// From files, each with its name. Where two name a domain, the first has it.
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
