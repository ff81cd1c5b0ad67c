//! TCP connections, in plain text until they are upgraded to TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use model::instant::Timestamp;
use model::port::BoxFuture;
use model::port::dial::{DialError, Encryption, TlsFault, Wire};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::tls::fault;

const HANDSHAKE_LIMIT: Duration = Duration::from_secs(15);

/// What an upgrade to TLS needs.
#[derive(Clone, Debug)]
pub(crate) struct Upgrade {
    pub(crate) host: String,
    pub(crate) name: ServerName<'static>,
    pub(crate) config: Arc<ClientConfig>,
}

impl Upgrade {
    pub(crate) async fn handshake(
        self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Result<Box<dyn Wire>, DialError> {
        let stream = self.stream(stream).await?;
        // Some servers send their greeting under Nagle's algorithm and wait for the client's
        // delayed ACK: 40 ms lost.
        quick_ack(stream.get_ref().0);
        Ok(Box::new(TlsWire { stream, peer }))
    }

    pub(crate) async fn stream(self, stream: TcpStream) -> Result<TlsStream<TcpStream>, DialError> {
        let Self { host, name, config } = self;
        let handshake = TlsConnector::from(config).connect(name, stream);
        match tokio::time::timeout(HANDSHAKE_LIMIT, handshake).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(DialError::Tls { host, fault: fault(&error) }),
            Err(_) => Err(DialError::Timeout { host }),
        }
    }
}

fn quick_ack(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    if let Err(error) = stream.set_quickack(true) {
        tracing::debug!(%error, "the kernel does not take TCP_QUICKACK");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

/// Not yet encrypted: only for a STARTTLS dialogue.
#[derive(Debug)]
pub(crate) struct PlainWire {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) upgrade: Upgrade,
}

impl Wire for PlainWire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        read(&mut self.stream, context, buffer)
    }
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
    fn upgrade(self: Box<Self>) -> BoxFuture<'static, Result<Box<dyn Wire>, DialError>> {
        let Self { stream, peer, upgrade } = *self;
        Box::pin(upgrade.handshake(stream, peer))
    }
    fn peer(&self) -> SocketAddr {
        self.peer
    }
    fn local(&self) -> Option<IpAddr> {
        self.stream.local_addr().ok().map(|local| local.ip())
    }
    fn is_encrypted(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct TlsWire {
    stream: TlsStream<TcpStream>,
    peer: SocketAddr,
}

impl Wire for TlsWire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        read(&mut self.stream, context, buffer)
    }
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
    fn upgrade(self: Box<Self>) -> BoxFuture<'static, Result<Box<dyn Wire>, DialError>> {
        // TLS inside TLS is not supported: such a call is a bug of the caller.
        Box::pin(async move {
            Err(DialError::Tls { host: self.peer.ip().to_string(), fault: TlsFault::Handshake })
        })
    }
    fn peer(&self) -> SocketAddr {
        self.peer
    }
    fn local(&self) -> Option<IpAddr> {
        self.stream.get_ref().0.local_addr().ok().map(|local| local.ip())
    }
    fn is_encrypted(&self) -> bool {
        true
    }
    fn encryption(&self) -> Option<Encryption> {
        encryption(self.stream.get_ref().1)
    }
}

/// The negotiated parameters of TLS.
pub(crate) fn encryption(connection: &ClientConnection) -> Option<Encryption> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "versions before 1.2 are never agreed on, and later ones have no name yet"
    )]
    let tls_version = match connection.protocol_version()? {
        ProtocolVersion::TLSv1_2 => "1.2",
        ProtocolVersion::TLSv1_3 => "1.3",
        _ => return None,
    };
    let suite = connection.negotiated_cipher_suite()?.suite();
    Some(Encryption {
        tls_version: tls_version.to_owned(),
        cipher: suite.as_str()?.to_owned(),
        certificate_expires: connection.peer_certificates()?.first().and_then(expires),
    })
}

fn expires(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let seconds = parsed.validity().not_after.timestamp();
    Some(Timestamp::from_millis(seconds.saturating_mul(1000)))
}

fn read(
    stream: &mut (impl AsyncRead + Unpin),
    context: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}
