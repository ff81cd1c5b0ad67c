//! Clock and randomness under the test's control.

use parking_lot::Mutex;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use model::instant::Timestamp;
use model::port::BoxFuture;
use model::port::clock::{Clock, Entropy};

#[derive(Debug, Default)]
pub(crate) struct Owned(Arc<Mutex<Time>>);

#[derive(Debug, Default)]
struct Time {
    now: Duration,
    /// Offset of the wall clock, in milliseconds.
    set: i64,
    waiting: Vec<Waker>,
}

impl Owned {
    pub(crate) fn advance(&self, by: Duration) {
        let mut time = self.0.lock();
        time.now += by;
        time.waiting.drain(..).for_each(Waker::wake);
    }

    /// Sets the wall clock, ahead or back; no time passes.
    pub(crate) fn set(&self, by: i64) {
        self.0.lock().set += by;
    }
}

impl Clock for Owned {
    fn now(&self) -> Timestamp {
        let set = self.0.lock().set;
        Timestamp::from_millis(1_700_000_000_000 + set).after(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let time = Arc::clone(&self.0);
        let until = self.monotonic() + duration;
        Box::pin(poll_fn(move |context| {
            let mut time = time.lock();
            if time.now >= until {
                return Poll::Ready(());
            }
            time.waiting.push(context.waker().clone());
            Poll::Pending
        }))
    }
}

/// Deterministic randomness: a counter.
#[derive(Debug, Default)]
pub(crate) struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            // SplitMix64: ids of many submissions must differ.
            let mut mixed = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = u8::try_from((mixed ^ (mixed >> 31)) >> 56).unwrap();
        }
    }
}
