//! Serialisation of tests in one binary: a test that measures the process, or counts its instances,
//! runs alone.
//!
//! A turn belongs to the thread of a test and ends with it. Taking one again has no effect, so
//! everything that starts a host may take it.

use std::cell::RefCell;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static TURN: RwLock<()> = RwLock::new(());

thread_local! {
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

#[expect(dead_code, reason = "they are held for their drop")]
enum Held {
    Beside(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

/// This test may run beside others, but not beside one that runs alone.
pub fn beside() {
    HELD.with_borrow_mut(|held| {
        if held.is_none() {
            *held = Some(Held::Beside(TURN.read().unwrap_or_else(PoisonError::into_inner)));
        }
    });
}

/// This test runs alone among those that take turns.
pub fn alone() {
    HELD.with_borrow_mut(|held| {
        if !matches!(held, Some(Held::Alone(_))) {
            // Releases the shared lock first: two tests that waited for each other would deadlock.
            *held = None;
            *held = Some(Held::Alone(TURN.write().unwrap_or_else(PoisonError::into_inner)));
        }
    });
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_turn_lasts_until_its_thread_ends() {
        let many = thread::spawn(|| {
            beside();
            beside();
            (TURN.try_read().is_ok(), TURN.try_write().is_ok())
        });
        assert_eq!(many.join().unwrap(), (true, false));
        let one = thread::spawn(|| {
            beside();
            alone();
            // A host that it starts takes a turn, too.
            beside();
            TURN.try_read().is_ok()
        });
        assert!(!one.join().unwrap(), "another test runs beside it");
        assert!(TURN.try_write().is_ok(), "a turn must end with its thread");
    }
}
