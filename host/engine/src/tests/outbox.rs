//! The in-memory outbox of the store, with a record of what the engine asked of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use model::account::Account;
use model::ids::SubmissionId;
use model::instant::Timestamp;
use model::mail::message::Page;
use model::port::BoxFuture;
use model::port::clock::Clock;
use model::port::maintenance::{Claims, Condition, Maintenance, OutboxCounts, RetryWaits};
use model::port::outbox::{
    Acceptance, AttemptStep, ClaimRequest, Claimed, ClaimedCopies, IdempotentReplay, Outbox,
};
use model::port::store_error::StoreError;
use model::submission::{Idempotency, NewSubmission, SentCopy, State, SubmissionStatus};
use parking_lot::Mutex;
use store::{MasterKey, Memory};

/// The rows, shared with the next engine of a test, as those on a disk would be.
pub(crate) struct RecordedOutbox {
    inner: Memory,
    /// The accepted submissions, in order.
    accepted: Mutex<Vec<NewSubmission>>,
    steps: Mutex<Vec<(SubmissionId, &'static str)>>,
    /// While set, no verdict can be recorded.
    pub(crate) full: AtomicBool,
    /// Calls of [`Outbox::claim`].
    pub(crate) claims: AtomicUsize,
}

impl fmt::Debug for RecordedOutbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedOutbox").finish_non_exhaustive()
    }
}

impl RecordedOutbox {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Memory::new(MasterKey::from_bytes([7; 32]), clock),
            accepted: Mutex::default(),
            steps: Mutex::default(),
            full: AtomicBool::new(false),
            claims: AtomicUsize::new(0),
        }
    }

    /// Every submission as it is now, in the order in which they were accepted.
    pub(crate) fn all(&self) -> Vec<SubmissionStatus> {
        let accepted = self.accepted.lock();
        let status = |new: &NewSubmission| {
            let owner = owner_of(new);
            self.inner.get(&owner, &new.id).now_or_never().unwrap().unwrap().unwrap()
        };
        accepted.iter().map(status).collect()
    }

    /// The only submission.
    pub(crate) fn only(&self) -> SubmissionStatus {
        let mut all = self.all();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    pub(crate) fn states(&self) -> Vec<State> {
        self.all().iter().map(|entry| entry.receipt.state).collect()
    }

    /// The submission that was accepted first.
    pub(crate) fn first<T>(&self, look: impl FnOnce(&NewSubmission) -> T) -> T {
        look(&self.accepted.lock()[0])
    }

    /// Every step of the submission that was accepted first.
    pub(crate) fn steps(&self) -> Vec<&'static str> {
        let id = self.first(|new| new.id.clone());
        self.steps.lock().iter().filter(|(of, _)| *of == id).map(|(_, step)| *step).collect()
    }

    /// The number of recorded steps of all submissions.
    pub(crate) fn count_of_steps(&self) -> usize {
        self.steps.lock().len()
    }

    fn note(&self, id: &SubmissionId, step: &'static str) {
        self.steps.lock().push((id.clone(), step));
    }

    fn may_record(&self, step: &AttemptStep) -> Result<(), StoreError> {
        if self.full.load(Ordering::Relaxed) && !matches!(step, AttemptStep::DotSent) {
            return Err(StoreError::Failed("the disk is full".to_owned()));
        }
        Ok(())
    }
}

fn owner_of(new: &NewSubmission) -> Account {
    Account {
        tenant: new.tenant.clone(),
        generation: new.generation,
        ..crate::tests::account::account(new.account.as_str())
    }
}

fn name(step: &AttemptStep) -> &'static str {
    match step {
        AttemptStep::DotSent => "dot-sent",
        AttemptStep::Ended { .. } | AttemptStep::Uncounted { .. } => "ended",
        AttemptStep::Damaged { .. } => "damaged",
    }
}

impl Maintenance for RecordedOutbox {
    fn condition(&self) -> Condition {
        self.inner.condition()
    }

    fn failed(&self) -> BoxFuture<'static, ()> {
        self.inner.failed()
    }

    fn figures(&self) -> BoxFuture<'_, Result<OutboxCounts, StoreError>> {
        self.inner.figures()
    }

    fn prune(&self, keep: Duration, rows: u32) -> BoxFuture<'_, Result<u32, StoreError>> {
        self.inner.prune(keep, rows)
    }

    fn was_pruned<'a>(&'a self, id: &'a SubmissionId) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.inner.was_pruned(id)
    }

    fn reschedule<'a>(
        &'a self,
        now: Timestamp,
        waits: &'a RetryWaits,
        claims: Claims,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.inner.reschedule(now, waits, claims)
    }
}

impl Outbox for RecordedOutbox {
    fn lookup<'a>(
        &'a self,
        account: &'a Account,
        idempotency: &'a Idempotency,
    ) -> BoxFuture<'a, Result<Option<IdempotentReplay>, StoreError>> {
        self.inner.lookup(account, idempotency)
    }

    fn accept(&self, new: NewSubmission) -> BoxFuture<'_, Result<Acceptance, StoreError>> {
        Box::pin(async move {
            let accepted = self.inner.accept(new.clone()).await?;
            if matches!(accepted, Acceptance::Stored(_)) {
                self.accepted.lock().push(new);
            }
            Ok(accepted)
        })
    }

    fn claim(&self, wish: ClaimRequest) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        self.claims.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let claimed = self.inner.claim(wish).await?;
            claimed.claims.iter().for_each(|claim| self.note(&claim.id, "dialing"));
            Ok(claimed)
        })
    }

    fn record<'a>(
        &'a self,
        id: &'a SubmissionId,
        epoch: u64,
        step: AttemptStep,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.may_record(&step)?;
            let name = name(&step);
            self.inner.record(id, epoch, step).await?;
            self.note(id, name);
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
            self.may_record(&step)?;
            let name = name(&step);
            self.inner.record_and_copy(id, epoch, step).await?;
            self.note(id, name);
            Ok(())
        })
    }

    fn claim_copies(&self, wish: ClaimRequest) -> BoxFuture<'_, Result<ClaimedCopies, StoreError>> {
        self.inner.claim_copies(wish)
    }

    fn record_copy<'a>(
        &'a self,
        id: &'a SubmissionId,
        copy: SentCopy,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.record_copy(id, copy)
    }

    fn next_copy(&self, after: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        self.inner.next_copy(after)
    }

    fn release_claims(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.inner.release_claims()
    }

    fn next_due(&self, after: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        self.inner.next_due(after)
    }

    fn get<'a>(
        &'a self,
        account: &'a Account,
        id: &'a SubmissionId,
    ) -> BoxFuture<'a, Result<Option<SubmissionStatus>, StoreError>> {
        self.inner.get(account, id)
    }

    fn find<'a>(
        &'a self,
        account: &'a Account,
        states: &'a [State],
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page<SubmissionStatus>, StoreError>> {
        self.inner.find(account, states, cursor, limit)
    }
}
