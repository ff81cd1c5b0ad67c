//! Claims: who works on a submission, and what it may record.
//!
//! Plain functions over the writer's connection; the port is in
//! [`crate::sqlite::outbox`].
//!
//! Invariant: every claim raises the epoch, and every record names it, so that
//! of two workers at most one can change a submission. What was found in doubt
//! stays in doubt until a step says otherwise, however many claims run out.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use model::ids::{SubmissionId, TenantId};
use model::instant::Timestamp;
use model::octets::{Octets, in_memory};
use model::port::outbox::{Claim, Step};
use model::port::store::StoreError;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest as _, Sha256};

use crate::blob::{Blobs, Damaged, Digest};
use crate::commit::Trouble;
use crate::failure::failed;
use crate::fair::{Queue, deal, in_turn};
use crate::lifecycle::is_held;
use crate::sqlite::rows::{parsed, put_recipients, recipients, state};

/// One call of `claim`.
#[derive(Debug)]
pub(crate) struct Wish {
    /// Who asks.
    pub(crate) owner: String,
    /// What is due by then.
    pub(crate) now: Timestamp,
    /// When the claim runs out.
    pub(crate) lease_until: Timestamp,
    /// At most so many.
    pub(crate) limit: u32,
}

/// One seek, however much waits for the tenants.
pub(crate) const NEXT_TENANT: &str = "SELECT tenant FROM submission
    WHERE wake IS NOT NULL AND tenant > ?1 ORDER BY tenant LIMIT 1";
/// A tenant's queue.
pub(crate) const DUE: &str = "SELECT id FROM submission
    WHERE tenant = ?1 AND wake <= ?2 ORDER BY wake, created, id LIMIT ?3";

/// Takes what is due, one of each tenant in turn; `served` is whose turn ended last.
pub(crate) fn take(
    conn: &Connection,
    blobs: &Blobs,
    wish: &Wish,
    served: &mut Option<TenantId>,
) -> Result<Vec<Claim>, Trouble> {
    let limit = wish.limit as usize;
    let mut queues = Vec::new();
    for tenant in in_turn(waiting_tenants(conn)?, served.as_ref()) {
        // Each of them gives one: more tenants than that are not served in this call.
        if queues.len() == limit {
            break;
        }
        let queue = due(conn, tenant, wish)?;
        if !queue.1.is_empty() {
            queues.push(queue);
        }
    }
    let (ids, last) = deal(queues, limit);
    if last.is_some() {
        *served = last;
    }
    let mut claims = Vec::new();
    for id in ids {
        match take_one(conn, blobs, &id, wish) {
            Ok(claim) => claims.push(claim),
            Err(Trouble::Store(error)) => quarantine(conn, &id, &error)?,
            Err(Trouble::Sqlite(error)) => return Err(error.into()),
        }
    }
    Ok(claims)
}

fn waiting_tenants(conn: &Connection) -> Result<Vec<TenantId>, Trouble> {
    let mut next = conn.prepare_cached(NEXT_TENANT)?;
    let mut tenants: Vec<TenantId> = Vec::new();
    let mut last = String::new();
    while let Some(tenant) = next.query_row([&last], |row| row.get::<_, String>(0)).optional()? {
        tenants.extend(tenant.parse::<TenantId>().ok());
        last = tenant;
    }
    Ok(tenants)
}

fn due(conn: &Connection, tenant: TenantId, wish: &Wish) -> Result<Queue<SubmissionId>, Trouble> {
    let mut statement = conn.prepare_cached(DUE)?;
    let mut rows = statement.query(params![tenant.as_str(), wish.now.millis(), wish.limit])?;
    let mut ids = VecDeque::new();
    while let Some(row) = rows.next()? {
        ids.extend(row.get::<_, String>(0)?.parse::<SubmissionId>().ok());
    }
    Ok((tenant, ids))
}

fn take_one(
    conn: &Connection,
    blobs: &Blobs,
    id: &SubmissionId,
    wish: &Wish,
) -> Result<Claim, Trouble> {
    // A claim that ran out before its first step was never made: what it found still holds.
    let mut statement = conn.prepare_cached(
        "UPDATE submission SET
             found = CASE state WHEN 'claimed' THEN found ELSE state END,
             state = 'claimed', owner = ?2, epoch = epoch + 1, lease_until = ?3
         WHERE id = ?1
         RETURNING tenant, account, epoch, message_id, sender, attempts, created, found,
             possible_duplicate, size, digest, place, generation",
    )?;
    let mut rows = statement.query(params![id.as_str(), wish.owner, wish.lease_until.millis()])?;
    let row = rows.next()?.ok_or(StoreError::LostClaim)?;
    let (size, digest, place) = (unsigned(row.get(9)?)?, row.get(10)?, row.get::<_, String>(11)?);
    let raw = match place.as_str() {
        "inline" => {
            inline(conn, id, &digest)?.map_or_else(|| Arc::new(Damaged(size)) as Octets, in_memory)
        }
        "file" => blobs.octets(digest, size),
        _ => return Err(failed("its bytes were given up").into()),
    };
    Ok(Claim {
        id: id.clone(),
        tenant: parsed(&row.get::<_, String>(0)?)?,
        account: parsed(&row.get::<_, String>(1)?)?,
        generation: row.get(12)?,
        epoch: unsigned(row.get(2)?)?,
        message_id: row.get(3)?,
        sender: parsed(&row.get::<_, String>(4)?)?,
        recipients: recipients(conn, id)?,
        raw,
        attempts: row.get(5)?,
        created: Timestamp::from_millis(row.get(6)?),
        found: state(&row.get::<_, String>(7)?)?,
        possible_duplicate: row.get(8)?,
    })
}

/// SQLite has signed integers only.
fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(failed)
}

/// `None` when the disk did not give back what was written: then no mail is sent from it.
fn inline(conn: &Connection, id: &SubmissionId, digest: &Digest) -> Result<Option<Bytes>, Trouble> {
    let raw: Option<Vec<u8>> = conn
        .prepare_cached("SELECT raw FROM body WHERE submission = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?;
    let whole = raw.filter(|raw| Digest::from(Sha256::digest(raw)) == *digest);
    Ok(whole.map(Bytes::from))
}

/// A damaged record must not stop the others, and must not be sent.
fn quarantine(conn: &Connection, id: &SubmissionId, error: &StoreError) -> Result<(), Trouble> {
    tracing::error!(submission = %id, %error, "a stored submission cannot be read and is given up");
    conn.prepare_cached(
        "UPDATE submission SET state = 'failed', last_error = ?2, owner = NULL, lease_until = NULL
         WHERE id = ?1",
    )?
    .execute(params![id.as_str(), error.to_string()])?;
    Ok(())
}

/// Records a step. A file that the submission no longer needs is returned.
pub(crate) fn record(
    conn: &Connection,
    id: &SubmissionId,
    epoch: u64,
    step: &Step,
) -> Result<Option<Digest>, Trouble> {
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
        Step::Dialing { due, possible_duplicate } => {
            conn.prepare_cached(
                "UPDATE submission SET state = 'dialing', attempts = attempts + 1, due = ?2,
                     possible_duplicate = possible_duplicate OR ?3
                 WHERE id = ?1",
            )?
            .execute(params![id.as_str(), due.millis(), possible_duplicate])?;
            Ok(None)
        }
        Step::DotSent => {
            conn.prepare_cached("UPDATE submission SET state = 'dot-sent' WHERE id = ?1")?
                .execute([id.as_str()])?;
            Ok(None)
        }
        Step::Ended { state, recipients, due, last_error }
        | Step::Uncounted { state, recipients, due, last_error } => {
            let uncounted = matches!(step, Step::Uncounted { .. });
            if is_held(*state) {
                return Err(failed(format_args!("no attempt ends as {}", state.as_str())).into());
            }
            conn.prepare_cached(
                "UPDATE submission SET state = ?2, due = ?3, last_error = ?4,
                     attempts = max(attempts - ?5, 0), owner = NULL, lease_until = NULL, found = NULL
                 WHERE id = ?1",
            )?
            .execute(params![
                id.as_str(),
                state.as_str(),
                due.millis(),
                last_error,
                uncounted
            ])?;
            put_recipients(conn, id, recipients)?;
            if !state.is_final() {
                return Ok(None);
            }
            // Nobody sends it again, so nobody needs a copy of somebody's mail.
            conn.prepare_cached("DELETE FROM body WHERE submission = ?1")?
                .execute([id.as_str()])?;
            conn.prepare_cached("UPDATE submission SET place = 'none' WHERE id = ?1")?
                .execute([id.as_str()])?;
            Ok(file)
        }
    }
}
