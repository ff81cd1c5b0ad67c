//! Outbox maintenance of the in-memory store.

use std::time::Duration;

use model::ids::SubmissionId;
use model::instant::Timestamp;
use model::port::BoxFuture;
use model::port::maintenance::{Claims, Condition, Maintenance, OutboxCounts, RetryWaits};
use model::port::store_error::StoreError;
use model::submission::State;

use crate::memory::{Memory, Row};
use crate::rules::outbox::is_held;

impl Maintenance for Memory {
    fn condition(&self) -> Condition {
        Condition::Writable
    }

    fn failed(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn figures(&self) -> BoxFuture<'_, Result<OutboxCounts, StoreError>> {
        Box::pin(async move {
            let tables = self.tables();
            let count = |state: State| {
                let of = |row: &&Row| row.entry.receipt.state == state;
                (state, tables.submissions.values().filter(of).count() as u64)
            };
            let states = State::EVERY.map(count).into_iter().filter(|(_, count)| *count > 0);
            let waiting = tables.submissions.values().filter(|row| row.wake().is_some());
            let oldest = waiting.map(|row| row.new.created).min();
            Ok(OutboxCounts { states: states.collect(), oldest })
        })
    }

    fn prune(&self, age: Duration, rows: u32) -> BoxFuture<'_, Result<u32, StoreError>> {
        let now = self.late().millis();
        let before =
            Timestamp::from_millis(now - i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        Box::pin(async move {
            let mut tables = self.tables();
            let mut ended: Vec<_> = tables
                .submissions
                .values()
                .filter(|row| row.entry.receipt.state.is_final() && row.ended <= before)
                .map(|row| (row.ended, row.new.id.clone()))
                .collect();
            ended.sort();
            let mut gone = 0_u32;
            for (_, id) in ended {
                if gone >= rows {
                    break;
                }
                tables.keys.retain(|_, used| used.submission != id);
                if let Some(row) = tables.submissions.remove(&id) {
                    gone = gone.saturating_add(row.entry.recipients.len() as u32 + 1);
                }
                tables.pruned.insert(id);
            }
            Ok(gone.min(rows))
        })
    }

    fn was_pruned<'a>(&'a self, id: &'a SubmissionId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.tables().pruned.contains(id)) })
    }

    fn reschedule<'a>(
        &'a self,
        now: Timestamp,
        waits: &'a RetryWaits,
        claims: Claims,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let mut count = 0;
            for row in self.tables().submissions.values_mut() {
                let state = row.entry.receipt.state;
                let latest = now.after(waits.of(state, row.entry.attempts));
                let live = is_held(state) && claims == Claims::Live;
                if live || row.wake().is_none_or(|wake| wake <= latest) {
                    continue;
                }
                count += 1;
                row.entry.receipt.due = row.entry.receipt.due.min(latest);
                row.lease_until = latest;
            }
            Ok(count)
        })
    }
}
