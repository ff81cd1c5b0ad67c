//! Persistence of the uptime clock ([`crate::rules::uptime`]).

use model::instant::Timestamp;
use rusqlite::{Connection, params};

/// The uptime at a start: the latest instant that was written by this clock. To be called once,
/// with the wall-clock time.
///
/// An outbox of an earlier release has wall-clock times only. They are taken as uptime as far as
/// they are past by the newest of them, and by the wall clock.
pub(crate) fn begin(conn: &Connection, wall: Timestamp) -> rusqlite::Result<Timestamp> {
    let known: Option<i64> = conn.query_row("SELECT max(at) FROM uptime", [], |row| row.get(0))?;
    let late = match known {
        Some(at) => {
            let newest: Option<i64> = conn.query_row(NEWEST, [], |row| row.get(0))?;
            newest.unwrap_or(at).max(at)
        }
        None => settle(conn, wall)?,
    };
    Ok(Timestamp::from_millis(late))
}

/// The newest of what was written since.
const NEWEST: &str = "SELECT max(at) FROM (
    SELECT max(created) AS at FROM idempotency
    UNION ALL SELECT max(ended) FROM submission WHERE wake IS NULL AND state = 'sent'
    UNION ALL SELECT max(ended) FROM submission WHERE wake IS NULL AND state = 'failed'
    UNION ALL SELECT max(ended) FROM submission WHERE wake IS NULL AND state = 'cancelled'
    UNION ALL SELECT max(ended) FROM submission WHERE wake IS NULL AND state = 'expired')";

/// Converts wall-clock times of an earlier release to uptime.
fn settle(conn: &Connection, wall: Timestamp) -> rusqlite::Result<i64> {
    let all = conn.unchecked_transaction()?;
    let newest: Option<i64> =
        all.query_row("SELECT max(created) FROM submission", [], |row| row.get(0))?;
    let late = newest.unwrap_or(i64::MAX).min(wall.millis());
    all.execute("UPDATE submission SET ended = min(due, ?1) WHERE wake IS NULL", [late])?;
    all.execute("UPDATE idempotency SET created = ?1 WHERE created > ?1", [late])?;
    keep(&all, Timestamp::from_millis(late))?;
    all.commit()?;
    Ok(late)
}

/// Writes the current uptime.
pub(crate) fn keep(conn: &Connection, at: Timestamp) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO uptime (id, at) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET at = max(at, ?1)",
    )?
    .execute(params![at.millis()])?;
    Ok(())
}
