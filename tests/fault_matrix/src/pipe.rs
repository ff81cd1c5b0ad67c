//! Connections to the mailroom over in-memory pipes, with real TLS.
//!
//! It replaces `net`, which connects sockets only: the handshake has the same limit, and the
//! certificate is verified against the mailroom's own.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use mailroom::{Mailroom, Protocol};
use model::port::BoxFuture;
use model::port::dial::{Dial, DialError, Target, TlsFault, Wire};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;

/// The limit of `net`.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(15);

/// The capacity of a pipe.
const ROOM: usize = 64 * 1024;

/// Connects to the mailroom for every host; ports 993 and 143 are IMAP, and 993 and 465 implicit
/// TLS.
pub struct Pipes {
    mailroom: Arc<Mailroom>,
    tls: TlsConnector,
}

impl Pipes {
    /// Trusts the mailroom's certificate and no other.
    #[must_use]
    pub fn new(mailroom: Arc<Mailroom>) -> Self {
        let mut roots = RootCertStore::empty();
        let pem = mailroom.certificate_pem().as_bytes();
        roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { mailroom, tls: TlsConnector::from(Arc::new(config)) }
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Wire>, DialError> {
        let (near, far) = tokio::io::duplex(ROOM);
        let protocol = match target.port {
            993 | 143 => Protocol::Imap,
            _ => Protocol::Smtp,
        };
        let door = match target.port {
            993 | 465 => mailroom::Security::Implicit,
            _ => mailroom::Security::StartTls,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "a stalled server ends with the test's runtime"
        )]
        tokio::spawn(self.mailroom.speak(far, protocol, door));
        Ok(Box::new(PipeWire { pipe: Box::new(near), tls: Some(self.tls.clone()) }))
    }
}

impl std::fmt::Debug for Pipes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipes").finish_non_exhaustive()
    }
}

impl Dial for Pipes {
    fn dial<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Box<dyn Wire>, DialError>> {
        Box::pin(self.open(target))
    }
}

trait Pipe: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Pipe for T {}

/// The client's end of a pipe.
struct PipeWire {
    pipe: Box<dyn Pipe>,
    /// Before TLS.
    tls: Option<TlsConnector>,
}

impl std::fmt::Debug for PipeWire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PipeWire").field("encrypted", &self.tls.is_none()).finish_non_exhaustive()
    }
}

impl Wire for PipeWire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        Pin::new(&mut self.pipe).poll_read(context, &mut buffer).map_ok(|()| buffer.filled().len())
    }

    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(context)
    }

    fn upgrade(self: Box<Self>) -> BoxFuture<'static, Result<Box<dyn Wire>, DialError>> {
        Box::pin(async move {
            let host = "localhost".to_owned();
            let name = ServerName::try_from("localhost").unwrap();
            let connect = self.tls.unwrap().connect(name, self.pipe);
            match tokio::time::timeout(HANDSHAKE_LIMIT, connect).await {
                Err(_) => Err(DialError::Timeout { host }),
                Ok(Err(_)) => Err(DialError::Tls { host, fault: TlsFault::Handshake }),
                Ok(Ok(pipe)) => {
                    let wire: Box<dyn Wire> = Box::new(Self { pipe: Box::new(pipe), tls: None });
                    Ok(wire)
                }
            }
        })
    }

    fn peer(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9))
    }

    fn is_encrypted(&self) -> bool {
        self.tls.is_none()
    }
}
