//! Quarantine of submissions that cannot be read any more.
//!
//! A damaged record must not stop the others, and must not be sent; nor must bytes that differ from
//! those accepted. It is copied as it is, its bytes too, to a table for the operator; the row in
//! its place has failed, so that it is not claimed again.
//!
//! Invariant: no column of a damaged record is decoded on the way, since decoding is what failed.

use model::ids::{AccountId, SubmissionId, TenantId};
use model::instant::Timestamp;
use rules::foreign_text::printable;
use rusqlite::Connection;

use crate::rules::outbox::DAMAGED;
use crate::sqlite::writer::WriteError;

/// Quarantines a submission.
pub(crate) fn quarantine(
    conn: &Connection,
    id: &SubmissionId,
    reason: &str,
) -> Result<(), WriteError> {
    put_aside(conn, id.as_str(), reason)
}

/// The same for a submission with damaged bytes and readable columns: pending recipients fail, or
/// become uncertain after a dot without a reply; final ones keep their state.
pub(crate) fn give_up(
    conn: &Connection,
    id: &SubmissionId,
    reason: &str,
) -> Result<(), WriteError> {
    quarantine(conn, id, reason)?;
    conn.prepare_cached(
        "UPDATE recipient SET state = CASE
             WHEN (SELECT found FROM submission WHERE id = ?1) IS 'dot-sent' THEN 'uncertain'
             ELSE 'failed' END
         WHERE submission = ?1 AND state NOT IN ('uncertain', 'sent', 'failed', 'cancelled', 'expired')",
    )?
    .execute([id.as_str()])?;
    conn.prepare_cached(
        "UPDATE submission SET possible_duplicate =
             possible_duplicate OR coalesce(found IN ('dot-sent', 'uncertain'), 0)
         WHERE id = ?1",
    )?
    .execute([id.as_str()])?;
    Ok(())
}

/// Quarantines due rows whose id is unreadable: they could never be claimed, and would be due for
/// ever.
pub(crate) fn sweep(conn: &Connection, now: Timestamp) -> Result<(), WriteError> {
    let due: Vec<(String, String, String)> = conn
        .prepare_cached(NAMES)?
        .query_map([now.millis()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (id, tenant, account) in due {
        let reads = id.parse::<SubmissionId>().is_ok()
            && tenant.parse::<TenantId>().is_ok()
            && account.parse::<AccountId>().is_ok();
        if !reads {
            put_aside(conn, &id, "its names cannot be read")?;
        }
    }
    Ok(())
}

/// The longest due.
pub(crate) const NAMES: &str =
    "SELECT id, tenant, account FROM submission WHERE wake <= ?1 ORDER BY wake LIMIT 50";

fn put_aside(conn: &Connection, id: &str, reason: &str) -> Result<(), WriteError> {
    tracing::error!(submission = %printable(id), reason, "a stored submission cannot be read and is put aside");
    keep(conn, id, reason)?;
    conn.prepare_cached(
        "UPDATE submission SET state = 'failed', place = 'none', last_error = ?2, owner = NULL,
             lease_until = NULL, epoch = epoch + 1, ended = (SELECT at FROM uptime)
         WHERE id = ?1",
    )?
    .execute([id, DAMAGED])?;
    Ok(())
}

/// Copies record, recipients and bytes; then only this copy of the bytes remains.
pub(crate) fn keep(conn: &Connection, id: &str, reason: &str) -> Result<(), WriteError> {
    conn.prepare_cached(KEEP)?.execute([id, reason])?;
    conn.prepare_cached("DELETE FROM body WHERE submission = ?1")?.execute([id])?;
    Ok(())
}

/// The number of quarantined submissions; none where an earlier release has no such table.
pub(crate) fn count(conn: &Connection) -> rusqlite::Result<u64> {
    if !conn.table_exists(None, "quarantine")? {
        return Ok(0);
    }
    let count: i64 = conn.query_row("SELECT count(*) FROM quarantine", [], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// `quote` accepts values of any type.
const KEEP: &str = "INSERT OR IGNORE INTO quarantine (submission, at, reason, record, raw, digest)
    SELECT id, unixepoch() * 1000, ?2,
        concat_ws(', ', 'tenant ' || quote(tenant), 'account ' || quote(account),
            'generation ' || quote(generation), 'message_id ' || quote(message_id),
            'sender ' || quote(sender), 'state ' || quote(state), 'found ' || quote(found),
            'due ' || quote(due), 'attempts ' || quote(attempts), 'created ' || quote(created),
            'size ' || quote(size), 'digest ' || quote(digest), 'place ' || quote(place),
            (SELECT group_concat('recipient ' || quote(address) || ' ' || quote(state), ', ')
             FROM recipient WHERE submission = s.id)),
        (SELECT raw FROM body WHERE submission = s.id),
        CASE place WHEN 'file' THEN digest END
    FROM submission s WHERE id = ?1";
