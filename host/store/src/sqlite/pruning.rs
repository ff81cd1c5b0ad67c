//! Pruning: removal of submissions that ended long ago, with all that belongs to them.
//!
//! In pieces of a bounded number of rows, so that other writes wait only briefly. An id contains
//! its creation time, so nothing is kept of what was removed; only of older ids, which do not, the
//! id itself.
//!
//! Invariant: what has not ended stays, however old it is.

use std::time::Duration;

use model::ids::SubmissionId;
use model::instant::Timestamp;
use model::submission::State;
use rusqlite::{Connection, params};

use crate::sqlite::quarantine;
use crate::sqlite::writer::WriteError;

/// The submissions of a state, the longest ended first.
pub(crate) const ENDED: &str = "SELECT id, created, place FROM submission
    WHERE wake IS NULL AND state = ?1 AND ended <= ?2 AND coalesce(sent_copy, '') <> 'pending'
    ORDER BY ended LIMIT ?3";
/// Tolerance between an id's time and that of its row.
const SLACK: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes at most so many rows of what ended by then, in uptime; returns how many.
pub(crate) fn prune(conn: &Connection, before: Timestamp, rows: u32) -> Result<u32, WriteError> {
    let mut left = rows;
    for state in State::EVERY.into_iter().filter(|state| state.is_final()) {
        let ended: Vec<(String, i64, String)> = conn
            .prepare_cached(ENDED)?
            .query_map(params![state.as_str(), before.millis(), left], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<Result<_, _>>()?;
        for (id, created, place) in ended {
            if left == 0 {
                break;
            }
            // Bytes of ended submissions are gone already; an earlier release left those of damaged
            // records.
            if place != "none" {
                quarantine::keep(conn, &id, "it had failed, and its bytes were still there")?;
            }
            left -= remove(conn, &id, Timestamp::from_millis(created), left)?;
        }
    }
    Ok(rows - left)
}

/// Removes up to `most` rows of one submission, its own last; returns how many.
fn remove(conn: &Connection, id: &str, created: Timestamp, most: u32) -> Result<u32, WriteError> {
    let mut gone = conn
        .prepare_cached(
            "DELETE FROM recipient WHERE submission = ?1 AND position IN (
                 SELECT position FROM recipient WHERE submission = ?1
                 ORDER BY position DESC LIMIT ?2)",
        )?
        .execute(params![id, most])?;
    if gone >= most as usize {
        return Ok(most);
    }
    // Expired long ago: a key is kept for less time than a submission.
    gone += conn.prepare_cached("DELETE FROM idempotency WHERE submission = ?1")?.execute([id])?;
    gone += conn.prepare_cached("DELETE FROM submission WHERE id = ?1")?.execute([id])?;
    if !tells_its_time(id, created) {
        conn.prepare_cached("INSERT OR IGNORE INTO pruned (submission) VALUES (?1)")?
            .execute([id])?;
    }
    Ok(u32::try_from(gone).unwrap_or(most).min(most))
}

fn tells_its_time(id: &str, created: Timestamp) -> bool {
    id.parse::<SubmissionId>().is_ok_and(|id| {
        let made = id.made();
        made.since(created) < SLACK && created.since(made) < SLACK
    })
}

/// Whether the id is recorded as removed.
pub(crate) fn was_pruned(conn: &Connection, id: &SubmissionId) -> Result<bool, WriteError> {
    let mut find = conn.prepare_cached("SELECT 1 FROM pruned WHERE submission = ?1")?;
    Ok(find.exists([id.as_str()])?)
}
