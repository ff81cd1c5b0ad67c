//! Sent copies (for the mailbox with the role `\Sent`): which are due, and their results.
//!
//! Plain functions over the writer's connection; the port is in [`crate::sqlite::outbox`].
//!
//! Invariant: bytes whose copy is pending are kept, whatever state the submission is in.

use model::ids::{AccountId, SubmissionId, TenantId};
use model::port::outbox::{ClaimRequest, ClaimedCopies, SentCopyTask};
use model::submission::SentCopy;
use rusqlite::{Connection, OptionalExtension, params};

use crate::files::blobs::{Blobs, Digest};
use crate::rules::fair_queue::{Due, Served};
use crate::sqlite::claims::{choose_due, due_rows, give_up_bytes, stored_bytes, unsigned};
use crate::sqlite::rows::{parsed, state};
use crate::sqlite::writer::WriteError;

/// As [`NEXT_ACCOUNT`](crate::sqlite::claims::NEXT_ACCOUNT), of pending copies.
pub(crate) const NEXT_OWNER: &str = "
    SELECT * FROM (SELECT tenant, account FROM submission
        WHERE sent_copy = 'pending' AND tenant = ?1 AND account > ?2 ORDER BY account LIMIT 1)
    UNION ALL SELECT * FROM (SELECT tenant, account FROM submission
        WHERE sent_copy = 'pending' AND tenant > ?1 ORDER BY tenant, account LIMIT 1)
    LIMIT 1";
/// The pending copies of an account.
pub(crate) const DUE_COPIES: &str = "SELECT created, id FROM submission
    WHERE sent_copy = 'pending' AND tenant = ?1 AND account = ?2 AND copy_due <= ?3
    ORDER BY copy_due, created, id LIMIT ?4";

/// Claims what is due up to the capacity, and begins a try of each.
pub(crate) fn take_copies(
    conn: &Connection,
    blobs: &Blobs,
    wish: &ClaimRequest,
    served: &mut Served,
) -> Result<ClaimedCopies, WriteError> {
    let Some((ids, more)) = choose_due(conn, NEXT_OWNER, due, wish, served)? else {
        return Ok(ClaimedCopies::default());
    };
    let mut copies = Vec::new();
    for id in ids {
        match take(conn, blobs, &id, wish) {
            Ok(copy) => copies.push(copy),
            // Without its bytes there is nothing to copy.
            Err(WriteError::Store(_)) => drop(end(conn, &id, SentCopy::GivenUp)?),
            Err(WriteError::Sqlite(error)) => return Err(error.into()),
        }
    }
    Ok(ClaimedCopies { copies, more })
}

fn due(
    conn: &Connection,
    tenant: &TenantId,
    account: &AccountId,
    wish: &ClaimRequest,
    limit: u32,
) -> Result<Vec<Due>, WriteError> {
    let mut statement = conn.prepare_cached(DUE_COPIES)?;
    let now = wish.now.millis();
    due_rows(statement.query(params![tenant.as_str(), account.as_str(), now, limit])?)
}

fn take(
    conn: &Connection,
    blobs: &Blobs,
    id: &SubmissionId,
    wish: &ClaimRequest,
) -> Result<SentCopyTask, WriteError> {
    let tries: u32 = conn
        .prepare_cached("SELECT copy_tries FROM submission WHERE id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))?;
    let mut statement = conn.prepare_cached(
        "UPDATE submission SET copy_tries = copy_tries + 1, copy_due = ?2 WHERE id = ?1
         RETURNING tenant, account, generation, message_id, size, digest, place",
    )?;
    let due = wish.now.after(wish.pause(tries));
    let row = |row: &rusqlite::Row<'_>| {
        let owner = (row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?);
        Ok((owner, row.get(3)?, row.get(4)?, row.get(5)?, row.get::<_, String>(6)?))
    };
    let ((tenant, account, generation), message_id, size, digest, place) =
        statement.query_row(params![id.as_str(), due.millis()], row)?;
    Ok(SentCopyTask {
        id: id.clone(),
        tenant: parsed(&tenant)?,
        account: parsed(&account)?,
        generation,
        message_id,
        raw: stored_bytes(conn, blobs, id, unsigned(size)?, digest, &place)?,
        tries,
    })
}

/// Records the result of a copy. Returns a file that the submission no longer needs.
pub(crate) fn end(
    conn: &Connection,
    id: &SubmissionId,
    copy: SentCopy,
) -> Result<Option<Digest>, WriteError> {
    let found = conn
        .prepare_cached(
            "UPDATE submission SET sent_copy = ?2, copy_due = NULL
             WHERE id = ?1 AND sent_copy = 'pending'
             RETURNING state, CASE place WHEN 'file' THEN digest END",
        )?
        .query_row(params![id.as_str(), copy.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((text, file)) = found else { return Ok(None) };
    if !state(&text)?.is_final() {
        return Ok(None);
    }
    give_up_bytes(conn, id)?;
    Ok(file)
}
