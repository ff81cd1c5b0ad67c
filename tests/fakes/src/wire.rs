//! In-memory pipes as wires.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use model::future::BoxFuture;
use model::port::dial::{DialError, Wire};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a pipe has to be.
pub trait Pipe: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static> Pipe for T {}

/// The upgrade of a pipe to TLS.
pub type Handshake<P> = Box<dyn FnOnce(P) -> Upgraded + Send + Sync>;

/// The outcome of an upgrade.
pub type Upgraded = BoxFuture<'static, Result<Box<dyn Wire>, DialError>>;

/// One end of a pipe.
pub struct PipeWire<P> {
    pipe: P,
    local: Option<IpAddr>,
    /// None where the wire is encrypted.
    handshake: Option<Handshake<P>>,
}

impl<P: Pipe> PipeWire<P> {
    /// A wire that claims to be encrypted.
    pub const fn encrypted(pipe: P) -> Self {
        Self { pipe, local: None, handshake: None }
    }

    /// A wire in plain text, which is upgraded so.
    pub fn plain(pipe: P, handshake: impl FnOnce(P) -> Upgraded + Send + Sync + 'static) -> Self {
        Self { pipe, local: None, handshake: Some(Box::new(handshake)) }
    }

    /// A wire in plain text with this local address, whose upgrade only claims to encrypt it.
    pub fn pretending(pipe: P, local: Option<IpAddr>) -> Self {
        let upgrade = move |pipe| -> Upgraded {
            Box::pin(async move { Ok(boxed(Self { pipe, local, handshake: None })) })
        };
        Self { pipe, local, handshake: Some(Box::new(upgrade)) }
    }
}

/// A wire as the port hands it out.
#[must_use]
pub fn boxed(wire: impl Wire + 'static) -> Box<dyn Wire> {
    Box::new(wire)
}

impl<P> fmt::Debug for PipeWire<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encrypted = self.handshake.is_none();
        f.debug_struct("PipeWire").field("encrypted", &encrypted).finish_non_exhaustive()
    }
}

impl<P: Pipe> Wire for PipeWire<P> {
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

    fn upgrade(self: Box<Self>) -> Upgraded {
        match self.handshake {
            Some(handshake) => handshake(self.pipe),
            None => Box::pin(async move { Ok(boxed(*self)) }),
        }
    }

    fn peer(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9))
    }

    fn local(&self) -> Option<IpAddr> {
        self.local
    }

    fn is_encrypted(&self) -> bool {
        self.handshake.is_none()
    }
}
