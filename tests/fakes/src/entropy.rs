//! Deterministic randomness.

use std::sync::atomic::{AtomicU64, Ordering};

use model::port::clock::Entropy;

/// A counter as a source of randomness: different numbers, and the same ones in every run.
#[derive(Debug, Default)]
pub struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for piece in buffer.chunks_mut(8) {
            let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            // An odd factor spreads the count over all bytes without a collision.
            let number = count.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            piece.copy_from_slice(number.get(..piece.len()).unwrap_or_default());
        }
    }
}
