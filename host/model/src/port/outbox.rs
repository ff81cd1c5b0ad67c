//! The port of the outbox: the durable queue of submissions. `store` implements it; `engine` calls
//! it.
//!
//! Invariant: a submission for which [`Outbox::accept`] returned `Stored` survives a crash, with
//! its bytes and its idempotency row. Every later write names the claim's epoch, so that a worker
//! that lost its claim cannot change it.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use crate::account::Account;
use crate::future::BoxFuture;
use crate::ids::{AccountId, SubmissionId, TenantId};
use crate::instant::Timestamp;
use crate::mail::address::EmailAddress;
use crate::mail::message::Page;
use crate::octets::Octets;
use crate::port::maintenance::Maintenance;
use crate::port::store_error::StoreError;
use crate::submission::{
    Idempotency, NewSubmission, Receipt, RecipientVerdict, SentCopy, State, SubmissionStatus,
};

/// The outbox. Queries for an account cover its generation only: an account created again under an
/// old id inherits nothing.
pub trait Outbox: Maintenance + Send + Sync + fmt::Debug {
    /// Whether the Idempotency-Key was used before in this account.
    fn lookup<'a>(
        &'a self,
        account: &'a Account,
        idempotency: &'a Idempotency,
    ) -> BoxFuture<'a, Result<Option<IdempotentReplay>, StoreError>>;
    /// Stores submission, idempotency row and bytes in one durable step; looks the key up again
    /// inside it.
    fn accept(&self, submission: NewSubmission) -> BoxFuture<'_, Result<Acceptance, StoreError>>;
    /// Claims submissions that are due, or whose claim has expired, up to the capacity, and begins
    /// an attempt at each, in one durable step: attempts rise by one, and the due time is when the
    /// next attempt would be, should this one never report. Round robin over tenants and over the
    /// accounts of each; of one account the oldest first.
    fn claim(&self, wish: ClaimRequest) -> BoxFuture<'_, Result<Claimed, StoreError>>;
    /// Records a step of a claimed submission, durably. [`StoreError::LostClaim`] when the epoch is not the current one.
    fn record<'a>(
        &'a self,
        id: &'a SubmissionId,
        epoch: u64,
        step: AttemptStep,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// As [`Outbox::record`], and in the same durable step the submission's copy in the account's
    /// sent mail becomes pending, unless it had one before. Its bytes are kept until that ends.
    fn record_and_copy<'a>(
        &'a self,
        id: &'a SubmissionId,
        epoch: u64,
        step: AttemptStep,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Claims copies that are pending and due, up to the capacity, and begins a try of each, in one
    /// durable step, as [`Outbox::claim`] does. Only one caller may do so at a time.
    fn claim_copies(&self, wish: ClaimRequest) -> BoxFuture<'_, Result<ClaimedCopies, StoreError>>;
    /// Records the result of a pending copy, durably.
    fn record_copy<'a>(
        &'a self,
        id: &'a SubmissionId,
        copy: SentCopy,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// When the next copy becomes due, later than `after`.
    fn next_copy(&self, after: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>>;
    /// Voids every claim: called once at start, when this process alone has the data directory.
    /// Claimed submissions are due again at their due time, so an attempt that had begun keeps its
    /// back-off.
    fn release_claims(&self) -> BoxFuture<'_, Result<u64, StoreError>>;
    /// When the next submission becomes due, or its claim expires, later than `after`.
    fn next_due(&self, after: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>>;
    /// One submission of an account.
    fn get<'a>(
        &'a self,
        account: &'a Account,
        id: &'a SubmissionId,
    ) -> BoxFuture<'a, Result<Option<SubmissionStatus>, StoreError>>;
    /// Newest first; empty `states` means all. [`StoreError::Cursor`] for a cursor of another list.
    fn find<'a>(
        &'a self,
        account: &'a Account,
        states: &'a [State],
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page<SubmissionStatus>, StoreError>>;
}

/// The result of the first use of an Idempotency-Key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdempotentReplay {
    /// The same draft: its receipt, with the current state.
    Same(Receipt),
    /// Another draft.
    Mismatch,
}

/// The result of [`Outbox::accept`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Stored durably.
    Stored(Receipt),
    /// The key was used before.
    Replayed(IdempotentReplay),
}

/// The parameters of [`Outbox::claim`].
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// The worker that claims.
    pub owner: String,
    /// Claims what is due by then.
    pub now: Timestamp,
    /// Claims expire after this.
    pub lease: Duration,
    /// How many to claim, and of which accounts.
    pub room: ClaimCapacity,
    /// The back-off before the next attempt: after no, one, two, ... attempts before this one. The
    /// last repeats.
    pub pauses: Vec<Duration>,
}

/// The number of claims that a worker has capacity for.
#[derive(Clone, Debug, Default)]
pub struct ClaimCapacity {
    /// In all.
    pub limit: u32,
    /// For each account that is not among `accounts`.
    pub each: u32,
    /// For these accounts.
    pub accounts: HashMap<(TenantId, AccountId), u32>,
}

impl ClaimCapacity {
    /// The same for every account.
    #[must_use]
    pub fn of(limit: u32) -> Self {
        Self { limit, each: limit, accounts: HashMap::new() }
    }

    /// The capacity for one account.
    #[must_use]
    pub fn for_account(&self, tenant: &TenantId, account: &AccountId) -> u32 {
        let room = self.accounts.get(&(tenant.clone(), account.clone()));
        room.copied().unwrap_or(self.each).min(self.limit)
    }
}

impl ClaimRequest {
    /// The back-off after an attempt with so many before it.
    #[must_use]
    pub fn pause(&self, attempts: u32) -> Duration {
        let index = usize::try_from(attempts).unwrap_or(usize::MAX);
        self.pauses.get(index).or(self.pauses.last()).copied().unwrap_or_default()
    }
}

/// The result of a claim.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// In the order in which they are to begin.
    pub claims: Vec<Claim>,
    /// More may be due than the capacity allowed.
    pub more: bool,
}

/// A pending copy for the mailbox of sent mail.
#[derive(Clone, Debug)]
pub struct SentCopyTask {
    /// The submission.
    pub id: SubmissionId,
    /// Whose.
    pub tenant: TenantId,
    /// The account that sent it.
    pub account: AccountId,
    /// The account's generation when it was accepted.
    pub generation: u32,
    /// Without angle brackets.
    pub message_id: String,
    /// The message.
    pub raw: Octets,
    /// Tries begun before this one: any of them may have appended it.
    pub tries: u32,
}

/// The result of a claim of copies.
#[derive(Clone, Debug, Default)]
pub struct ClaimedCopies {
    /// In the order in which they are to begin.
    pub copies: Vec<SentCopyTask>,
    /// More may be due than the capacity allowed.
    pub more: bool,
}

/// A submission claimed by one worker.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The submission.
    pub id: SubmissionId,
    /// Whose.
    pub tenant: TenantId,
    /// The account that sends it.
    pub account: AccountId,
    /// The account's generation when it was accepted.
    pub generation: u32,
    /// Every write of this claim names it.
    pub epoch: u64,
    /// Without angle brackets.
    pub message_id: String,
    /// MAIL FROM.
    pub sender: EmailAddress,
    /// Every recipient and its state; only those not final are tried.
    pub recipients: Vec<RecipientVerdict>,
    /// The same bytes for every attempt.
    pub raw: Octets,
    /// Attempts begun before this one.
    pub attempts: u32,
    /// When it was accepted.
    pub created: Timestamp,
    /// The state before the claim: `DotSent` means that an attempt ended in doubt. Attempts that
    /// ended before their dot without a report do not change that.
    pub found: State,
    /// Another attempt was made after one had ended in doubt.
    pub possible_duplicate: bool,
}

/// A step of an attempt at a claimed submission.
#[derive(Clone, Debug)]
pub enum AttemptStep {
    /// Everything but the final dot was sent.
    DotSent,
    /// The attempt is over; the claim ends. A submission that was in doubt was tried again: from
    /// now on it is marked as a possible duplicate.
    Ended {
        /// The submission's state.
        state: State,
        /// Every recipient.
        recipients: Vec<RecipientVerdict>,
        /// When the next attempt is due, unless the state is final.
        due: Timestamp,
        /// The error in one line.
        last_error: Option<String>,
    },
    /// As [`AttemptStep::Ended`], but the attempt does not count: it did not begin, or another
    /// begins at once.
    Uncounted {
        /// The submission's state.
        state: State,
        /// Every recipient.
        recipients: Vec<RecipientVerdict>,
        /// When the next attempt is due, unless the state is final.
        due: Timestamp,
        /// The error in one line.
        last_error: Option<String>,
    },
    /// The stored bytes differ from those accepted: the submission has failed for good, for every
    /// recipient that was not final, and is quarantined with all that is known of it. Recipients in
    /// doubt stay so, and a submission that was in doubt is marked as a possible duplicate.
    Damaged {
        /// What is wrong with them, for the operator.
        reason: String,
    },
}
