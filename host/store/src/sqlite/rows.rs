//! Conversion between rows of `outbox.db` and the model's types.
//!
//! Plain functions over a connection, so that they run inside the caller's transaction. Only valid
//! values are written; one that no longer parses was damaged on the disk, and is an error of its
//! row only.

use std::collections::HashSet;
use std::str::FromStr;

use model::ids::SubmissionId;
use model::instant::Timestamp;
use model::port::store_error::StoreError;
use model::submission::{Receipt, RecipientVerdict, SentCopy, State, SubmissionStatus};
use rusqlite::{Connection, Row, params};

use crate::error::failed;
use crate::files::blobs::Digest;
use crate::sqlite::writer::WriteError;

/// The columns that [`entry`] reads, in order.
pub(crate) const ENTRY: &str =
    "id, message_id, state, due, attempts, possible_duplicate, last_error, created, warnings,
     sent_copy";

/// Reads a row of [`ENTRY`], with its recipients.
pub(crate) fn entry(conn: &Connection, row: &Row<'_>) -> Result<SubmissionStatus, WriteError> {
    let id: SubmissionId = parsed(&row.get::<_, String>(0)?)?;
    let recipients = recipients(conn, &id)?;
    Ok(SubmissionStatus {
        receipt: Receipt {
            submission: id,
            message_id: row.get(1)?,
            state: state(&row.get::<_, String>(2)?)?,
            due: Timestamp::from_millis(row.get(3)?),
            warnings: sentences(&row.get::<_, String>(8)?),
        },
        attempts: row.get(4)?,
        recipients,
        possible_duplicate: row.get(5)?,
        last_error: row.get(6)?,
        sent_copy: copy(row.get::<_, Option<String>>(9)?.as_deref())?,
        created: Timestamp::from_millis(row.get(7)?),
    })
}

/// Parses warnings, one a line.
pub(crate) fn sentences(lines: &str) -> Vec<String> {
    lines.lines().map(str::to_owned).collect()
}

/// Every recipient of a submission, in the order of the envelope.
pub(crate) fn recipients(
    conn: &Connection,
    id: &SubmissionId,
) -> Result<Vec<RecipientVerdict>, WriteError> {
    let mut statement = conn.prepare_cached(
        "SELECT address, state, reply, at FROM recipient WHERE submission = ?1 ORDER BY position",
    )?;
    let mut rows = statement.query([id.as_str()])?;
    let mut recipients = Vec::new();
    while let Some(row) = rows.next()? {
        recipients.push(RecipientVerdict {
            recipient: parsed(&row.get::<_, String>(0)?)?,
            state: state(&row.get::<_, String>(1)?)?,
            reply: row.get(2)?,
            at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis),
        });
    }
    Ok(recipients)
}

/// Replaces every recipient of a submission.
pub(crate) fn put_recipients(
    conn: &Connection,
    id: &SubmissionId,
    recipients: &[RecipientVerdict],
) -> Result<(), WriteError> {
    conn.prepare_cached("DELETE FROM recipient WHERE submission = ?1")?.execute([id.as_str()])?;
    let mut insert = conn.prepare_cached(
        "INSERT INTO recipient (submission, position, address, state, reply, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (position, one) in (0_i64..).zip(recipients) {
        let (address, state) = (one.recipient.as_str(), one.state.as_str());
        let at = one.at.map(Timestamp::millis);
        insert.execute(params![id.as_str(), position, address, state, one.reply, at])?;
    }
    Ok(())
}

/// The files that some submission still needs.
pub(crate) fn files_in_use(conn: &Connection) -> rusqlite::Result<HashSet<Digest>> {
    let mut statement = conn.prepare(
        "SELECT digest FROM submission WHERE place = 'file'
         UNION SELECT digest FROM quarantine WHERE digest IS NOT NULL",
    )?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Parses a stored id or address.
pub(crate) fn parsed<T: FromStr>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| failed(format_args!("a stored record is damaged at {text:?}")))
}

/// Parses the stored state of a sent copy.
fn copy(text: Option<&str>) -> Result<Option<SentCopy>, StoreError> {
    let parsed = |text: &str| {
        let damaged = || failed(format_args!("a stored record is damaged at {text:?}"));
        SentCopy::parse(text).ok_or_else(damaged)
    };
    text.map(parsed).transpose()
}

/// Parses a stored state.
pub(crate) fn state(text: &str) -> Result<State, StoreError> {
    State::parse(text).ok_or_else(|| failed(format_args!("a stored record is damaged at {text:?}")))
}
