//! The provider table: which mail service hosts a domain, and its profile.
//!
//! Built once, from files: those in `host/engine/providers/`, which are embedded, and those of the
//! operator, which add to them and replace by id. The format is the same; docs/providers.md
//! explains it.
//!
//! No DNS: a caller that resolved a domain's mail exchangers passes them to [`Profiles::by_mx`].
//!
//! Invariant: a domain and a suffix map to one provider. No other code names a provider's hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use model::provider::{Origin, Profile, SentCopy};

use crate::providers::domain::MxSuffix;
use crate::providers::embedded::EMBEDDED;
use crate::providers::fault::{ProfileFault, Wrong};
use crate::providers::file::ProviderFile;

pub(crate) mod domain;
pub mod fault;
mod file;
mod embedded;
#[cfg(test)]
mod tests;

/// The table of providers.
pub struct Profiles {
    profiles: BTreeMap<String, Profile>,
    /// Normalised domain to id.
    domains: BTreeMap<String, String>,
    suffixes: Vec<(MxSuffix, String)>,
    /// SMTP servers that file a copy of sent messages.
    keepers: BTreeSet<String>,
}

impl fmt::Debug for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others = self.profiles.values().filter(|profile| profile.origin != Origin::BuiltIn);
        let ids: Vec<_> = others.map(|profile| profile.id.as_str()).collect();
        f.debug_struct("Profiles").field("beside", &ids).finish_non_exhaustive()
    }
}

impl Profiles {
    /// The embedded table.
    ///
    /// # Errors
    /// Never in a program that passed its tests.
    pub fn embedded() -> Result<Self, ProfileFault> {
        Self::with_directory(&[])
    }

    /// The embedded table with an operator's files, each with its name. One with the id of an
    /// embedded provider replaces it, with its domains; any other adds a provider.
    ///
    /// # Errors
    /// The first fault, with file, line and key.
    pub fn with_directory(files: &[(String, String)]) -> Result<Self, ProfileFault> {
        Self::read(EMBEDDED, files, Origin::Operator)
    }

    /// A tenant's files alone: they take precedence over the table.
    ///
    /// # Errors
    /// The first fault, with file, line and key.
    pub fn of_tenant(files: &[(String, String)]) -> Result<Self, ProfileFault> {
        Self::read(&[], files, Origin::Tenant)
    }

    fn read(
        embedded: &[(&str, &str)],
        files: &[(String, String)],
        origin: Origin,
    ) -> Result<Self, ProfileFault> {
        let mut sources = Vec::with_capacity(embedded.len() + files.len());
        for (name, text) in embedded {
            sources.push(Source::read(name, text, Origin::BuiltIn)?);
        }
        let replaceable = sources.len();
        for (name, text) in files {
            sources.push(Source::read(name, text, origin)?);
        }
        let (built_in, own) = sources.split_at(replaceable);
        let replaced = |source: &&Source<'_>| {
            !own.iter().any(|other| other.file.profile.id == source.file.profile.id)
        };
        let mut table = Self {
            profiles: BTreeMap::new(),
            domains: BTreeMap::new(),
            suffixes: Vec::new(),
            keepers: BTreeSet::new(),
        };
        for source in built_in.iter().filter(replaced).chain(own) {
            table.add(source)?;
        }
        Ok(table)
    }

    /// The provider of a domain. Case, a final dot and the spelling of an internationalised name do
    /// not matter; a subdomain is another domain.
    #[must_use]
    pub fn by_domain(&self, domain: &str) -> Option<&Profile> {
        let id = self.domains.get(&domain::normalise(domain)?)?;
        self.profiles.get(id)
    }

    /// The provider of a mail exchanger. The most specific suffix decides.
    #[must_use]
    pub fn by_mx(&self, exchanger: &str) -> Option<&Profile> {
        let host = domain::normalise(exchanger)?;
        let fitting =
            self.suffixes.iter().filter_map(|(suffix, id)| Some((suffix.fit(&host)?, id)));
        let (_, id) = fitting.max_by_key(|(fit, _)| *fit)?;
        self.profiles.get(id)
    }

    /// Whether the service files a copy of messages sent through this SMTP server.
    #[must_use]
    pub fn keeps_sent_mail(&self, smtp_host: &str) -> bool {
        domain::normalise(smtp_host).is_some_and(|host| self.keepers.contains(&host))
    }

    /// Whether it is a mail server of a provider.
    #[must_use]
    pub fn knows(&self, host: &str) -> bool {
        let Some(host) = domain::normalise(host) else { return false };
        self.profiles.values().any(|profile| {
            let servers = [&profile.imap, &profile.smtp].into_iter().flatten();
            servers.into_iter().any(|server| server.host.eq_ignore_ascii_case(&host))
        })
    }

    /// Every provider, by id.
    pub fn all(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values()
    }

    fn add(&mut self, source: &Source<'_>) -> Result<(), ProfileFault> {
        let ProviderFile { profile, at, domains, smtp_hosts, mx } = &source.file;
        if self.profiles.contains_key(&profile.id) {
            return Err(source.wrong(*at, format!("another file has the id `{}` too", profile.id)));
        }
        for (domain, at) in domains {
            if let Some(other) = self.domains.insert(domain.clone(), profile.id.clone()) {
                let fault = format!("`{domain}` belongs to `{other}` already");
                return Err(source.wrong(*at, fault));
            }
        }
        for (suffix, at) in mx {
            if let Some((_, other)) = self.suffixes.iter().find(|(known, _)| known == suffix) {
                return Err(source.wrong(*at, format!("the suffix belongs to `{other}` already")));
            }
            self.suffixes.push((suffix.clone(), profile.id.clone()));
        }
        if profile.sent_copy == Some(SentCopy::Server) {
            self.keepers.extend(smtp_hosts.iter().cloned());
        }
        self.profiles.insert(profile.id.clone(), profile.clone());
        Ok(())
    }
}

/// A parsed file, with what an error in it needs.
struct Source<'a> {
    name: &'a str,
    text: &'a str,
    file: ProviderFile,
}

impl<'a> Source<'a> {
    fn read(name: &'a str, text: &'a str, origin: Origin) -> Result<Self, ProfileFault> {
        match file::parse(text, origin) {
            Ok(file) => Ok(Self { name, text, file }),
            Err(wrong) => Err(wrong.locate(name, text)),
        }
    }

    fn wrong(&self, at: usize, fault: String) -> ProfileFault {
        Wrong { at, fault }.locate(self.name, self.text)
    }
}
