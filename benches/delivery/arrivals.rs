//! What Postfix has taken, read from its log as it grows: the same for whoever delivers,
//! and nobody has to answer for it.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use testkit::measure::load::now;

/// What the log says once for each message, when its header has arrived.
const MARK: &str = " message-id=<";

const PAUSE: Duration = Duration::from_millis(5);

/// Nothing arrives for so long only when something is broken.
const PATIENCE: Duration = Duration::from_secs(120);

/// A log from here on.
#[derive(Debug)]
pub(crate) struct Arrivals {
    log: File,
    /// The begin of a line that is not whole yet.
    rest: String,
    count: usize,
}

/// One stretch of a measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch<T> {
    pub(crate) messages: usize,
    /// These and all that came before the stretch.
    pub(crate) arrived: usize,
    pub(crate) took: Duration,
    /// All that were expected have arrived.
    pub(crate) complete: bool,
    /// What was observed where it began and where it ended.
    pub(crate) from: T,
    pub(crate) to: T,
}

impl<T> Stretch<T> {
    pub(crate) fn per_second(&self) -> f64 {
        self.messages as f64 / self.took.as_secs_f64()
    }
}

impl Arrivals {
    pub(crate) fn of(log: &Path) -> Self {
        let mut log = File::open(log).unwrap();
        log.seek(SeekFrom::End(0)).unwrap();
        Self { log, rest: String::new(), count: 0 }
    }

    fn look(&mut self) -> usize {
        self.log.read_to_string(&mut self.rest).unwrap();
        let whole = self.rest.rfind('\n').map_or(0, |at| at + 1);
        self.count += self.rest[..whole].matches(MARK).count();
        self.rest.drain(..whole);
        self.count
    }

    /// Waits for `expected` messages, at most `longest` after the first. Timed is what comes after the
    /// first tenth: until then sessions are opened, and a host may still be starting.
    pub(crate) fn time<T: Copy>(
        mut self,
        expected: usize,
        longest: Duration,
        observe: impl Fn() -> T,
    ) -> Stretch<T> {
        let began = now();
        let mut first: Option<Instant> = None;
        let mut start: Option<(Instant, usize, T)> = None;
        loop {
            let (count, at) = (self.look(), now());
            if count > 0 {
                first.get_or_insert(at);
            }
            if count * 10 >= expected && start.is_none() {
                start = Some((at, count, observe()));
            }
            let late = first.is_some_and(|first| at.duration_since(first) >= longest);
            if count >= expected || late {
                // Too slow for a tenth: all of it then, which is the best that can be said.
                let (since, before, from) = start.unwrap_or_else(|| {
                    let to = observe();
                    (first.unwrap_or(began), 0, to)
                });
                let (messages, took) = (count - before, at.duration_since(since));
                let complete = count >= expected;
                return Stretch { messages, arrived: count, took, complete, from, to: observe() };
            }
            assert!(first.is_some() || at.duration_since(began) < PATIENCE, "nothing arrives");
            std::thread::sleep(PAUSE);
        }
    }
}
