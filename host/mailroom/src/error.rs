//! Errors of starting a mailroom and of delivering into it.
//!
//! Connections return no errors: one that fails is closed and the reason is logged.

/// An error of [`crate::server::Mailroom`]. `Display` says this layer only; the rest is in
/// `source()`.
#[derive(Debug, thiserror::Error)]
pub enum MailroomError {
    /// A user's address is not `local@domain`, or two users share one.
    #[error("{email:?} is not an address, or is given twice")]
    User { email: String },
    /// The host name is not valid in a certificate, or no key could be generated.
    #[error("could not make a certificate for {hostname:?}")]
    Certificate { hostname: String, source: rcgen::Error },
    /// The TLS library refused the certificate that was just generated.
    #[error("could not set up TLS")]
    Tls { source: rustls::Error },
    /// No port could be bound on 127.0.0.1.
    #[error("could not listen on the loopback address")]
    Listen { source: std::io::Error },
    /// There is no such mailbox, or its quota is exhausted.
    #[error("could not put a message into {mailbox:?} of {email:?}")]
    Deliver { email: String, mailbox: String },
}
