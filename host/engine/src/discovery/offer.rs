//! Suggestions: the unverified answer of one discovery source.
//!
//! Independent of where it was read.

use model::account::Security;
use model::provider::{Auth, Server};

/// The servers that a source names, the preferred first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Suggestion {
    pub(crate) imap: Vec<ServerOffer>,
    pub(crate) smtp: Vec<ServerOffer>,
    /// Reasons why entries were skipped.
    pub(crate) passed: Vec<&'static str>,
}

/// One server of a suggestion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerOffer {
    pub(crate) server: Server,
    pub(crate) auth: Vec<Auth>,
}

/// The kind of TLS at a standard mail port, whatever the source claims (RFC 8314 §7.3). For other
/// ports the claim is used, and the egress guard decides.
pub(crate) fn security_at(port: u16, said: Security) -> Security {
    match port {
        993 | 465 => Security::Tls,
        143 => Security::StartTls,
        _ => said,
    }
}
