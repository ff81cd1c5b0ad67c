//! Outbox maintenance over SQLite.
//!
//! What may touch many rows is done in pieces, each a transaction of its own.

use std::time::Duration;

use model::ids::SubmissionId;
use model::instant::Timestamp;
use model::port::BoxFuture;
use model::port::maintenance::{Claims, Condition, Maintenance, OutboxCounts, RetryWaits};
use model::port::store_error::StoreError;

use crate::sqlite::{Sqlite, pruning, rescheduling, state_counts, uptime};

impl Maintenance for Sqlite {
    fn condition(&self) -> Condition {
        if self.inner.poison.check_disk().is_err() {
            Condition::Failed
        } else if self.inner.reserve.admit(0).is_err() {
            Condition::Full
        } else {
            Condition::Writable
        }
    }

    fn failed(&self) -> BoxFuture<'static, ()> {
        let poison = self.inner.poison.clone();
        Box::pin(async move { poison.is_set().await })
    }

    fn figures(&self) -> BoxFuture<'_, Result<OutboxCounts, StoreError>> {
        // The temporary tables are on the writer's connection.
        Box::pin(self.inner.outbox.write(state_counts::figures))
    }

    fn prune(&self, age: Duration, rows: u32) -> BoxFuture<'_, Result<u32, StoreError>> {
        let (now, before) =
            (self.late(), self.inner.uptime.before(self.inner.clock.monotonic(), age));
        Box::pin(self.inner.outbox.write(move |conn| {
            // It is called every hour, whatever else happens.
            uptime::keep(conn, now)?;
            pruning::prune(conn, before, rows)
        }))
    }

    fn was_pruned<'a>(&'a self, id: &'a SubmissionId) -> BoxFuture<'a, Result<bool, StoreError>> {
        let id = id.clone();
        Box::pin(self.inner.outbox.read(move |conn| pruning::was_pruned(conn, &id)))
    }

    fn reschedule<'a>(
        &'a self,
        now: Timestamp,
        waits: &'a RetryWaits,
        claims: Claims,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let mut next = Some((now.millis(), i64::MAX));
            let mut count = 0;
            while let Some(after) = next {
                let waits = waits.clone();
                let piece = move |conn: &_| rescheduling::piece(conn, now, &waits, claims, after);
                let (further, some) = self.inner.outbox.write(piece).await?;
                (next, count) = (further, count + some);
            }
            Ok(count)
        })
    }
}
