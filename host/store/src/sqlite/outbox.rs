//! The outbox port over SQLite.
//!
//! Invariant: the bytes are on the disk before the row that names them, and the row before the call
//! returns. Submission, recipients, bytes and idempotency key are one transaction.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use model::account::Account;
use model::ids::SubmissionId;
use model::instant::Timestamp;
use model::mail::message::Page;
use model::octets::Octets;
use model::port::BoxFuture;
use model::port::outbox::{
    Acceptance, AttemptStep, ClaimRequest, Claimed, ClaimedCopies, IdempotentReplay, Outbox,
};
use model::port::store_error::StoreError;
use model::submission::{Idempotency, NewSubmission, SentCopy, State, SubmissionStatus};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest as _, Sha256};

use crate::error::failed;
use crate::files::blobs::Digest;
use crate::files::random_access::is_full;
use crate::rules::cursor::{Cursor, LARGEST, list, submissions};
use crate::sqlite::accept::{Body, Owner, accept, replay};
use crate::sqlite::claims::{record, record_and_copy, take};
use crate::sqlite::copies::{end, take_copies};
use crate::sqlite::rows::{ENTRY, entry};
use crate::sqlite::writer::WriteError;
use crate::sqlite::{Sqlite, leases};

/// Larger bodies are files, so that the database's log stays small.
const INLINE: u64 = 64 * 1024;

impl Outbox for Sqlite {
    fn lookup<'a>(
        &'a self,
        account: &'a Account,
        idempotency: &'a Idempotency,
    ) -> BoxFuture<'a, Result<Option<IdempotentReplay>, StoreError>> {
        let now = self.late();
        let (owner, key) = (Owner::of(account), idempotency.clone());
        Box::pin(self.inner.outbox.read(move |conn| replay(conn, &owner, &key, now)))
    }

    fn accept(&self, submission: NewSubmission) -> BoxFuture<'_, Result<Acceptance, StoreError>> {
        Box::pin(async move {
            self.inner.poison.check_disk()?;
            self.inner.reserve.admit(submission.raw.size())?;
            let body = self.body(&submission.raw).await?;
            let spare = match &body {
                Body::Inline(..) => None,
                Body::File(pin) => Some(pin.digest),
            };
            let now = self.late();
            // The body comes back with the result: its pin must outlive the commit.
            let work = move |conn: &Connection| {
                accept(conn, &submission, &body, now).map(|acceptance| (acceptance, body))
            };
            let outcome = self.inner.outbox.write(work).await.map(|(acceptance, _)| acceptance);
            if let (Some(digest), Ok(Acceptance::Replayed(_)) | Err(_)) = (spare, &outcome) {
                self.inner.blobs.retire(digest);
            }
            self.make_room_after(&outcome).await;
            outcome
        })
    }

    fn claim(&self, wish: ClaimRequest) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        let (blobs, served) = (self.inner.blobs.clone(), Arc::clone(&self.inner.served));
        Box::pin(async move {
            // After a failed disk the process ends soon and begins nothing.
            self.inner.poison.check_disk()?;
            let clocks = || self.inner.clocks.lock();
            let to = leases::offset(wish.now, self.inner.clock.monotonic());
            // Small steps add up, so the offset is kept until leases are moved.
            let from = *clocks().get_or_insert(to);
            let taken = self.inner.outbox.write(move |conn| {
                leases::follow(conn, from, to)?;
                let mut served = served.lock();
                take(conn, &blobs, &wish, &mut served)
            });
            let claims = taken.await?;
            if leases::is_step(from, to) {
                *clocks() = Some(to);
            }
            Ok(claims)
        })
    }

    fn record<'a>(
        &'a self,
        id: &'a SubmissionId,
        epoch: u64,
        step: AttemptStep,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (id, late) = (id.clone(), self.late());
        Box::pin(self.retiring(move |conn| record(conn, &id, epoch, &step, late)))
    }

    fn record_and_copy<'a>(
        &'a self,
        id: &'a SubmissionId,
        epoch: u64,
        step: AttemptStep,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (id, now, late) = (id.clone(), self.inner.clock.now(), self.late());
        Box::pin(self.retiring(move |conn| record_and_copy(conn, &id, epoch, &step, now, late)))
    }

    fn claim_copies(&self, wish: ClaimRequest) -> BoxFuture<'_, Result<ClaimedCopies, StoreError>> {
        let (blobs, served) = (self.inner.blobs.clone(), Arc::clone(&self.inner.served_copies));
        Box::pin(self.inner.outbox.write(move |conn| {
            let mut served = served.lock();
            take_copies(conn, &blobs, &wish, &mut served)
        }))
    }

    fn record_copy<'a>(
        &'a self,
        id: &'a SubmissionId,
        copy: SentCopy,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let id = id.clone();
        Box::pin(self.retiring(move |conn| end(conn, &id, copy)))
    }

    fn next_copy(&self, after: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(self.inner.outbox.read(move |conn| {
            let mut soonest = conn.prepare_cached(NEXT_COPY)?;
            let due = soonest.query_row([after.millis()], |row| row.get(0)).optional()?;
            Ok(due.map(Timestamp::from_millis))
        }))
    }

    fn release_claims(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.inner.outbox.write(|conn| {
            let voided = conn.execute(
                "UPDATE submission SET lease_until = due WHERE state IN ('claimed', 'dialing', 'dot-sent')",
                [],
            )?;
            Ok(voided as u64)
        }))
    }

    fn next_due(&self, after: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(self.inner.outbox.read(move |conn| {
            let mut soonest = conn.prepare_cached(SOONEST)?;
            let wake = soonest.query_row([after.millis()], |row| row.get(0)).optional()?;
            Ok(wake.map(Timestamp::from_millis))
        }))
    }

    fn get<'a>(
        &'a self,
        account: &'a Account,
        id: &'a SubmissionId,
    ) -> BoxFuture<'a, Result<Option<SubmissionStatus>, StoreError>> {
        let (owner, id) = (Owner::of(account), id.clone());
        Box::pin(self.inner.outbox.read(move |conn| {
            let mut statement = conn.prepare_cached(&format!(
                "SELECT {ENTRY} FROM submission
                 WHERE id = ?1 AND tenant = ?2 AND account = ?3 AND generation = ?4"
            ))?;
            let Owner { tenant, account, generation } = &owner;
            let mut rows = statement.query(params![id.as_str(), tenant, account, generation])?;
            rows.next()?.map(|row| entry(conn, row)).transpose()
        }))
    }

    fn find<'a>(
        &'a self,
        account: &'a Account,
        states: &'a [State],
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page<SubmissionStatus>, StoreError>> {
        let list = list(account, states);
        let cursor = match cursor.map(|text| Cursor::decode(text, list)) {
            None => None,
            Some(Some(cursor)) => Some(cursor),
            Some(None) => return Box::pin(async { Err(StoreError::Cursor) }),
        };
        let (owner, states) = (Owner::of(account), states.to_vec());
        let limit = limit.clamp(1, LARGEST);
        Box::pin(self.inner.outbox.read(move |conn| {
            Ok(submissions(find(conn, &owner, &states, cursor.as_ref(), limit)?, limit, list))
        }))
    }
}

impl Sqlite {
    /// A write that may release a file.
    async fn retiring(
        &self,
        work: impl FnOnce(&Connection) -> Result<Option<Digest>, WriteError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let outcome = self.inner.outbox.write(work).await;
        self.make_room_after(&outcome).await;
        if let Some(digest) = outcome? {
            self.inner.blobs.retire(digest);
            self.sweep().await;
        }
        Ok(())
    }

    async fn body(&self, raw: &Octets) -> Result<Body, StoreError> {
        if raw.size() > INLINE {
            let put = match self.inner.blobs.put(raw).await {
                Err(error) if is_full(&error) => {
                    self.make_room().await;
                    self.inner.blobs.put(raw).await
                }
                put => put,
            };
            return put
                .map(Body::File)
                .map_err(|error| if is_full(&error) { StoreError::Full } else { failed(error) });
        }
        let bytes = match raw.in_memory() {
            Some(bytes) => bytes,
            None => whole(raw).await.map_err(failed)?,
        };
        let digest = Sha256::digest(&bytes).into();
        Ok(Body::Inline(bytes, digest))
    }

    /// Removes a few files that lost their last row long enough ago. Not essential: errors are
    /// logged.
    async fn sweep(&self) {
        if let Err(error) = self.swept().await {
            tracing::warn!(%error, "bodies that nobody needs were not removed");
        }
    }

    async fn swept(&self) -> Result<(), StoreError> {
        let ripe = self.inner.blobs.expired().await.map_err(failed)?;
        if ripe.is_empty() {
            return Ok(());
        }
        let unused = self.unused(ripe).await?;
        self.inner.blobs.remove(unused).await.map_err(failed)
    }

    /// Those without a row.
    async fn unused(&self, digests: Vec<Digest>) -> Result<Vec<Digest>, StoreError> {
        let unused = self.inner.outbox.read(move |conn| {
            let mut used = conn.prepare_cached(IN_USE)?;
            let mut unused = Vec::new();
            for digest in digests {
                if !used.exists([digest])? {
                    unused.push(digest);
                }
            }
            Ok(unused)
        });
        unused.await
    }

    /// After a failed write on a disk that has not failed there is probably no space.
    async fn make_room_after<T>(&self, outcome: &Result<T, StoreError>) {
        if matches!(outcome, Err(StoreError::Failed(_))) && self.inner.poison.check_disk().is_ok() {
            self.make_room().await;
        }
    }

    /// Removes unreferenced files before their grace period has ended. Errors are logged.
    async fn make_room(&self) {
        let condemned = self.inner.blobs.mark_unreferenced();
        if condemned.is_empty() {
            return;
        }
        let unused = self.unused(condemned.clone()).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "it is not known which bodies nobody needs");
            Vec::new()
        });
        let unused = unused.into_iter().collect();
        if let Err(error) = self.inner.blobs.delete_marked(condemned, unused).await {
            tracing::warn!(%error, "bodies that nobody needs were not removed");
        }
    }
}

const SOONEST: &str = "SELECT wake FROM submission WHERE wake > ?1 ORDER BY wake LIMIT 1";
const NEXT_COPY: &str = "SELECT copy_due FROM submission
    WHERE sent_copy = 'pending' AND copy_due > ?1 ORDER BY copy_due LIMIT 1";
const IN_USE: &str = "SELECT 1 FROM submission WHERE place = 'file' AND digest = ?1
    UNION ALL SELECT 1 FROM quarantine WHERE digest IS NOT NULL AND digest = ?1";

async fn whole(raw: &Octets) -> io::Result<Bytes> {
    let mut bytes = BytesMut::new();
    while (bytes.len() as u64) < raw.size() {
        let left = raw.size() - bytes.len() as u64;
        let piece = raw.read_at(bytes.len() as u64, usize::try_from(left).unwrap_or(0)).await?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

fn newest() -> String {
    format!(
        "SELECT {ENTRY} FROM submission
         WHERE tenant = ?1 AND account = ?2 AND generation = ?3 AND (created, id) < (?4, ?5)
             AND (?6 = '[]' OR state IN (SELECT value FROM json_each(?6)))
         ORDER BY created DESC, id DESC LIMIT ?7"
    )
}

/// The frequent queries, with values for their parameters, to check what each of them reads.
#[cfg(test)]
pub(crate) fn frequent(now: i64) -> Vec<(String, Vec<rusqlite::types::Value>)> {
    use crate::sqlite::accept::PURGE;
    use crate::sqlite::claims::{DUE, NEXT_ACCOUNT};
    use crate::sqlite::copies::{DUE_COPIES, NEXT_OWNER};
    use crate::sqlite::pruning::ENDED;
    use crate::sqlite::quarantine::NAMES;
    use crate::sqlite::rescheduling::LATER;

    let (tenant, account) = (|| "t".to_owned().into(), || "anna".to_owned().into());
    vec![
        (NEXT_ACCOUNT.to_owned(), vec![tenant(), account()]),
        (NEXT_OWNER.to_owned(), vec![tenant(), account()]),
        (DUE.to_owned(), vec![tenant(), account(), true.into(), now.into(), 3.into()]),
        (DUE.to_owned(), vec![tenant(), account(), false.into(), now.into(), 3.into()]),
        (DUE_COPIES.to_owned(), vec![tenant(), account(), now.into(), 3.into()]),
        (SOONEST.to_owned(), vec![now.into()]),
        (NEXT_COPY.to_owned(), vec![now.into()]),
        (PURGE.to_owned(), vec![now.into(), 3.into()]),
        (IN_USE.to_owned(), vec![vec![7; 32].into()]),
        (ENDED.to_owned(), vec!["sent".to_owned().into(), now.into(), 3.into()]),
        (NAMES.to_owned(), vec![now.into()]),
        (LATER.to_owned(), vec![now.into(), i64::MAX.into(), 3.into()]),
        (LATER.to_owned(), vec![now.into(), 15.into(), 3.into()]),
        (
            newest(),
            vec![
                tenant(),
                account(),
                3.into(),
                now.into(),
                "~".to_owned().into(),
                "[]".to_owned().into(),
                3.into(),
            ],
        ),
    ]
}

fn find(
    conn: &Connection,
    owner: &Owner,
    states: &[State],
    cursor: Option<&Cursor>,
    limit: u32,
) -> Result<Vec<SubmissionStatus>, WriteError> {
    let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    let states = serde_json::to_string(&states).map_err(failed)?;
    let (created, id) = match cursor {
        Some(cursor) => (cursor.created.millis(), cursor.id.as_str()),
        // Sorts after every row: ids are ASCII.
        None => (i64::MAX, "\u{7f}"),
    };
    let mut statement = conn.prepare_cached(&newest())?;
    // One more than requested shows whether there is another page.
    let Owner { tenant, account, generation } = owner;
    let wanted = params![tenant, account, generation, created, id, states, limit + 1];
    let mut found = statement.query(wanted)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(entry(conn, row)?);
    }
    Ok(rows)
}
