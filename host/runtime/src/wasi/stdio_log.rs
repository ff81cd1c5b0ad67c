//! Guests' stdout and stderr as lines of the host's log.
//!
//! A guest's output is untrusted: control characters are escaped so that they cannot forge lines or
//! control a terminal, long lines are broken, and after the byte limit of the call one line says so
//! and the rest is dropped. What a tenant's calls may log together is counted where the log is
//! written. Writing never blocks and never fails, so a guest cannot observe this. Both streams of
//! WASI 0.2 and of 0.3 end here.

use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::task::{Context, Poll};

use bytes::Bytes;
use model::ids::{RequestId, TenantId};
use rules::foreign_text::shown;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// A longer line is broken: below the truncation limit ([`rules::foreign_text::LONGEST`]), also where
/// some of it is escaped.
const LINE: usize = 2048;
/// Bytes of the last output that are kept.
const LAST_WORDS: usize = 600;
/// Maximum size in bytes of one write.
const PERMIT: usize = 64 << 10;

/// One of a guest's two streams.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    page: Arc<Page>,
    name: &'static str,
}

/// The writing component, and the tenant that is charged.
#[derive(Debug)]
pub(crate) struct LogSource {
    pub(crate) component: Arc<str>,
    pub(crate) request: Option<RequestId>,
    pub(crate) tenant: Option<TenantId>,
}

#[derive(Debug)]
struct Page {
    whose: LogSource,
    left: AtomicUsize,
    cut: AtomicBool,
    /// The end of the output on stderr, its lines joined: it holds the message of a panic.
    last: Mutex<String>,
}

impl Log {
    /// Stdout and stderr, under one limit.
    pub(crate) fn pair(whose: LogSource, bytes: usize) -> (Self, Self) {
        let page = Arc::new(Page {
            whose,
            left: AtomicUsize::new(bytes),
            cut: AtomicBool::new(false),
            last: Mutex::default(),
        });
        (Self { page: Arc::clone(&page), name: "stdout" }, Self { page, name: "stderr" })
    }

    /// The end of the guest's output on stderr, in one line; none where there was none.
    pub(crate) fn last_words(&self) -> Option<String> {
        let last = self.page.last.lock();
        (!last.is_empty()).then(|| last.clone())
    }

    fn line(&self, bytes: &[u8]) {
        // The output of a Rust panic begins with one.
        if bytes.is_empty() {
            return;
        }
        let LogSource { component, request, tenant } = &self.page.whose;
        let words = shown(String::from_utf8_lossy(bytes));
        if self.name == "stderr" {
            let mut last = self.page.last.lock();
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(&words);
            let mut from = last.len().saturating_sub(LAST_WORDS);
            while !last.is_char_boundary(from) {
                from += 1;
            }
            last.drain(..from);
        }
        tracing::info!(
            target: "postlet::component",
            component = %component,
            request = request.as_ref().map(RequestId::as_str),
            tenant = tenant.as_ref().map(TenantId::as_str),
            stream = self.name,
            "{words}"
        );
    }

    fn cut(&self) {
        if !self.page.cut.swap(true, Relaxed) {
            let LogSource { component, request, tenant } = &self.page.whose;
            tracing::warn!(
                target: "postlet::component",
                component = %component,
                request = request.as_ref().map(RequestId::as_str),
                tenant = tenant.as_ref().map(TenantId::as_str),
                "the rest of the component's log is cut"
            );
        }
    }
}

impl IsTerminal for Log {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Log {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Lines { log: self.clone(), pending: Vec::new() })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Lines { log: self.clone(), pending: Vec::new() })
    }
}

/// The cost of an entry beside its bytes: an empty line is one, too.
const ENTRY: usize = 64;

struct Lines {
    log: Log,
    pending: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let ends = *byte == b'\n' || self.pending.len() >= LINE;
            let cost = if ends { 1 + ENTRY } else { 1 };
            let left = self.log.page.left.load(Relaxed);
            let Some(left) = left.checked_sub(cost) else {
                self.log.page.left.store(0, Relaxed);
                return self.log.cut();
            };
            self.log.page.left.store(left, Relaxed);
            if ends {
                self.log.line(&self.pending);
                self.pending.clear();
            }
            if *byte != b'\n' {
                self.pending.push(*byte);
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.pending.is_empty() {
            self.log.line(&self.pending);
        }
    }
}

/// WASI 0.3. Never waits.
impl AsyncWrite for Lines {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

#[async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_cut_at_its_cap_whichever_stream_is_used() {
        let whose = LogSource { component: "test".into(), request: None, tenant: None };
        let (out, error) = Log::pair(whose, 10);
        let mut streams =
            [Lines { log: out, pending: Vec::new() }, Lines { log: error, pending: Vec::new() }];
        for stream in &mut streams {
            stream.take(b"1234567");
        }
        assert_eq!(streams[0].pending, b"1234567");
        assert_eq!(streams[1].pending, b"123");
        assert!(streams[0].log.page.cut.load(Relaxed));
    }

    #[test]
    fn the_last_words_are_kept_without_breaks_of_lines() {
        let whose = LogSource { component: "test".into(), request: None, tenant: None };
        let (out, error) = Log::pair(whose, 64 << 10);
        assert_eq!(error.last_words(), None);
        let mut stream = Lines { log: error.clone(), pending: Vec::new() };
        stream.take("\nthread panicked at src/lib.rs:7:5:\nboom\n".as_bytes());
        let words = "thread panicked at src/lib.rs:7:5: boom";
        assert_eq!(error.last_words().as_deref(), Some(words));
        Lines { log: out, pending: Vec::new() }.take(b"another stream\n");
        stream.take("é".repeat(1000).as_bytes());
        stream.take(b"\n");
        let kept = error.last_words().unwrap();
        assert!(kept.len() <= LAST_WORDS && kept.ends_with("éé") && !kept.contains("boom"));
    }

    #[test]
    fn an_entry_costs_more_than_its_bytes() {
        let whose = LogSource { component: "test".into(), request: None, tenant: None };
        let (out, _) = Log::pair(whose, 10 * (1 + ENTRY) + ENTRY);
        let mut stream = Lines { log: out, pending: Vec::new() };
        stream.take(&b"\n".repeat(10));
        assert!(!stream.log.page.cut.load(Relaxed));
        stream.take(b"\n");
        assert!(stream.log.page.cut.load(Relaxed), "ten empty lines were all it had");
    }
}
