//! Authorization servers: where they are, and who this host is to them.
//!
//! The places of large services are data (`host/engine/oauth.toml`); who this host
//! is stands in the operator's configuration, which may name servers of its own.

use std::collections::BTreeMap;
use std::fmt;

use model::secret::Secret;
use serde::Deserialize;

/// One authorization server, ready for use.
#[derive(Clone)]
pub struct Server {
    /// What people call it.
    pub name: String,
    /// Where a person agrees.
    pub authorize: String,
    /// Where tokens are.
    pub token: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// What else the authorization request holds.
    pub parameters: BTreeMap<String, String>,
    /// The mail servers that its tokens are for; any when there are none here.
    pub hosts: Vec<String>,
    /// Who this host is.
    pub client_id: String,
    /// And what proves it; some servers give none to public clients.
    pub client_secret: Option<Secret>,
}

/// Those of this host, by the names that the operator gave them.
#[derive(Clone, Debug, Default)]
pub struct Servers {
    /// By name.
    pub by_name: BTreeMap<String, Server>,
    /// Where people are sent back to: this host's `/-/oauth/callback`, as the world sees it.
    pub redirect: String,
}

impl Server {
    /// Whether its tokens may be shown to this mail server.
    #[must_use]
    pub fn serves(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A server that is known without being configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// What people call it.
    pub name: String,
    /// An https address.
    pub authorize: String,
    /// An https address.
    pub token: String,
    /// For reading and sending mail.
    pub scopes: Vec<String>,
    /// The mail servers that its tokens are for.
    pub hosts: Vec<String>,
    /// What else the authorization request has to hold.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Where this was read.
    pub source: String,
    /// When.
    pub date: String,
}

/// The places of large services, by name.
///
/// # Errors
/// Never in a program that passed its tests.
pub fn places() -> Result<BTreeMap<String, Place>, String> {
    toml::from_str(include_str!("../../oauth.toml")).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_https_and_says_where_it_was_read() {
        let places = places().unwrap();
        let names: Vec<&str> = places.keys().map(String::as_str).collect();
        assert_eq!(names, ["google", "mailru", "microsoft", "yahoo"]);
        for place in places.values() {
            assert!(place.authorize.starts_with("https://"), "{place:?}");
            assert!(place.token.starts_with("https://"), "{place:?}");
            assert!(!place.scopes.is_empty() && !place.source.is_empty(), "{place:?}");
            assert!(place.hosts.len() >= 2, "{place:?}");
            assert!(place.date.len() >= 4, "{place:?}");
        }
    }
}
