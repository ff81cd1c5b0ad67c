//! Adjustment of leases to changes of the wall clock.
//!
//! A lease is stored as a wall-clock time, and a clock that is set ahead would end all of them at
//! once: a delivery under way would begin a second time. So whenever the wall clock was set, seen
//! from the monotonic one, leases are moved by the difference.
//!
//! Invariant: while a process lives, a claim holds for as long as it was made for, whatever happens
//! to the wall clock. (No claim outlives its process: a start voids them.)

use std::time::Duration;

use model::instant::Timestamp;
use rusqlite::Connection;

use crate::sqlite::writer::WriteError;

/// In milliseconds. Smaller steps come from NTP, and are shorter than any lease.
const STEP: i128 = 1_000;

/// Wall clock minus monotonic clock, in milliseconds.
pub(crate) fn offset(now: Timestamp, monotonic: Duration) -> i128 {
    i128::from(now.millis()) - i128::try_from(monotonic.as_millis()).unwrap_or(i128::MAX)
}

/// Whether the wall clock was set between the two.
pub(crate) const fn is_step(from: i128, to: i128) -> bool {
    (to - from).abs() > STEP
}

/// Moves leases from one offset to another. To be called before anything is claimed.
pub(crate) fn follow(conn: &Connection, from: i128, to: i128) -> Result<(), WriteError> {
    if !is_step(from, to) {
        return Ok(());
    }
    let moved = to - from;
    let moved = i64::try_from(moved).unwrap_or(if moved < 0 { i64::MIN } else { i64::MAX });
    conn.execute(
        "UPDATE submission SET lease_until = lease_until + ?1
         WHERE wake IS NOT NULL AND state IN ('claimed', 'dialing', 'dot-sent')",
        [moved],
    )?;
    tracing::warn!(milliseconds = moved, "the clock was set: claims hold all the same");
    Ok(())
}
