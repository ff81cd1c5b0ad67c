//! Accounts: one mailbox login each.
//!
//! Credentials are kept apart from the account, so that nothing that shows an
//! account can show a password.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, TenantId};
use crate::instant::Timestamp;
use crate::mail::address::{Address, EmailAddress};
use crate::secret::Secret;

/// One mailbox login of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Unique within the tenant.
    pub id: AccountId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The login's own address.
    pub email: EmailAddress,
    /// The default display name.
    pub name: Option<String>,
    /// Where to read; none for an account that only sends.
    pub imap: Option<MailServer>,
    /// Where to send; none for an account that only reads.
    pub smtp: Option<MailServer>,
    /// Whom it may send as; the first is the default. Never empty.
    pub identities: Vec<Identity>,
    /// Drawn at random when the account is made, so that one made again under an old id is another
    /// one: message ids, submissions, idempotency keys and credentials belong to one generation.
    pub generation: u32,
}

/// Whom an account may send as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The display name.
    pub name: Option<String>,
    /// The address.
    pub email: EmailAddress,
}

impl Identity {
    /// As a header shows it.
    #[must_use]
    pub fn address(&self) -> Address {
        Address { name: self.name.clone(), email: self.email.as_str().to_owned() }
    }
}

/// How to reach one server of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailServer {
    /// A host name or an address literal; passes the egress guard when dialled.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How TLS begins.
    pub security: Security,
    /// The login name.
    pub username: String,
    /// Trusted instead of a public certificate chain, when given.
    pub pin: Option<SpkiPin>,
}

/// How TLS begins. There is no variant without TLS: plaintext never carries a credential (RFC 8314 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// From the first byte.
    Tls,
    /// Upgraded by the protocol's STARTTLS command before anything else.
    StartTls,
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469 §2.4), written `sha256/<base64>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpkiPin(pub [u8; 32]);

/// Not a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pin is `sha256/` and 44 characters of base64")]
pub struct InvalidPin;

impl FromStr for SpkiPin {
    type Err = InvalidPin;
    fn from_str(text: &str) -> Result<Self, InvalidPin> {
        let digest = text
            .strip_prefix("sha256/")
            .and_then(|rest| STANDARD.decode(rest).ok())
            .ok_or(InvalidPin)?;
        digest.try_into().map(Self).map_err(|_| InvalidPin)
    }
}

impl TryFrom<String> for SpkiPin {
    type Error = InvalidPin;
    fn try_from(text: String) -> Result<Self, InvalidPin> {
        text.parse()
    }
}

impl From<SpkiPin> for String {
    fn from(pin: SpkiPin) -> String {
        pin.to_string()
    }
}

impl fmt::Display for SpkiPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for SpkiPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What proves the login to the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// The password, app password or authorization code, for both protocols.
    Password(Secret),
    /// A bearer token for both protocols (RFC 7628), and where the next one comes from.
    OAuth(OAuth),
}

/// What OAuth 2.0 (RFC 6749) gave for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth {
    /// Who gives tokens.
    pub source: TokenSource,
    /// For the mail servers; none before the first authorization.
    pub access: Option<Secret>,
    /// When `access` ends; none when nobody said.
    pub expires: Option<Timestamp>,
    /// For the token endpoint; none where it gave none, or has withdrawn it.
    pub refresh: Option<Secret>,
}

/// Who gives an account's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// An authorization server that the operator configured, by its name there.
    Provider(String),
    /// An address of the tenant's own that answers with an access token.
    Url {
        /// An https address.
        url: String,
        /// Sent as `Authorization: Bearer …`, when given.
        secret: Option<Secret>,
    },
}

impl OAuth {
    /// Nothing is left from which a token could be had: a person has to authorize again.
    #[must_use]
    pub fn needs_authorization(&self) -> bool {
        matches!(self.source, TokenSource::Provider(_))
            && self.access.is_none()
            && self.refresh.is_none()
    }
}
