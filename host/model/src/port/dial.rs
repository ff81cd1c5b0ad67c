//! Connections. Only `net` implements these; only `mail` calls them.
//!
//! The STARTTLS dialogue belongs to the mail protocols and TLS to `net`: so a
//! [`Wire`] is handed over plain and is upgraded once, at once or after STARTTLS.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::account::{MailServer, SpkiPin};
use crate::future::BoxFuture;
use crate::instant::Timestamp;

/// Where to connect and whom to trust there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name or an address literal.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Trusted instead of a public certificate chain, when given.
    pub pin: Option<SpkiPin>,
}

impl From<&MailServer> for Target {
    fn from(server: &MailServer) -> Self {
        Self { host: server.host.clone(), port: server.port, pin: server.pin }
    }
}

/// Opens connections: resolves, passes the egress guard, dials the vetted address.
pub trait Dial: Send + Sync + fmt::Debug {
    /// Connects within the implementation's own time limit; the wire is plain.
    fn dial<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Box<dyn Wire>, DialError>>;
}

/// An open connection: bytes in, bytes out, and at most one upgrade to TLS.
pub trait Wire: Send + Sync + Unpin + fmt::Debug {
    /// As `tokio::io::AsyncRead`, without the crate: `Ok(0)` is the end.
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>>;
    /// As `tokio::io::AsyncWrite`.
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>>;
    /// As `tokio::io::AsyncWrite`.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// As `tokio::io::AsyncWrite`.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// TLS from here on, with the trust of the target that was dialled. The caller has made sure
    /// that no byte of the server is left unread.
    fn upgrade(self: Box<Self>) -> BoxFuture<'static, Result<Box<dyn Wire>, DialError>>;
    /// Whom we are talking to.
    fn peer(&self) -> SocketAddr;
    /// Where we are seen from on our side of the connection; none where the wire cannot tell.
    fn local(&self) -> Option<IpAddr> {
        None
    }
    /// TLS is on.
    fn is_encrypted(&self) -> bool;
    /// What TLS agreed on; none while it is off, or where the wire cannot tell.
    fn encryption(&self) -> Option<Encryption> {
        None
    }
}

/// What TLS agreed on with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// `1.2` or `1.3`.
    pub tls_version: String,
    /// The suite's name in the registry of RFC 8446 §11.
    pub cipher: String,
    /// When the server's certificate ends (RFC 5280 §4.1.2.5); none when it cannot be read.
    pub certificate_expires: Option<Timestamp>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name does not resolve.
    #[error("{host} cannot be found")]
    NotFound {
        /// As it was given.
        host: String,
    },
    /// Whether the name exists is not known: the name servers failed, or did not answer in time.
    #[error("the name servers gave no answer about {host}")]
    Unresolved {
        /// As it was given.
        host: String,
    },
    /// The egress guard said no.
    #[error("connections to {host} port {port} are not allowed: {reason}")]
    NotAllowed {
        /// As it was given.
        host: String,
        /// As it was given.
        port: u16,
        /// Which rule, without the resolved address.
        reason: &'static str,
    },
    /// Refused, unreachable, reset.
    #[error("cannot connect to {host}")]
    Unreachable {
        /// As it was given.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// No answer in time.
    #[error("{host} did not answer in time")]
    Timeout {
        /// As it was given.
        host: String,
    },
    /// The TLS handshake failed.
    #[error("no trusted TLS with {host}: {fault}")]
    Tls {
        /// As it was given.
        host: String,
        /// Why.
        fault: TlsFault,
    },
}

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// Past its date.
    #[error("the certificate has expired")]
    Expired,
    /// For another name.
    #[error("the certificate is for another host")]
    WrongHost,
    /// Self-signed or from an authority that we do not know.
    #[error("the certificate comes from an unknown authority")]
    UnknownIssuer,
    /// Not the key that was pinned.
    #[error("the certificate's key is not the pinned one")]
    PinMismatch,
    /// Wrong in another way.
    #[error("the certificate is not valid")]
    InvalidCertificate,
    /// Older than TLS 1.2.
    #[error("the server speaks no TLS version that is safe (1.2 or newer)")]
    Version,
    /// The peer answers in another protocol: in plain text, most likely.
    #[error("the server does not answer with TLS")]
    NotTls,
    /// The peer broke off, or there is nothing that both sides have.
    #[error("the TLS handshake failed")]
    Handshake,
}
