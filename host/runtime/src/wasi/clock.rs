//! Coarse WASI clocks: a guest that measures other guests through CPU caches gets milliseconds, not
//! nanoseconds.

use std::time::Duration;

use wasmtime_wasi::clocks::{MonotonicClock, WallClock};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

const STEP: u64 = 1_000_000;

/// A clock truncated to milliseconds.
#[derive(Debug)]
pub(crate) struct CoarseClock<C>(pub(crate) C);

impl HostWallClock for CoarseClock<WallClock> {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(STEP)
    }

    fn now(&self) -> Duration {
        let now = self.0.now();
        now - Duration::from_nanos(u64::from(now.subsec_nanos()) % STEP)
    }
}

impl HostMonotonicClock for CoarseClock<MonotonicClock> {
    fn resolution(&self) -> u64 {
        STEP
    }

    fn now(&self) -> u64 {
        let now = self.0.now();
        now - now % STEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_see_whole_milliseconds() {
        for _ in 0..1000 {
            assert_eq!(HostMonotonicClock::now(&CoarseClock(MonotonicClock::new())) % STEP, 0);
            let wall = HostWallClock::now(&CoarseClock(WallClock::new()));
            assert_eq!(u64::from(wall.subsec_nanos()) % STEP, 0);
        }
    }
}
