//! Everything that is logged in this process, at TRACE, by every crate.

use std::io;
use std::sync::{Mutex, MutexGuard, Once};

static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Pen;

impl io::Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        logged().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged() -> MutexGuard<'static, Vec<u8>> {
    LOGGED.lock().unwrap()
}

/// From now on, if not since before.
pub(crate) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let trace = tracing_subscriber::filter::LevelFilter::TRACE;
        tracing_subscriber::fmt().with_ansi(false).with_max_level(trace).with_writer(|| Pen).init();
    });
}

/// So far.
pub(crate) fn read() -> Vec<u8> {
    logged().clone()
}
