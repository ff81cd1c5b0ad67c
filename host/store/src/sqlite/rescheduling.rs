//! Rescheduling of submissions that were deferred by a clock that was ahead.
//!
//! Nothing distinguishes a due time from such a clock, except that no regular wait is so long. In
//! pieces, since much may wait.
//!
//! Invariant: a live claim keeps its lease.

use model::instant::Timestamp;
use model::port::maintenance::{Claims, RetryWaits};
use rusqlite::{Connection, params};

use crate::rules::outbox::is_held;
use crate::sqlite::rows::state;
use crate::sqlite::writer::WriteError;

/// Rows examined before other writes may run.
const PIECE: u32 = 500;

/// Rows after this one in the order of the index. Not by a comparison of row values: SQLite would
/// read everything that is due at the same time once more for each piece.
pub(crate) const LATER: &str = "
    SELECT * FROM (SELECT wake, rowid, state, attempts FROM submission
        WHERE wake = ?1 AND rowid > ?2 ORDER BY rowid LIMIT ?3)
    UNION ALL SELECT * FROM (SELECT wake, rowid, state, attempts FROM submission
        WHERE wake > ?1 ORDER BY wake, rowid LIMIT ?3)
    LIMIT ?3";

/// One piece: where the next begins, none at the end, and how many were rescheduled.
pub(crate) fn piece(
    conn: &Connection,
    now: Timestamp,
    waits: &RetryWaits,
    claims: Claims,
    after: (i64, i64),
) -> Result<(Option<(i64, i64)>, u64), WriteError> {
    let rows: Vec<(i64, i64, String, u32)> = conn
        .prepare_cached(LATER)?
        .query_map(params![after.0, after.1, PIECE], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut count = 0;
    for (wake, row, text, attempts) in &rows {
        let Ok(state) = state(text) else { continue };
        let latest = now.after(waits.of(state, *attempts)).millis();
        if *wake <= latest || (is_held(state) && claims == Claims::Live) {
            continue;
        }
        count += 1;
        conn.prepare_cached(
            "UPDATE submission SET due = min(due, ?2),
                 lease_until = CASE WHEN lease_until IS NULL THEN NULL ELSE ?2 END
             WHERE rowid = ?1",
        )?
        .execute([*row, latest])?;
    }
    let next =
        rows.last().filter(|_| rows.len() == PIECE as usize).map(|(wake, row, ..)| (*wake, *row));
    Ok((next, count))
}
