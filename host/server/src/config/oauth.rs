//! OAuth clients of this host (RFC 6749 §2): the table `[oauth]`.
//!
//! The large services are known by name and need a client id only; other servers are
//! described in full.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::oauth::servers::{Place, Server, Servers, places};
use http::Uri;
use model::secret::Secret;
use serde::Deserialize;

use crate::config::discovery::Wrong;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawOAuth {
    redirect: Option<String>,
    server: BTreeMap<String, RawServer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawServer {
    client_id: String,
    client_secret_file: Option<PathBuf>,
    authorize: Option<String>,
    token: Option<String>,
    scopes: Option<Vec<String>>,
    hosts: Option<Vec<String>>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

impl RawOAuth {
    /// Checks the table, and reads the client secrets. Files are relative to `base`.
    ///
    /// # Errors
    /// With the first invalid key.
    pub(crate) fn check(self, base: &Path) -> Result<Servers, Wrong> {
        if self.server.is_empty() {
            return Ok(Servers::default());
        }
        let example = "https://mail.example.com/-/oauth/callback";
        let redirect = self.redirect.ok_or_else(|| {
            wrong(
                "redirect",
                format!("is needed: the redirect URI of this host, such as {example}"),
            )
        })?;
        let here = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
        if !is_https(&redirect) && !here.iter().any(|here| redirect.starts_with(here)) {
            return Err(wrong("redirect", format!("`{redirect}` is not a URL such as {example}")));
        }
        if !redirect.ends_with("/-/oauth/callback") {
            let reason = format!("`{redirect}` does not end with /-/oauth/callback");
            return Err(wrong("redirect", reason));
        }
        let places = places().map_err(|error| wrong("server", error))?;
        let mut by_name = BTreeMap::new();
        for (name, raw) in self.server {
            let server = raw.check(&name, places.get(&name), base)?;
            by_name.insert(name, server);
        }
        Ok(Servers { by_name, redirect })
    }
}

impl RawServer {
    fn check(self, name: &str, known: Option<&Place>, base: &Path) -> Result<Server, Wrong> {
        let key = |part: &str| format!("server.{name}.{part}");
        let address = |part: &str, value: Option<String>, known: Option<&String>| {
            let address = value.or_else(|| known.cloned()).ok_or_else(|| {
                wrong(
                    key(part),
                    "is needed: only google, mailru, microsoft and yahoo are known by name",
                )
            })?;
            if is_https(&address) {
                Ok(address)
            } else {
                Err(wrong(key(part), format!("`{address}` is not an https URL")))
            }
        };
        let authorize = address("authorize", self.authorize, known.map(|place| &place.authorize))?;
        let token = address("token", self.token, known.map(|place| &place.token))?;
        let scopes = self.scopes.or_else(|| known.map(|place| place.scopes.clone()));
        let hosts = self.hosts.or_else(|| known.map(|place| place.hosts.clone()));
        let mut parameters = known.map(|place| place.parameters.clone()).unwrap_or_default();
        parameters.extend(self.parameters);
        let client_secret = match self.client_secret_file {
            Some(path) => Some(
                secret(&base.join(path))
                    .map_err(|reason| wrong(key("client-secret-file"), reason))?,
            ),
            None => None,
        };
        if self.client_id.is_empty() {
            return Err(wrong(
                key("client-id"),
                "is empty: the service assigns one when an application is registered",
            ));
        }
        Ok(Server {
            name: known.map_or_else(|| name.to_owned(), |place| place.name.clone()),
            authorize,
            token,
            scopes: scopes.unwrap_or_default(),
            parameters,
            hosts: hosts.unwrap_or_default(),
            client_id: self.client_id,
            client_secret,
        })
    }
}

fn secret(path: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(Secret::new(text.trim().to_owned()))
}

pub(crate) fn is_https(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some())
}

fn wrong(key: impl Into<String>, reason: impl Into<String>) -> Wrong {
    (format!("oauth.{}", key.into()), reason.into())
}
