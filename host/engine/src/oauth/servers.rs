//! Authorization servers: their endpoints, and this host's client registration.
//!
//! The endpoints of large services are data (`host/engine/oauth.toml`); client id and secret are in
//! the operator's configuration, which may name servers of its own.

use std::collections::BTreeMap;
use std::fmt;

use model::secret::Secret;
use serde::Deserialize;

/// A configured authorization server.
#[derive(Clone)]
pub struct Server {
    /// The display name.
    pub name: String,
    /// The authorization endpoint.
    pub authorize: String,
    /// The token endpoint.
    pub token: String,
    /// The scopes that are requested.
    pub scopes: Vec<String>,
    /// Additional parameters of the authorization request.
    pub parameters: BTreeMap<String, String>,
    /// The mail servers that its tokens are for; empty means any.
    pub hosts: Vec<String>,
    /// The client identifier (RFC 6749 §2.2).
    pub client_id: String,
    /// The client secret; some servers issue none to public clients.
    pub client_secret: Option<Secret>,
}

/// The authorization servers of this host.
#[derive(Clone, Debug, Default)]
pub struct Servers {
    pub by_name: BTreeMap<String, Server>,
    /// The redirect URI: this host's `/-/oauth/callback`, as it is reached from outside.
    pub redirect: String,
}

impl Server {
    /// Whether its tokens may be sent to this mail server.
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

/// The built-in endpoints of a service's authorization server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The display name.
    pub name: String,
    /// The authorization endpoint, an https URL.
    pub authorize: String,
    /// The token endpoint, an https URL.
    pub token: String,
    /// The scopes for reading and sending mail.
    pub scopes: Vec<String>,
    /// The mail servers that its tokens are for.
    pub hosts: Vec<String>,
    /// Additional parameters that the authorization request needs.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The source of this entry.
    pub source: String,
    /// The date of the source.
    pub date: String,
}

/// The built-in entries of large services, by name.
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
