//! Why a mailroom could not start.
//!
//! Once it runs it has no errors to report: a connection that fails is closed
//! and the reason goes to the log.

/// Why [`crate::house::Mailroom::start`] failed. `Display` says this layer
/// only; the rest is in `source()`.
#[derive(Debug, thiserror::Error)]
pub enum MailroomError {
    /// A user's address is not `local@domain`, or two users share one.
    #[error("{email:?} is not an address, or is given twice")]
    User {
        /// The address as configured.
        email: String,
    },
    /// The host name cannot stand in a certificate, or no key could be made.
    #[error("could not make a certificate for {hostname:?}")]
    Certificate {
        /// The name as configured.
        hostname: String,
        /// What the certificate library said.
        source: rcgen::Error,
    },
    /// The TLS library refused the certificate that was just made.
    #[error("could not set up TLS")]
    Tls {
        /// What the TLS library said.
        source: rustls::Error,
    },
    /// No port could be bound on 127.0.0.1.
    #[error("could not listen on the loopback address")]
    Listen {
        /// What the operating system said.
        source: std::io::Error,
    },
}
