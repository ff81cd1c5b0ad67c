//! Encoding of credentials in sealed records: a password as it is, tokens as JSON.
//!
//! Invariant: each kind has a field name of its own, which is authenticated, so that one is never
//! read as the other.

use model::account::{Account, Credentials, MailServer, OAuth, TokenSource};
use model::instant::Timestamp;
use model::port::store_error::StoreError;
use model::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::error::failed;
use crate::keys::Keys;
use crate::keys::seal::Place;

const PASSWORD: &str = "password";
const OAUTH: &str = "oauth";

/// A sealed record and the field that it is sealed for.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) field: String,
    pub(crate) record: Vec<u8>,
}

/// Seals for the account.
pub(crate) fn seal(
    keys: &Keys,
    account: &Account,
    credentials: &Credentials,
) -> Result<Sealed, StoreError> {
    let (field, plain) = match credentials {
        Credentials::Password(password) => {
            (PASSWORD, Zeroizing::new(password.reveal().as_bytes().to_vec()))
        }
        Credentials::OAuth(oauth) => {
            let written = Written::from(oauth);
            (OAUTH, Zeroizing::new(serde_json::to_vec(&written).map_err(failed)?))
        }
    };
    let record = keys.seal(&place(account, field), &plain)?;
    Ok(Sealed { field: field.to_owned(), record })
}

/// The inverse of [`seal`].
pub(crate) fn open(
    keys: &Keys,
    account: &Account,
    sealed: &Sealed,
) -> Result<Credentials, StoreError> {
    let mut plain = keys.open(&place(account, &sealed.field), &sealed.record)?;
    match sealed.field.as_str() {
        PASSWORD => {
            let text = String::from_utf8(std::mem::take(&mut *plain));
            Ok(Credentials::Password(Secret::new(text.map_err(|_| StoreError::Sealed)?)))
        }
        OAUTH => {
            let written: Written =
                serde_json::from_slice(&plain).map_err(|_| StoreError::Sealed)?;
            Ok(Credentials::OAuth(OAuth::from(written)))
        }
        _ => Err(StoreError::Sealed),
    }
}

/// Whether the credentials stored for `known` may be sent to the servers of `account`: another
/// port, or another pinned key, may belong to another party.
pub(crate) fn is_given_for(known: &Account, account: &Account) -> bool {
    agree(known, account, |one, other| {
        (&one.host, one.port, one.pin) == (&other.host, other.port, other.pin)
    })
}

/// Whether tokens for `account` still belong to `known`. A new one that came while only a port was
/// changed must not be lost: the old one may be void.
pub(crate) fn is_renewed_for(known: &Account, account: &Account) -> bool {
    agree(known, account, |one, other| one.host == other.host)
}

/// Whether it is the same account, with the same server or none for each protocol.
fn agree(
    known: &Account,
    account: &Account,
    is_same: impl Fn(&MailServer, &MailServer) -> bool,
) -> bool {
    let same = |one: &Option<MailServer>, other: &Option<MailServer>| match (one, other) {
        (Some(one), Some(other)) => is_same(one, other),
        (one, other) => one.is_none() && other.is_none(),
    };
    known.generation == account.generation
        && same(&known.imap, &account.imap)
        && same(&known.smtp, &account.smtp)
}

pub(crate) fn place<'a>(account: &'a Account, field: &'a str) -> Place<'a> {
    Place { tenant: account.tenant.as_str(), account: account.id.as_str(), field }
}

/// Stored JSON: fields may be added, never renamed.
#[derive(Serialize, Deserialize)]
struct Written {
    provider: Option<String>,
    url: Option<String>,
    secret: Option<String>,
    access: Option<String>,
    /// Milliseconds since 1970.
    expires: Option<i64>,
    refresh: Option<String>,
}

impl Drop for Written {
    fn drop(&mut self) {
        self.secret.zeroize();
        self.access.zeroize();
        self.refresh.zeroize();
    }
}

impl From<&OAuth> for Written {
    fn from(oauth: &OAuth) -> Self {
        let text =
            |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
        let (provider, url, secret) = match &oauth.source {
            TokenSource::Provider(name) => (Some(name.clone()), None, None),
            TokenSource::Url { url, secret } => (None, Some(url.clone()), text(secret)),
        };
        Self {
            provider,
            url,
            secret,
            access: text(&oauth.access),
            expires: oauth.expires.map(Timestamp::millis),
            refresh: text(&oauth.refresh),
        }
    }
}

impl From<Written> for OAuth {
    fn from(mut written: Written) -> Self {
        let source = match (written.provider.take(), written.url.take()) {
            (None, Some(url)) => {
                TokenSource::Url { url, secret: written.secret.take().map(Secret::new) }
            }
            (provider, _) => TokenSource::Provider(provider.unwrap_or_default()),
        };
        Self {
            source,
            access: written.access.take().map(Secret::new),
            expires: written.expires.map(Timestamp::from_millis),
            refresh: written.refresh.take().map(Secret::new),
        }
    }
}
