//! Load generator: concurrent clients for a duration, with their rate and latencies.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The result of all clients of one measurement.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub per_second: f64,
    /// The median latency.
    pub median: Duration,
    /// The 99th percentile of the latency.
    pub slow: Duration,
    pub calls: usize,
}

/// Pseudo-random numbers, the same in every run (xorshift).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number in `0..sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.roll(at + 1));
        }
    }
}

/// Every client calls at random for `duration`.
pub fn for_a_while<C: FnMut(&mut Dice) + Send>(callers: Vec<C>, duration: Duration) -> Rate {
    measure(callers, |caller, number, began| {
        let mut dice = Dice::new(number as u64 + 1);
        let mut took = Vec::new();
        while now().duration_since(began) < duration {
            took.push(timed(|| caller(&mut dice)));
        }
        took
    })
}

/// The clients share the items, each item once.
pub fn each_once<T: Sync, C: FnMut(&T) + Send>(callers: Vec<C>, items: &[T]) -> Rate {
    let next = AtomicUsize::new(0);
    measure(callers, |caller, _, _| {
        let mut took = Vec::new();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            took.push(timed(|| caller(item)));
        }
        took
    })
}

fn measure<C: Send>(
    callers: Vec<C>,
    run: impl Fn(&mut C, usize, Instant) -> Vec<Duration> + Sync,
) -> Rate {
    let start = Barrier::new(callers.len() + 1);
    let (mut took, whole) = std::thread::scope(|scope| {
        let threads: Vec<_> = callers
            .into_iter()
            .enumerate()
            .map(|(number, mut caller)| {
                let (start, run) = (&start, &run);
                scope.spawn(move || {
                    start.wait();
                    run(&mut caller, number, now())
                })
            })
            .collect();
        start.wait();
        let began = now();
        let took: Vec<Duration> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        (took, now().duration_since(began))
    });
    took.sort_unstable();
    let calls = took.len();
    let at = |percent: usize| took[(calls * percent / 100).min(calls - 1)];
    Rate { per_second: calls as f64 / whole.as_secs_f64(), median: at(50), slow: at(99), calls }
}

fn timed(call: impl FnOnce()) -> Duration {
    let began = now();
    call();
    now().duration_since(began)
}

#[expect(clippy::disallowed_methods, reason = "a bench measures the time that really passes")]
pub fn now() -> Instant {
    Instant::now()
}
