//! Limits for slow clients: a minimum rate of request bodies, and a timeout for reading responses.
//!
//! Components have time budgets, but a static response or a body that the host collects has none, and
//! a client that stalls would keep its connection for ever. Only the time spent waiting for the client
//! counts.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::config::limits::MinRate;

/// A request body with a minimum rate.
#[derive(Debug)]
pub(crate) struct RateCheckedBody<B> {
    body: B,
    pace: MinRate,
    received: u64,
    /// Time spent waiting, without the current wait.
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

/// Why reading a body failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SlowBody {
    /// It arrived below the minimum rate.
    #[error("the body came too slowly")]
    TooSlow,
    /// The connection failed.
    #[error("the body cannot be read")]
    Read(#[source] hyper::Error),
}

impl<B> RateCheckedBody<B> {
    pub(crate) fn new(body: B, pace: MinRate) -> Self {
        Self { body, pace, received: 0, waited: Duration::ZERO, waiting: None }
    }

    /// Time that may have been spent waiting for the bytes received so far.
    fn allowed(&self) -> Duration {
        let earned = self.received as f64 / self.pace.bytes.max(1) as f64;
        self.pace.grace.saturating_add(Duration::try_from_secs_f64(earned).unwrap_or(Duration::MAX))
    }
}

impl<B> Body for RateCheckedBody<B>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    type Data = Bytes;
    type Error = SlowBody;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SlowBody>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some((since, _)) = this.waiting.take() {
                    this.waited += since.elapsed();
                }
                if let Some(Ok(frame)) = &frame {
                    let bytes = frame.data_ref().map_or(0, Bytes::len);
                    this.received = this.received.saturating_add(bytes as u64);
                }
                Poll::Ready(frame.map(|frame| frame.map_err(SlowBody::Read)))
            }
            Poll::Pending => {
                if this.waiting.is_none() {
                    let left = this.allowed().saturating_sub(this.waited);
                    let now = Instant::now();
                    this.waiting = Some((now, Box::pin(sleep_until(now + left))));
                }
                if let Some((_, end)) = &mut this.waiting {
                    ready!(end.as_mut().poll(cx));
                }
                Poll::Ready(Some(Err(SlowBody::TooSlow)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection with a write timeout.
#[derive(Debug)]
pub(crate) struct Reader<S> {
    stream: S,
    patience: Duration,
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Reader<S> {
    /// Writes fail if the peer reads nothing for `patience`.
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, stuck: None }
    }

    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let patience = self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stuck.as_mut().poll(cx));
        tracing::debug!("a client does not read its response");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Reader<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Reader<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
