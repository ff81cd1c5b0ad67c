//! Account: one mailbox login of a tenant.
//!
//! Credentials are kept apart from the account, so that nothing that shows an account can show a
//! password.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, TenantId};
use crate::instant::Timestamp;
use crate::mail::address::{Address, EmailAddress};
use crate::secret::Secret;

/// An account: one mailbox login of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Unique within the tenant.
    pub id: AccountId,
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// The address of the mailbox.
    pub email: EmailAddress,
    /// The display name of the first identity.
    pub name: Option<String>,
    /// The IMAP server; none for an account that only sends.
    pub imap: Option<MailServer>,
    /// The SMTP submission server; none for an account that only reads.
    pub smtp: Option<MailServer>,
    /// The addresses that it may send as; the first is the default. Never empty.
    pub identities: Vec<Identity>,
    /// Random at each creation, so that an account created again under an old id is a different
    /// one: message ids, submissions, idempotency keys and credentials belong to one generation.
    pub generation: u32,
}

/// A From address that an account may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The display name.
    pub name: Option<String>,
    /// The addr-spec (RFC 5322 §3.4.1).
    pub email: EmailAddress,
}

impl Identity {
    /// Name and address as a header field holds them.
    #[must_use]
    pub fn address(&self) -> Address {
        Address { name: self.name.clone(), email: self.email.as_str().to_owned() }
    }
}

/// Connection settings of one mail server of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailServer {
    /// A host name or an address literal; the egress guard checks it at each connection.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How TLS begins: implicit or by STARTTLS.
    pub security: Security,
    /// The login name.
    pub username: String,
    /// Replaces the check of the certificate chain, when set.
    pub pin: Option<SpkiPin>,
}

/// How TLS begins. There is no variant without TLS: a credential is never sent in plain text (RFC
/// 8314 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Implicit TLS: from the first byte.
    Tls,
    /// STARTTLS, before any other command that matters.
    StartTls,
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469 §2.4), written `sha256/<base64>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpkiPin(pub [u8; 32]);

/// The text is not an SPKI pin.
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

/// Authentication credentials of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// The password, app password or authorization code, for both protocols.
    Password(Secret),
    /// A bearer token for both protocols (RFC 7628), and how to renew it.
    OAuth(OAuth),
}

/// OAuth 2.0 tokens of an account (RFC 6749).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth {
    /// Where tokens come from.
    pub source: TokenSource,
    /// The access token; none before the first authorization.
    pub access: Option<Secret>,
    /// When `access` expires; none when the endpoint returned no lifetime.
    pub expires: Option<Timestamp>,
    /// The refresh token; none where the endpoint issued none, or has revoked it.
    pub refresh: Option<Secret>,
}

/// Where an account's tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// An authorization server that the operator configured, by its configured name.
    Provider(String),
    /// A tenant's own address that returns an access token.
    Url {
        /// An https address.
        url: String,
        /// Sent as `Authorization: Bearer …`, when set.
        secret: Option<Secret>,
    },
}

impl OAuth {
    /// No token can be obtained any more: the owner has to authorize again.
    #[must_use]
    pub fn needs_authorization(&self) -> bool {
        matches!(self.source, TokenSource::Provider(_))
            && self.access.is_none()
            && self.refresh.is_none()
    }
}
