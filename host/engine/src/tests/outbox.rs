//! In-memory outbox fake that survives the engine, as a disk would.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use model::account::Account;
use model::ids::SubmissionId;
use model::instant::Timestamp;
use model::mail::message::Page;
use model::port::BoxFuture;
use model::port::maintenance::{Claims, Condition, Maintenance, OutboxCounts, RetryWaits};
use model::port::outbox::{
    Acceptance, AttemptStep, Claim, ClaimRequest, Claimed, ClaimedCopies, IdempotentReplay, Outbox,
    SentCopyTask,
};
use model::port::store_error::StoreError;
use model::submission::{
    Idempotency, NewSubmission, Receipt, RecipientVerdict, SentCopy, State, SubmissionStatus,
};

/// Its rows, whether verdicts cannot be recorded now, and the number of claims.
#[derive(Debug, Default)]
pub(crate) struct Memory(pub(crate) Mutex<Vec<Row>>, pub(crate) AtomicBool, pub(crate) AtomicUsize);

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) new: NewSubmission,
    pub(crate) entry: SubmissionStatus,
    epoch: u64,
    until: Option<Timestamp>,
    found: State,
    copy: (Timestamp, u32),
    /// Every step, in order.
    pub(crate) steps: Vec<&'static str>,
}

impl Row {
    fn due(&self) -> Option<Timestamp> {
        if self.entry.receipt.state.is_final() {
            return None;
        }
        Some(self.until.unwrap_or(self.entry.receipt.due))
    }

    fn belongs_to(&self, account: &Account) -> bool {
        self.new.account == account.id && self.new.generation == account.generation
    }

    fn replay(&self, idempotency: &Idempotency) -> Option<IdempotentReplay> {
        let mine = self.new.idempotency.as_ref()?;
        (mine.key == idempotency.key).then(|| {
            if mine.digest == idempotency.digest {
                IdempotentReplay::Same(self.entry.receipt.clone())
            } else {
                IdempotentReplay::Mismatch
            }
        })
    }
}

impl Memory {
    /// The only submission.
    pub(crate) fn only(&self) -> SubmissionStatus {
        let rows = self.0.lock();
        assert_eq!(rows.len(), 1);
        rows[0].entry.clone()
    }

    pub(crate) fn steps(&self) -> Vec<&'static str> {
        self.0.lock()[0].steps.clone()
    }

    pub(crate) fn states(&self) -> Vec<State> {
        self.0.lock().iter().map(|row| row.entry.receipt.state).collect()
    }
}

impl Maintenance for Memory {
    fn condition(&self) -> Condition {
        Condition::Writable
    }

    fn failed(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn figures(&self) -> BoxFuture<'_, Result<OutboxCounts, StoreError>> {
        Box::pin(async { Ok(OutboxCounts::default()) })
    }

    fn prune(&self, _: Duration, _: u32) -> BoxFuture<'_, Result<u32, StoreError>> {
        Box::pin(async { Ok(0) })
    }

    fn was_pruned<'a>(&'a self, _: &'a SubmissionId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async { Ok(false) })
    }

    fn reschedule<'a>(
        &'a self,
        now: Timestamp,
        waits: &'a RetryWaits,
        _: Claims,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        let mut count = 0;
        for row in self.0.lock().iter_mut() {
            let latest = now.after(waits.of(row.entry.receipt.state, row.entry.attempts));
            if row.until.is_none() && row.entry.receipt.due > latest {
                row.entry.receipt.due = latest;
                count += 1;
            }
        }
        Box::pin(async move { Ok(count) })
    }
}

impl Outbox for Memory {
    fn lookup<'a>(
        &'a self,
        account: &'a Account,
        idempotency: &'a Idempotency,
    ) -> BoxFuture<'a, Result<Option<IdempotentReplay>, StoreError>> {
        let rows = self.0.lock();
        let mut found = rows.iter().filter(|row| row.belongs_to(account));
        let found = found.find_map(|row| row.replay(idempotency));
        Box::pin(async { Ok(found) })
    }

    fn accept(&self, new: NewSubmission) -> BoxFuture<'_, Result<Acceptance, StoreError>> {
        let receipt = Receipt {
            submission: new.id.clone(),
            message_id: new.message_id.clone(),
            state: State::Accepted,
            due: new.due,
            warnings: new.warnings.clone(),
        };
        let recipients = new.recipients.iter().map(|recipient| RecipientVerdict {
            recipient: recipient.clone(),
            state: State::Accepted,
            reply: None,
            at: None,
        });
        let entry = SubmissionStatus {
            receipt: receipt.clone(),
            attempts: 0,
            recipients: recipients.collect(),
            possible_duplicate: false,
            last_error: None,
            sent_copy: None,
            created: new.created,
        };
        let (found, copy) = (State::Accepted, (new.created, 0));
        let row = Row { new, entry, epoch: 0, until: None, found, copy, steps: Vec::new() };
        self.0.lock().push(row);
        Box::pin(async { Ok(Acceptance::Stored(receipt)) })
    }

    fn claim(&self, wish: ClaimRequest) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        self.2.fetch_add(1, Ordering::Relaxed);
        let mut rows = self.0.lock();
        let (mut room, mut claims, mut more) = (wish.room.clone(), Vec::new(), false);
        for row in rows.iter_mut().filter(|row| row.due().is_some_and(|due| due <= wish.now)) {
            let (tenant, account) = (row.new.tenant.clone(), row.new.account.clone());
            let left = room.for_account(&tenant, &account);
            if left == 0 {
                more = true;
                continue;
            }
            room.limit -= 1;
            room.accounts.insert((tenant, account), left - 1);
            if row.entry.receipt.state != State::Dialing {
                row.found = row.entry.receipt.state;
            }
            row.steps.push("dialing");
            row.epoch += 1;
            row.until = Some(wish.now.after(wish.lease));
            row.entry.receipt.state = State::Dialing;
            row.entry.receipt.due = wish.now.after(wish.pause(row.entry.attempts));
            row.entry.attempts += 1;
            claims.push(Claim {
                id: row.new.id.clone(),
                tenant: row.new.tenant.clone(),
                account: row.new.account.clone(),
                generation: row.new.generation,
                epoch: row.epoch,
                message_id: row.new.message_id.clone(),
                sender: row.new.sender.clone(),
                recipients: row.entry.recipients.clone(),
                raw: row.new.raw.clone(),
                attempts: row.entry.attempts - 1,
                created: row.new.created,
                found: row.found,
                possible_duplicate: row.entry.possible_duplicate,
            });
        }
        Box::pin(async move { Ok(Claimed { claims, more }) })
    }

    fn record<'a>(
        &'a self,
        id: &'a SubmissionId,
        epoch: u64,
        step: AttemptStep,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut rows = self.0.lock();
            let row = rows.iter_mut().find(|row| row.new.id == *id).unwrap();
            if self.1.load(Ordering::Relaxed) && !matches!(step, AttemptStep::DotSent) {
                return Err(StoreError::Failed("the disk is full".to_owned()));
            }
            if row.epoch != epoch || row.until.is_none() {
                return Err(StoreError::LostClaim);
            }
            let in_doubt = matches!(row.found, State::DotSent | State::Uncertain);
            let is_uncounted = matches!(step, AttemptStep::Uncounted { .. });
            match step {
                AttemptStep::DotSent => {
                    row.steps.push("dot-sent");
                    row.entry.receipt.state = State::DotSent;
                    row.entry.possible_duplicate |= in_doubt;
                }
                AttemptStep::Ended { state, recipients, due, last_error }
                | AttemptStep::Uncounted { state, recipients, due, last_error } => {
                    row.entry.attempts -= u32::from(is_uncounted);
                    row.entry.possible_duplicate |= in_doubt
                        && (!is_uncounted || !matches!(state, State::Uncertain | State::Sent));
                    row.steps.push("ended");
                    row.entry.receipt.state = state;
                    row.entry.receipt.due = due;
                    row.entry.recipients = recipients;
                    row.entry.last_error = last_error;
                    row.until = None;
                }
                AttemptStep::Damaged { reason } => {
                    row.steps.push("damaged");
                    row.entry.receipt.state = State::Failed;
                    row.entry.last_error = Some(reason);
                    row.until = None;
                }
            }
            Ok(())
        })
    }

    fn record_and_copy<'a>(
        &'a self,
        id: &'a SubmissionId,
        epoch: u64,
        step: AttemptStep,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.record(id, epoch, step).await?;
            let mut rows = self.0.lock();
            let row = rows.iter_mut().find(|row| row.new.id == *id).unwrap();
            row.entry.sent_copy.get_or_insert(SentCopy::Pending);
            Ok(())
        })
    }

    fn claim_copies(&self, wish: ClaimRequest) -> BoxFuture<'_, Result<ClaimedCopies, StoreError>> {
        let mut rows = self.0.lock();
        let (mut room, mut copies, mut more) = (wish.room.clone(), Vec::new(), false);
        let pending = |row: &&mut Row| {
            row.entry.sent_copy == Some(SentCopy::Pending) && row.copy.0 <= wish.now
        };
        for row in rows.iter_mut().filter(pending) {
            let (tenant, account) = (row.new.tenant.clone(), row.new.account.clone());
            let left = room.for_account(&tenant, &account);
            if left == 0 {
                more = true;
                continue;
            }
            room.limit -= 1;
            room.accounts.insert((tenant.clone(), account.clone()), left - 1);
            let tries = row.copy.1;
            row.copy = (wish.now.after(wish.pause(tries)), tries + 1);
            copies.push(SentCopyTask {
                id: row.new.id.clone(),
                tenant,
                account,
                generation: row.new.generation,
                message_id: row.new.message_id.clone(),
                raw: row.new.raw.clone(),
                tries,
            });
        }
        Box::pin(async move { Ok(ClaimedCopies { copies, more }) })
    }

    fn record_copy<'a>(
        &'a self,
        id: &'a SubmissionId,
        copy: SentCopy,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut rows = self.0.lock();
        rows.iter_mut().find(|row| row.new.id == *id).unwrap().entry.sent_copy = Some(copy);
        Box::pin(async { Ok(()) })
    }

    fn next_copy(&self, after: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        let rows = self.0.lock();
        let pending = rows.iter().filter(|row| row.entry.sent_copy == Some(SentCopy::Pending));
        let due = pending.map(|row| row.copy.0).filter(|due| *due > after).min();
        Box::pin(async move { Ok(due) })
    }

    fn release_claims(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        let mut rows = self.0.lock();
        let claimed = rows.iter_mut().filter_map(|row| row.until.take());
        let count = claimed.count() as u64;
        Box::pin(async move { Ok(count) })
    }

    fn next_due(&self, after: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        let rows = self.0.lock();
        let due = rows.iter().filter_map(Row::due).filter(|due| *due > after).min();
        Box::pin(async move { Ok(due) })
    }

    fn get<'a>(
        &'a self,
        account: &'a Account,
        id: &'a SubmissionId,
    ) -> BoxFuture<'a, Result<Option<SubmissionStatus>, StoreError>> {
        let rows = self.0.lock();
        let found = rows.iter().find(|row| row.new.id == *id && row.belongs_to(account));
        let found = found.map(|row| row.entry.clone());
        Box::pin(async { Ok(found) })
    }

    fn find<'a>(
        &'a self,
        account: &'a Account,
        _: &'a [State],
        _: Option<&'a str>,
        _: u32,
    ) -> BoxFuture<'a, Result<Page<SubmissionStatus>, StoreError>> {
        let all = self.0.lock();
        let rows = all.iter().rev().filter(|row| row.belongs_to(account));
        let rows = rows.map(|row| row.entry.clone()).collect();
        Box::pin(async { Ok(Page { rows, next_cursor: None }) })
    }
}
