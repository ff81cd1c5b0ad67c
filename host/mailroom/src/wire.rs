//! A client connection: line reading with limits, writing, and the upgrade to TLS.
//!
//! Independent of SMTP and IMAP. Every read has a limit, and every wait an end: callers use
//! [`within`], and writes have a limit of their own (for each octet where a test injects a slow
//! response).
//!
//! Invariant: [`Wire::line`] may be dropped at any await without losing bytes (cancel-safe), so
//! that IDLE can wait for the client and for the store at the same time.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio_rustls::TlsAcceptor;

/// How long a client may take to accept output.
const WRITE_LIMIT: Duration = Duration::from_secs(60);
/// How long a TLS handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(15);

/// A stream that can carry a session.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The result of [`Wire::line`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line with its LF, and its CR where the client sent one.
    Whole(Vec<u8>),
    /// A line over the limit; it was read to its end and discarded.
    TooLong,
    /// The client closed; a line without an end is not a line.
    End,
}

/// How output is sent, for injected faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    Full,
    /// With a pause after each octet.
    Slow(Duration),
    /// So many octets more; further input is ignored, so the session ends.
    Only(usize),
}

/// A connection.
pub(crate) struct Wire {
    pub(crate) pace: Pace,
    stream: BufReader<Box<dyn Stream>>,
    partial: Vec<u8>,
    overrun: bool,
    secure: bool,
}

impl Wire {
    pub(crate) fn new(stream: Box<dyn Stream>) -> Self {
        let (pace, partial) = (Pace::Full, Vec::new());
        Self { pace, stream: BufReader::new(stream), partial, overrun: false, secure: false }
    }

    /// Whether TLS is established.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the client has sent more than was read. Before TLS this is how an attacker injects
    /// commands into it (RFC 3207 §6).
    pub(crate) fn has_more(&self) -> bool {
        !self.stream.buffer().is_empty() || !self.partial.is_empty()
    }

    /// The next line, of at most `cap` bytes with its end. Cancel-safe.
    pub(crate) async fn line(&mut self, cap: usize) -> io::Result<Line> {
        self.is_heard()?;
        loop {
            let chunk = self.stream.fill_buf().await?;
            if chunk.is_empty() {
                return Ok(Line::End);
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let piece = end.and_then(|at| chunk.get(..=at)).unwrap_or(chunk);
            let used = piece.len();
            self.overrun |= self.partial.len().saturating_add(used) > cap;
            if self.overrun {
                self.partial.clear();
            } else {
                self.partial.extend_from_slice(piece);
            }
            self.stream.consume(used);
            if end.is_some() {
                let line = std::mem::take(&mut self.partial);
                let overrun = std::mem::take(&mut self.overrun);
                return Ok(if overrun { Line::TooLong } else { Line::Whole(line) });
            }
        }
    }

    /// Appends exactly `count` bytes to `out`; the caller has limited `count`.
    pub(crate) async fn exactly(&mut self, out: &mut Vec<u8>, count: u64) -> io::Result<()> {
        self.is_heard()?;
        let got = (&mut self.stream).take(count).read_to_end(out).await?;
        if u64::try_from(got).ok() == Some(count) {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// An error once input is ignored.
    pub(crate) fn is_heard(&self) -> io::Result<()> {
        let deaf = matches!(self.pace, Pace::Only(_));
        if deaf { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    /// Writes and flushes.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.pace {
            Pace::Full => self.put(bytes).await,
            Pace::Slow(pause) => {
                for octet in bytes.chunks(1) {
                    self.put(octet).await?;
                    tokio::time::sleep(pause).await;
                }
                Ok(())
            }
            Pace::Only(most) => {
                let (said, _) = bytes.split_at_checked(most).unwrap_or((bytes, &[]));
                self.pace = Pace::Only(most - said.len());
                self.put(said).await
            }
        }
    }

    async fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        within(WRITE_LIMIT, async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        })
        .await
    }

    /// Closes TLS and TCP; without close_notify a client must suspect truncation (RFC 8446 §6.1).
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        within(WRITE_LIMIT, self.stream.shutdown()).await
    }

    /// Upgrades to TLS. Early input of the client must have been refused by [`Wire::has_more`]
    /// before; here it would be discarded, never used.
    pub(crate) async fn secure(&mut self, acceptor: &TlsAcceptor) -> io::Result<()> {
        self.is_heard()?;
        let nobody: Box<dyn Stream> = Box::new(tokio::io::empty());
        let plain = std::mem::replace(&mut self.stream, BufReader::new(nobody)).into_inner();
        let encrypted = within(HANDSHAKE_LIMIT, acceptor.accept(plain)).await?;
        self.stream = BufReader::with_capacity(32 * 1024, Box::new(encrypted));
        self.secure = true;
        Ok(())
    }
}

/// Runs `work` for at most `limit`; later is [`io::ErrorKind::TimedOut`].
pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::{Line, Wire};

    #[tokio::test]
    async fn lines_are_cut_at_lf_and_capped() {
        check(b"a\r\nbb\n", 8, &[whole("a\r\n"), whole("bb\n"), Line::End]).await;
        check(b"123456789\nok\n", 8, &[Line::TooLong, whole("ok\n"), Line::End]).await;
        check(b"no end", 8, &[Line::End]).await;
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    async fn check(input: &'static [u8], cap: usize, want: &[Line]) {
        let stream = tokio::io::join(input, tokio::io::sink());
        let mut wire = Wire::new(Box::new(stream));
        for line in want {
            assert_eq!(&wire.line(cap).await.unwrap(), line, "input {input:?}");
        }
    }
}
