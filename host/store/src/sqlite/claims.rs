//! Claims: exclusive leases of submissions by workers.
//!
//! Plain functions over the writer's connection; the port is in [`crate::sqlite::outbox`].
//!
//! Invariant: every claim raises the epoch, and every record names it, so that of two workers at
//! most one can change a submission. A submission in doubt stays in doubt until a step resolves it,
//! however many claims expire.

use bytes::Bytes;
use model::ids::{AccountId, SubmissionId, TenantId};
use model::instant::Timestamp;
use model::octets::{Octets, in_memory};
use model::port::outbox::{AttemptStep, Claim, ClaimRequest, Claimed};
use model::port::store_error::StoreError;
use model::submission::{RecipientVerdict, State};
use rusqlite::{Connection, OptionalExtension, Rows, params};
use sha2::{Digest as _, Sha256};

use crate::error::failed;
use crate::files::blobs::{Blobs, Digest};
use crate::rules::fair_queue::{Due, Served, choose, merge};
use crate::rules::outbox::{CLAIMED, ends_doubt, is_held};
use crate::sqlite::quarantine::{give_up, quarantine, sweep};
use crate::sqlite::rows::{parsed, put_recipients, recipients, state};
use crate::sqlite::writer::WriteError;

/// The account after one, by one or two seeks, however many submissions of either wait. Not by a
/// comparison of row values: SQLite begins at what is equal, and would read all of the account's.
pub(crate) const NEXT_ACCOUNT: &str = "
    SELECT * FROM (SELECT tenant, account FROM submission
        WHERE wake IS NOT NULL AND tenant = ?1 AND account > ?2 ORDER BY account LIMIT 1)
    UNION ALL SELECT * FROM (SELECT tenant, account FROM submission
        WHERE wake IS NOT NULL AND tenant > ?1 ORDER BY tenant, account LIMIT 1)
    LIMIT 1";
/// The waiting first attempts, or retries, of an account.
pub(crate) const DUE: &str = "SELECT created, id FROM submission
    WHERE tenant = ?1 AND account = ?2 AND (attempts = 0) = ?3 AND wake <= ?4
    ORDER BY wake, created, id LIMIT ?5";

/// Claims what is due up to the capacity, and begins an attempt at each.
pub(crate) fn take(
    conn: &Connection,
    blobs: &Blobs,
    wish: &ClaimRequest,
    served: &mut Served,
) -> Result<Claimed, WriteError> {
    loop {
        let Some((ids, more)) = choose_due(conn, NEXT_ACCOUNT, due, wish, served)? else {
            return Ok(Claimed::default());
        };
        let (mut claims, mut is_damaged) = (Vec::new(), false);
        for id in ids {
            match take_one(conn, blobs, &id, wish) {
                Ok(claim) => claims.push(claim),
                Err(WriteError::Store(error)) => {
                    quarantine(conn, &id, &error.to_string())?;
                    is_damaged = true;
                }
                Err(WriteError::Sqlite(error)) => return Err(error.into()),
            }
        }
        if !claims.is_empty() {
            return Ok(Claimed { claims, more });
        }
        // A damaged record no longer blocks the others, so they are queried again at once.
        if !is_damaged {
            sweep(conn, wish.now)?;
            return Ok(Claimed { claims, more });
        }
    }
}

/// The due items of an account, the oldest first and at most so many.
type DueOf =
    fn(&Connection, &TenantId, &AccountId, &ClaimRequest, u32) -> Result<Vec<Due>, WriteError>;

/// Chooses what to claim now among the accounts that `next` finds, and whether more may be due;
/// none where there is no capacity.
pub(crate) fn choose_due(
    conn: &Connection,
    next: &str,
    due: DueOf,
    wish: &ClaimRequest,
    served: &mut Served,
) -> Result<Option<(Vec<SubmissionId>, bool)>, WriteError> {
    let mut room = wish.room.clone();
    room.limit = room.limit.min(CLAIMED);
    if room.limit == 0 {
        return Ok(None);
    }
    let due =
        |tenant: &TenantId, account: &AccountId, limit| due(conn, tenant, account, wish, limit);
    choose(waiting(conn, next)?, &room, served, due).map(Some)
}

/// The accounts with something waiting, each found after the one before by `next`.
fn waiting(conn: &Connection, next: &str) -> Result<Vec<(TenantId, AccountId)>, WriteError> {
    let mut next = conn.prepare_cached(next)?;
    let mut accounts = Vec::new();
    let mut last = (String::new(), String::new());
    while let Some(found) = next
        .query_row([&last.0, &last.1], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
        .optional()?
    {
        last = found;
        if let (Ok(tenant), Ok(account)) = (last.0.parse(), last.1.parse()) {
            accounts.push((tenant, account));
        }
    }
    Ok(accounts)
}

/// The oldest first, whether they were tried before or not.
fn due(
    conn: &Connection,
    tenant: &TenantId,
    account: &AccountId,
    wish: &ClaimRequest,
    limit: u32,
) -> Result<Vec<Due>, WriteError> {
    let mut statement = conn.prepare_cached(DUE)?;
    let mut waiting = |first: bool| {
        let now = wish.now.millis();
        due_rows(statement.query(params![tenant.as_str(), account.as_str(), first, now, limit])?)
    };
    Ok(merge(waiting(true)?, waiting(false)?, limit))
}

/// Reads rows of a time and an id.
pub(crate) fn due_rows(mut rows: Rows<'_>) -> Result<Vec<Due>, WriteError> {
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let created = Timestamp::from_millis(row.get(0)?);
        due.extend(row.get::<_, String>(1)?.parse().ok().map(|id| (created, id)));
    }
    Ok(due)
}

fn take_one(
    conn: &Connection,
    blobs: &Blobs,
    id: &SubmissionId,
    wish: &ClaimRequest,
) -> Result<Claim, WriteError> {
    let attempts: u32 = conn
        .prepare_cached("SELECT attempts FROM submission WHERE id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))?;
    let due = wish.now.after(wish.pause(attempts));
    // An attempt whose claim expired before its dot was never made: the state before it still
    // holds.
    let mut statement = conn.prepare_cached(
        "UPDATE submission SET
             found = CASE WHEN state IN ('claimed', 'dialing') THEN coalesce(found, state) ELSE state END,
             state = 'dialing', attempts = attempts + 1, due = ?4,
             owner = ?2, epoch = epoch + 1, lease_until = ?3
         WHERE id = ?1
         RETURNING tenant, account, epoch, message_id, sender, created, found,
             possible_duplicate, size, digest, place, generation",
    )?;
    let lease_until = wish.now.after(wish.lease).millis();
    let mut rows = statement.query(params![id.as_str(), wish.owner, lease_until, due.millis()])?;
    let row = rows.next()?.ok_or(StoreError::LostClaim)?;
    let (size, digest, place) = (unsigned(row.get(8)?)?, row.get(9)?, row.get::<_, String>(10)?);
    let raw = stored_bytes(conn, blobs, id, size, digest, &place)?;
    Ok(Claim {
        id: id.clone(),
        tenant: parsed(&row.get::<_, String>(0)?)?,
        account: parsed(&row.get::<_, String>(1)?)?,
        generation: row.get(11)?,
        epoch: unsigned(row.get(2)?)?,
        message_id: row.get(3)?,
        sender: parsed(&row.get::<_, String>(4)?)?,
        recipients: recipients(conn, id)?,
        raw,
        attempts,
        created: Timestamp::from_millis(row.get(5)?),
        found: state(&row.get::<_, String>(6)?)?,
        possible_duplicate: row.get(7)?,
    })
}

/// The bytes of a submission, from the row or a file.
pub(crate) fn stored_bytes(
    conn: &Connection,
    blobs: &Blobs,
    id: &SubmissionId,
    size: u64,
    digest: Digest,
    place: &str,
) -> Result<Octets, WriteError> {
    match place {
        "inline" => {
            let raw = inline(conn, id, &digest)?;
            Ok(in_memory(raw.ok_or_else(|| failed("its bytes are damaged"))?))
        }
        "file" => Ok(blobs.octets(digest, size)),
        _ => Err(failed("its bytes were given up").into()),
    }
}

/// Drops the bytes of a submission that is not sent again, so that no copy of the mail is kept.
pub(crate) fn give_up_bytes(conn: &Connection, id: &SubmissionId) -> Result<(), WriteError> {
    conn.prepare_cached("DELETE FROM body WHERE submission = ?1")?.execute([id.as_str()])?;
    conn.prepare_cached("UPDATE submission SET place = 'none' WHERE id = ?1")?
        .execute([id.as_str()])?;
    Ok(())
}

/// SQLite has signed integers only.
pub(crate) fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(failed)
}

/// `None` when the bytes differ from what was written: then no mail is sent from them.
fn inline(
    conn: &Connection,
    id: &SubmissionId,
    digest: &Digest,
) -> Result<Option<Bytes>, WriteError> {
    let raw: Option<Vec<u8>> = conn
        .prepare_cached("SELECT raw FROM body WHERE submission = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?;
    let whole = raw.filter(|raw| Digest::from(Sha256::digest(raw)) == *digest);
    Ok(whole.map(Bytes::from))
}

/// As [`record`], and the copy becomes pending, unless there was one.
pub(crate) fn record_and_copy(
    conn: &Connection,
    id: &SubmissionId,
    epoch: u64,
    step: &AttemptStep,
    now: Timestamp,
    late: Timestamp,
) -> Result<Option<Digest>, WriteError> {
    // In one savepoint: where the step is refused, this is rolled back.
    conn.prepare_cached(
        "UPDATE submission SET sent_copy = 'pending', copy_due = ?2 WHERE id = ?1 AND sent_copy IS NULL",
    )?
    .execute(params![id.as_str(), now.millis()])?;
    record(conn, id, epoch, step, late)
}

/// Records a step; `late` is the current uptime. Returns a file that the submission no longer
/// needs.
pub(crate) fn record(
    conn: &Connection,
    id: &SubmissionId,
    epoch: u64,
    step: &AttemptStep,
    late: Timestamp,
) -> Result<Option<Digest>, WriteError> {
    let epoch = i64::try_from(epoch).map_err(|_| StoreError::LostClaim)?;
    let mut held = conn.prepare_cached(
        "SELECT CASE place WHEN 'file' THEN digest END FROM submission
         WHERE id = ?1 AND epoch = ?2 AND state IN ('claimed', 'dialing', 'dot-sent')",
    )?;
    let file: Option<Digest> = held
        .query_row(params![id.as_str(), epoch], |row| row.get(0))
        .optional()?
        .ok_or(StoreError::LostClaim)?;
    match step {
        AttemptStep::DotSent => {
            conn.prepare_cached(
                "UPDATE submission SET state = 'dot-sent',
                     possible_duplicate = possible_duplicate OR coalesce(found IN ('dot-sent', 'uncertain'), 0)
                 WHERE id = ?1",
            )?
            .execute([id.as_str()])?;
            Ok(None)
        }
        AttemptStep::Ended { state, recipients, due, last_error } => {
            let end = End { state: *state, recipients, due: *due, last_error, uncounted: 0, late };
            ended(conn, id, &end).map(|over| file.filter(|_| over))
        }
        AttemptStep::Uncounted { state, recipients, due, last_error } => {
            let end = End { state: *state, recipients, due: *due, last_error, uncounted: 1, late };
            ended(conn, id, &end).map(|over| file.filter(|_| over))
        }
        // The file stays: it belongs to the quarantined record.
        AttemptStep::Damaged { reason } => give_up(conn, id, reason).map(|()| None),
    }
}

/// The end of an attempt.
struct End<'a> {
    state: State,
    recipients: &'a [RecipientVerdict],
    due: Timestamp,
    last_error: &'a Option<String>,
    /// Attempts that do not count: none or one.
    uncounted: u32,
    /// The current uptime.
    late: Timestamp,
}

/// True when the submission is over, and its bytes are dropped.
fn ended(conn: &Connection, id: &SubmissionId, end: &End<'_>) -> Result<bool, WriteError> {
    let &End { state, recipients, due, last_error, uncounted, late } = end;
    if is_held(state) {
        return Err(failed(format_args!("no attempt ends as {}", state.as_str())).into());
    }
    conn.prepare_cached(
        "UPDATE submission SET state = ?2, due = ?3, last_error = ?4,
             attempts = max(attempts - ?5, 0),
             possible_duplicate = possible_duplicate OR (?6 AND coalesce(found IN ('dot-sent', 'uncertain'), 0)),
             owner = NULL, lease_until = NULL, found = NULL, ended = ?7
         WHERE id = ?1",
    )?
    .execute(params![
        id.as_str(),
        state.as_str(),
        due.millis(),
        last_error,
        uncounted,
        uncounted == 0 || ends_doubt(state),
        state.is_final().then_some(late.millis()),
    ])?;
    put_recipients(conn, id, recipients)?;
    if !state.is_final() {
        return Ok(false);
    }
    let pending = conn
        .prepare_cached("SELECT 1 FROM submission WHERE id = ?1 AND sent_copy = 'pending'")?
        .exists([id.as_str()])?;
    if pending {
        return Ok(false);
    }
    give_up_bytes(conn, id)?;
    Ok(true)
}
