//! The ports of time and randomness, as values that tests control.

use std::fmt;
use std::time::Duration;

use crate::future::BoxFuture;
use crate::instant::Timestamp;

/// The only source of time for policy. Implemented in `server` and by tests.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock; may jump.
    fn now(&self) -> Timestamp;
    /// Time since an arbitrary fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
    /// Ready after `duration` of monotonic time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// A cryptographic random source for ids and secrets. Implemented in `server` and by tests.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills `buffer`.
    fn fill(&self, buffer: &mut [u8]);
}

/// Ten random bytes: the input of an id.
#[must_use]
pub fn ten_bytes(entropy: &dyn Entropy) -> [u8; 10] {
    let mut bytes = [0; 10];
    entropy.fill(&mut bytes);
    bytes
}
