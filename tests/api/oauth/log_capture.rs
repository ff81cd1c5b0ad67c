//! Captured log of this process: all crates, at TRACE, while a fixture of these tests exists. Other
//! tests measure the process, so nothing is captured for them.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once};

use tracing_subscriber::filter::{DynFilterFn, LevelFilter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The number of fixtures.
static LISTENING: AtomicUsize = AtomicUsize::new(0);

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

/// The log is captured while this exists.
#[derive(Debug)]
pub(crate) struct Journal(());

/// Begins to capture the log.
pub(crate) fn begin() -> Journal {
    static ONCE: Once = Once::new();
    LISTENING.fetch_add(1, Ordering::SeqCst);
    ONCE.call_once(|| {
        let listening = DynFilterFn::new(|_, _| LISTENING.load(Ordering::SeqCst) > 0)
            .with_max_level_hint(LevelFilter::TRACE);
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| Pen);
        tracing_subscriber::registry().with(layer.with_filter(listening)).init();
    });
    Journal(())
}

impl Drop for Journal {
    fn drop(&mut self) {
        LISTENING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The log so far.
pub(crate) fn read() -> Vec<u8> {
    logged().clone()
}
