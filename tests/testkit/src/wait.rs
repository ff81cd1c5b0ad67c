//! Bounded waits for effects of other programs, which send no notification.

use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(25);

/// Generous: a machine that builds at the same time is slow. Only failures take so long.
const TRIES: u32 = 2400;

/// Polls until there is a value, for at most a minute.
///
/// # Panics
/// When there is none by then.
#[track_caller]
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..TRIES {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("waited a minute for {what}")
}

/// Polls until it is true, for at most a minute.
///
/// # Panics
/// When it is not by then.
#[track_caller]
pub fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    wait_for(what, || reached().then_some(()));
}
