//! Accounts, mail servers and credentials.

use model::account::{Account, Credentials, Identity, MailServer, Security};
use model::mail::address::EmailAddress;
use model::secret::Secret;

/// An account of the tenant `acme` with one identity, without a name and mail servers.
///
/// # Panics
/// On an id or an address that is not one.
#[must_use]
pub fn account(id: &str, email: &str) -> Account {
    let email: EmailAddress = email.parse().unwrap();
    Account {
        id: id.parse().unwrap(),
        tenant: "acme".parse().unwrap(),
        email: email.clone(),
        name: None,
        imap: None,
        smtp: None,
        identities: vec![Identity { name: None, email }],
        generation: 1,
    }
}

/// A mail server with implicit TLS.
#[must_use]
pub fn server(host: &str, port: u16, username: &str) -> MailServer {
    MailServer {
        host: host.to_owned(),
        port,
        security: Security::Tls,
        username: username.to_owned(),
        pin: None,
    }
}

/// A password.
#[must_use]
pub fn password(text: &str) -> Credentials {
    Credentials::Password(Secret::new(text.to_owned()))
}
