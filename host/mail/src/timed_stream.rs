//! A wire as a tokio stream, with a deadline on every wait.
//!
//! Used by both protocols. Two timers run: one between bytes, so that a silent server is noticed
//! soon, and one over the whole step, so that a server which sends a byte a second is noticed too.
//! tokio's clock is used here: the deadlines guard I/O and decide nothing else.
//!
//! Invariant: no read or write waits longer than [`Deadlines`] allows; after that each further one
//! fails at once.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use model::port::dial::{DialError, Encryption, Wire};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Time limits of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadlines {
    /// Without any byte transferred.
    pub(crate) idle: Duration,
    /// From the beginning of the step.
    pub(crate) total: Duration,
}

impl Deadlines {
    /// One deadline for both.
    pub(crate) const fn of(total: Duration) -> Self {
        Self { idle: total, total }
    }
}

/// A protocol violation, or an exceeded limit. Carried inside an [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ProtocolViolation(pub(crate) &'static str);

/// A violation as an `io::Error`.
pub(crate) fn breach(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, ProtocolViolation(what))
}

impl From<ProtocolViolation> for io::Error {
    fn from(ProtocolViolation(what): ProtocolViolation) -> Self {
        breach(what)
    }
}

/// The violation inside an error, if it is one.
pub(crate) fn breach_in(error: &io::Error) -> Option<&'static str> {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<ProtocolViolation>())
        .map(|breach| breach.0)
}

/// The session ended before this call: by an error, a cancelled call or a refusal.
pub(crate) fn finished() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the session has ended")
}

/// A wire with deadlines.
pub(crate) struct Stream {
    wire: Box<dyn Wire>,
    patience: Deadlines,
    end: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Stream {
    /// Starts the timers.
    pub(crate) fn new(wire: Box<dyn Wire>, patience: Deadlines) -> Self {
        let now = Instant::now();
        let alarm = Box::pin(tokio::time::sleep_until(now + patience.idle.min(patience.total)));
        Self { wire, patience, end: now + patience.total, alarm }
    }

    /// Begins a step: both timers are reset.
    pub(crate) fn begin(&mut self, patience: Deadlines) {
        self.patience = patience;
        self.end = Instant::now() + patience.total;
        self.rest();
    }

    /// Whether TLS is established.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.wire.is_encrypted()
    }

    /// The parameters of TLS.
    pub(crate) fn encryption(&self) -> Option<Encryption> {
        self.wire.encryption()
    }

    /// Starts TLS. The caller ensures that no byte of the server is left unread.
    pub(crate) async fn upgrade(self) -> Result<Self, DialError> {
        let patience = self.patience;
        self.wire.upgrade().await.map(|wire| Self::new(wire, patience))
    }

    fn rest(&mut self) {
        let next = (Instant::now() + self.patience.idle).min(self.end);
        self.alarm.as_mut().reset(next);
    }

    /// Resets the idle timer after a byte was transferred, and fails when the step is over.
    fn guard<T>(
        &mut self,
        context: &mut Context<'_>,
        moved: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match moved {
            Poll::Ready(Ok(_)) if Instant::now() >= self.end => Poll::Ready(Err(overdue())),
            Poll::Ready(Ok(value)) => {
                self.rest();
                Poll::Ready(Ok(value))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.alarm.as_mut().poll(context).map(|()| Err(overdue())),
        }
    }
}

fn overdue() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("peer", &self.wire.peer()).finish_non_exhaustive()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buffer.initialize_unfilled();
        let limit = room.len();
        let read = Pin::new(&mut *self.wire).poll_read(context, room);
        self.guard(context, read).map_ok(|count| buffer.advance(count.min(limit)))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.wire).poll_write(context, bytes);
        self.guard(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut *self.wire).poll_flush(context);
        self.guard(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut *self.wire).poll_shutdown(context);
        self.guard(context, shut)
    }
}
