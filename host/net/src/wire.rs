//! TCP connections, in plain text until they are upgraded to TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
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
        Ok(Box::new(TcpWire { stream: Stream::Tls(Box::new(stream)), peer }))
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

/// A connection, in plain text or encrypted.
#[derive(Debug)]
pub(crate) struct TcpWire {
    stream: Stream,
    peer: SocketAddr,
}

#[derive(Debug)]
enum Stream {
    /// Not yet encrypted: only for a STARTTLS dialogue.
    Plain(TcpStream, Upgrade),
    Tls(Box<TlsStream<TcpStream>>),
}

trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

impl Stream {
    fn io(&mut self) -> Pin<&mut dyn Io> {
        match self {
            Self::Plain(stream, _) => Pin::new(stream),
            Self::Tls(stream) => Pin::new(stream),
        }
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream, _) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl TcpWire {
    pub(crate) const fn plain(stream: TcpStream, peer: SocketAddr, upgrade: Upgrade) -> Self {
        Self { stream: Stream::Plain(stream, upgrade), peer }
    }
}

impl Wire for TcpWire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        self.stream.io().poll_read(context, &mut buffer).map_ok(|()| buffer.filled().len())
    }
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.io().poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.io().poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.io().poll_shutdown(context)
    }
    fn upgrade(self: Box<Self>) -> BoxFuture<'static, Result<Box<dyn Wire>, DialError>> {
        let Self { stream, peer } = *self;
        Box::pin(async move {
            match stream {
                Stream::Plain(stream, upgrade) => upgrade.handshake(stream, peer).await,
                // TLS inside TLS is not supported: such a call is a bug of the caller.
                Stream::Tls(_) => {
                    let host = peer.ip().to_string();
                    Err(DialError::Tls { host, fault: TlsFault::Handshake })
                }
            }
        })
    }
    fn peer(&self) -> SocketAddr {
        self.peer
    }
    fn local(&self) -> Option<IpAddr> {
        self.stream.tcp().local_addr().ok().map(|local| local.ip())
    }
    fn is_encrypted(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }
    fn encryption(&self) -> Option<Encryption> {
        match &self.stream {
            Stream::Plain(..) => None,
            Stream::Tls(stream) => encryption(stream.get_ref().1),
        }
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
