//! Line reader with limits.
//!
//! SMTP is read with this throughout, IMAP only until STARTTLS: the caller can always tell whether
//! anything was read ahead of its request.
//!
//! Invariant: what one step may read is limited before it is buffered.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::{Buf, BytesMut};
use model::port::dial::{DialError, Encryption};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::timed_stream::{Deadlines, Stream, breach};

/// Maximum number of bytes read while writing.
const READ_AHEAD: usize = 64 * 1024;

/// Maximum sizes of a server's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadLimits {
    /// One line with its end, in bytes.
    pub(crate) line: usize,
    /// All lines of one step, in bytes.
    pub(crate) total: usize,
}

/// Reads lines and writes bytes.
#[derive(Debug)]
pub(crate) struct Lines {
    stream: Stream,
    buffer: BytesMut,
    caps: ReadLimits,
    spent: usize,
}

impl Lines {
    pub(crate) fn new(stream: Stream, caps: ReadLimits) -> Self {
        Self { stream, buffer: BytesMut::new(), caps, spent: 0 }
    }

    /// Begins a step: deadlines and limits are reset.
    pub(crate) fn begin(&mut self, patience: Deadlines) {
        self.stream.begin(patience);
        self.spent = 0;
    }

    /// The next line without its end. A lone LF ends a line too, since some servers send it.
    pub(crate) async fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let fresh = self.buffer.get(searched..).unwrap_or_default();
            if let Some(found) = fresh.iter().position(|&byte| byte == b'\n') {
                let mut line = self.buffer.split_to(searched + found + 1).to_vec();
                self.spend(line.len())?;
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            searched = self.buffer.len();
            self.spend_check(searched)?;
            // One read is at most the rest of a line: so the buffer stays under two lines.
            self.buffer.reserve(1024);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Whether more was received than was read.
    pub(crate) fn has_more(&self) -> bool {
        self.buffer.has_remaining()
    }

    /// As [`Lines::has_more`], including what has arrived on the wire by now; never waits for the
    /// server. A closed connection is an error.
    pub(crate) async fn look(&mut self) -> io::Result<bool> {
        if self.has_more() {
            return Ok(true);
        }
        // The reactor turns once, since only then the wire knows what has arrived.
        tokio::task::yield_now().await;
        self.buffer.reserve(1024);
        // With its cooperative budget used up tokio would report a readable wire as empty.
        let mut read =
            pin!(tokio::task::coop::unconstrained(self.stream.read_buf(&mut self.buffer)));
        match poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Poll::Ready(Ok(_)) => Ok(true),
            Poll::Ready(Err(error)) => Err(error),
        }
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.stream.is_encrypted()
    }

    /// The parameters of TLS.
    pub(crate) fn encryption(&self) -> Option<Encryption> {
        self.stream.encryption()
    }

    /// Writes without flushing.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.stream.flush().await
    }

    /// Writes and flushes. Meanwhile the server's output is read, up to a limit, so that neither
    /// side waits for the other to read.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut left = bytes;
        poll_fn(|context| {
            loop {
                let stream = Pin::new(&mut self.stream);
                let moved = if left.is_empty() {
                    match stream.poll_flush(context) {
                        Poll::Ready(flushed) => return Poll::Ready(flushed),
                        Poll::Pending => Poll::Pending,
                    }
                } else {
                    stream.poll_write(context, left)
                };
                match moved {
                    Poll::Ready(Ok(0)) => {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    Poll::Ready(Ok(count)) => left = left.get(count..).unwrap_or_default(),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending if self.buffer.len() >= READ_AHEAD => return Poll::Pending,
                    Poll::Pending => {
                        self.buffer.reserve(1024);
                        let read = pin!(self.stream.read_buf(&mut self.buffer));
                        match std::task::ready!(read.poll(context)) {
                            Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                            Ok(_) => {}
                            Err(error) => return Poll::Ready(Err(error)),
                        }
                    }
                }
            }
        })
        .await
    }

    /// Starts TLS; nothing may be buffered from before.
    pub(crate) async fn upgrade(self) -> Result<Stream, DialError> {
        self.stream.upgrade().await
    }

    fn spend_check(&self, pending: usize) -> io::Result<()> {
        if pending >= self.caps.line {
            return Err(breach("a line is too long"));
        }
        if self.spent + pending > self.caps.total {
            return Err(breach("an answer is too long"));
        }
        Ok(())
    }

    fn spend(&mut self, count: usize) -> io::Result<()> {
        if count > self.caps.line {
            return Err(breach("a line is too long"));
        }
        self.spent += count;
        self.spend_check(0)
    }
}
