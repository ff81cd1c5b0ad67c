//! Storing an accepted submission, and replays of Idempotency-Keys.
//!
//! Plain functions over the writer's connection; the port is in [`crate::sqlite::outbox`].
//!
//! Invariant: submission, recipients, bytes and key are one transaction, in which the key is looked
//! up again, so that of many concurrent requests with one key one is stored. Keys expire in uptime
//! ([`crate::rules::uptime`]), and so does `now`.

use bytes::Bytes;
use model::account::Account;
use model::instant::Timestamp;
use model::port::outbox::{Acceptance, IdempotentReplay};
use model::port::store_error::StoreError;
use model::submission::{Idempotency, NewSubmission, Receipt, State};
use rusqlite::{Connection, params};

use crate::error::failed;
use crate::files::blobs::{Digest, Pin};
use crate::rules::outbox::{REMEMBERED, is_forgotten, untried};
use crate::sqlite::rows::{parsed, put_recipients, sentences, state};
use crate::sqlite::writer::WriteError;

/// Expired keys examined with each accepted submission: more than are added, so the table stays
/// bounded. Those of submissions that are still queued stay.
const PURGED: u32 = 16;
pub(crate) const PURGE: &str =
    "DELETE FROM idempotency WHERE (tenant, account, generation, key) IN (
    SELECT i.tenant, i.account, i.generation, i.key
    FROM (SELECT * FROM idempotency WHERE created <= ?1 ORDER BY created LIMIT ?2) i
    JOIN submission s ON s.id = i.submission
    WHERE s.state IN ('sent', 'failed', 'cancelled', 'expired'))";

/// Where the bytes are when the row is written.
pub(crate) enum Body {
    Inline(Bytes, Digest),
    File(Pin),
}

/// One generation of one account, as columns.
pub(crate) struct Owner {
    pub(crate) tenant: String,
    pub(crate) account: String,
    pub(crate) generation: u32,
}

impl Owner {
    pub(crate) fn of(account: &Account) -> Self {
        Self {
            tenant: account.tenant.as_str().to_owned(),
            account: account.id.as_str().to_owned(),
            generation: account.generation,
        }
    }

    fn of_new(new: &NewSubmission) -> Self {
        Self {
            tenant: new.tenant.as_str().to_owned(),
            account: new.account.as_str().to_owned(),
            generation: new.generation,
        }
    }
}

pub(crate) fn replay(
    conn: &Connection,
    owner: &Owner,
    idempotency: &Idempotency,
    now: Timestamp,
) -> Result<Option<IdempotentReplay>, WriteError> {
    let mut statement = conn.prepare_cached(
        "SELECT i.digest, i.created, s.id, s.message_id, s.state, s.due, s.warnings
         FROM idempotency i JOIN submission s ON s.id = i.submission
         WHERE i.tenant = ?1 AND i.account = ?2 AND i.generation = ?3 AND i.key = ?4",
    )?;
    let Owner { tenant, account, generation } = owner;
    let mut rows =
        statement.query(params![tenant, account, generation, idempotency.key.column()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let state = state(&row.get::<_, String>(4)?)?;
    if is_forgotten(Timestamp::from_millis(row.get(1)?), state, now) {
        return Ok(None);
    }
    if row.get::<_, Digest>(0)? != idempotency.digest {
        return Ok(Some(IdempotentReplay::Mismatch));
    }
    Ok(Some(IdempotentReplay::Same(Receipt {
        submission: parsed(&row.get::<_, String>(2)?)?,
        message_id: row.get(3)?,
        state,
        due: Timestamp::from_millis(row.get(5)?),
        warnings: sentences(&row.get::<_, String>(6)?),
    })))
}

pub(crate) fn accept(
    conn: &Connection,
    new: &NewSubmission,
    body: &Body,
    now: Timestamp,
) -> Result<Acceptance, WriteError> {
    if let Some(idempotency) = &new.idempotency
        && let Some(replay) = replay(conn, &Owner::of_new(new), idempotency, now)?
    {
        return Ok(Acceptance::Replayed(replay));
    }
    let (place, digest) = match body {
        Body::Inline(_, digest) => ("inline", digest),
        Body::File(pin) => ("file", &pin.digest),
    };
    let inserted = conn
        .prepare_cached(
            "INSERT INTO submission
                 (id, tenant, account, message_id, sender, state, due, created, size, digest, place,
                  generation, warnings)
             VALUES (?1, ?2, ?3, ?4, ?5, 'accepted', ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            new.id.as_str(),
            new.tenant.as_str(),
            new.account.as_str(),
            new.message_id,
            new.sender.as_str(),
            new.due.millis(),
            new.created.millis(),
            i64::try_from(new.raw.size()).map_err(failed)?,
            digest,
            place,
            new.generation,
            new.warnings.join("\n"),
        ])?;
    if inserted == 0 {
        return Err(StoreError::Exists.into());
    }
    if let Body::Inline(raw, _) = body {
        conn.prepare_cached("INSERT INTO body (submission, raw) VALUES (?1, ?2)")?
            .execute(params![new.id.as_str(), &raw[..]])?;
    }
    put_recipients(conn, &new.id, &untried(&new.recipients))?;
    if let Some(idempotency) = &new.idempotency {
        purge(conn, now)?;
        // Replaces an expired one.
        conn.prepare_cached(
            "INSERT OR REPLACE INTO idempotency
                 (tenant, account, key, digest, submission, created, generation)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            new.tenant.as_str(),
            new.account.as_str(),
            idempotency.key.column(),
            idempotency.digest,
            new.id.as_str(),
            now.millis(),
            new.generation,
        ])?;
    }
    Ok(Acceptance::Stored(Receipt {
        submission: new.id.clone(),
        message_id: new.message_id.clone(),
        state: State::Accepted,
        due: new.due,
        warnings: new.warnings.clone(),
    }))
}

fn purge(conn: &Connection, now: Timestamp) -> Result<(), WriteError> {
    let before = now.millis().saturating_sub(i64::try_from(REMEMBERED.as_millis()).unwrap_or(0));
    conn.prepare_cached(PURGE)?.execute(params![before, PURGED])?;
    Ok(())
}
