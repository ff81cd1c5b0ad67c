//! The port of TCP and TLS connections. Only `net` implements these traits; only `mail` calls them.
//!
//! The STARTTLS dialogue belongs to the mail protocols and TLS to `net`: so a [`Wire`] starts in
//! plain text and is upgraded once, immediately or after STARTTLS.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::account::{MailServer, SpkiPin};
use crate::future::BoxFuture;
use crate::instant::Timestamp;

/// A server to connect to, and how to verify it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name or an address literal.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Replaces the check of the certificate chain, when set.
    pub pin: Option<SpkiPin>,
}

impl From<&MailServer> for Target {
    fn from(server: &MailServer) -> Self {
        Self { host: server.host.clone(), port: server.port, pin: server.pin }
    }
}

/// Opens connections: resolves, checks the egress guard, connects to the address that passed.
pub trait Dial: Send + Sync + fmt::Debug {
    /// Connects within the implementation's own time limit; the wire is in plain text.
    fn dial<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Box<dyn Wire>, DialError>>;
}

/// An open connection: a byte stream with at most one upgrade to TLS.
pub trait Wire: Send + Sync + Unpin + fmt::Debug {
    /// As `tokio::io::AsyncRead`, without the crate: `Ok(0)` is the end of the stream.
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
    /// Starts TLS, verified as the target says. The caller ensures that no byte of the server is
    /// left unread.
    fn upgrade(self: Box<Self>) -> BoxFuture<'static, Result<Box<dyn Wire>, DialError>>;
    /// The remote address.
    fn peer(&self) -> SocketAddr;
    /// The local address of the connection; none where the wire does not know it.
    fn local(&self) -> Option<IpAddr> {
        None
    }
    /// Whether TLS is established.
    fn is_encrypted(&self) -> bool;
    /// The parameters of TLS; none while it is not established, or where the wire does not know
    /// them.
    fn encryption(&self) -> Option<Encryption> {
        None
    }
}

/// The negotiated parameters of a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// `1.2` or `1.3`.
    pub tls_version: String,
    /// The cipher suite's name in the registry of RFC 8446 §11.
    pub cipher: String,
    /// notAfter of the server's certificate (RFC 5280 §4.1.2.5); none when it cannot be read.
    pub certificate_expires: Option<Timestamp>,
}

/// Why a connection failed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name does not resolve (NXDOMAIN or no address).
    #[error("{host} cannot be found")]
    NotFound {
        /// As configured.
        host: String,
    },
    /// The name servers failed, or did not answer in time: whether the name exists is not known.
    #[error("the name servers gave no answer about {host}")]
    Unresolved {
        /// As configured.
        host: String,
    },
    /// The egress guard refused the address.
    #[error("connections to {host} port {port} are not allowed: {reason}")]
    NotAllowed {
        /// As configured.
        host: String,
        /// As configured.
        port: u16,
        /// The rule, without the resolved address.
        reason: &'static str,
    },
    /// Connection refused, unreachable or reset.
    #[error("cannot connect to {host}")]
    Unreachable {
        /// As configured.
        host: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// No answer in time.
    #[error("{host} did not answer in time")]
    Timeout {
        /// As configured.
        host: String,
    },
    /// The TLS handshake failed.
    #[error("no trusted TLS with {host}: {fault}")]
    Tls {
        /// As configured.
        host: String,
        /// The kind of failure.
        fault: TlsFault,
    },
}

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// The certificate is past its date.
    #[error("the certificate has expired")]
    Expired,
    /// The certificate is for another name.
    #[error("the certificate is for another host")]
    WrongHost,
    /// Self-signed, or from an authority that is not trusted.
    #[error("the certificate comes from an unknown authority")]
    UnknownIssuer,
    /// Not the pinned key.
    #[error("the certificate's key is not the pinned one")]
    PinMismatch,
    /// The certificate is invalid in another way.
    #[error("the certificate is not valid")]
    InvalidCertificate,
    /// Older than TLS 1.2.
    #[error("the server speaks no TLS version that is safe (1.2 or newer)")]
    Version,
    /// The peer answered in another protocol: in plain text, most likely.
    #[error("the server does not answer with TLS")]
    NotTls,
    /// The peer closed, or both sides have no parameters in common.
    #[error("the TLS handshake failed")]
    Handshake,
}
