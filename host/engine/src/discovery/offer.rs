//! What a source says about the servers of a domain, before anybody has checked it.
//!
//! Refuses to know: where it was read.

use model::account::Security;
use model::provider::{Auth, Server};

/// The servers that a source names, the preferred first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Suggestion {
    pub(crate) imap: Vec<ServerOffer>,
    pub(crate) smtp: Vec<ServerOffer>,
    /// What was passed over, and why.
    pub(crate) passed: Vec<&'static str>,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerOffer {
    pub(crate) server: Server,
    pub(crate) auth: Vec<Auth>,
}

/// How TLS begins at a port of mail, whatever a stranger says (RFC 8314 §7.3). For other ports it is
/// as it was said, and the guard has the last word.
pub(crate) fn security_at(port: u16, said: Security) -> Security {
    match port {
        993 | 465 => Security::Tls,
        143 => Security::StartTls,
        _ => said,
    }
}
