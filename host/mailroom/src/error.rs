//! Why a mailroom could not start, or not take a message.
//!
//! Its connections have no errors to report: one that fails is closed and the
//! reason goes to the log.

/// Why [`crate::server::Mailroom`] could not do what its owner asked. `Display` says this layer
/// only; the rest is in `source()`.
#[derive(Debug, thiserror::Error)]
pub enum MailroomError {
    /// A user's address is not `local@domain`, or two users share one.
    #[error("{email:?} is not an address, or is given twice")]
    User { email: String },
    /// The host name cannot stand in a certificate, or no key could be made.
    #[error("could not make a certificate for {hostname:?}")]
    Certificate { hostname: String, source: rcgen::Error },
    /// The TLS library refused the certificate that was just made.
    #[error("could not set up TLS")]
    Tls { source: rustls::Error },
    /// No port could be bound on 127.0.0.1.
    #[error("could not listen on the loopback address")]
    Listen { source: std::io::Error },
    /// There is no such mailbox, or no room in it.
    #[error("could not put a message into {mailbox:?} of {email:?}")]
    Deliver { email: String, mailbox: String },
}
