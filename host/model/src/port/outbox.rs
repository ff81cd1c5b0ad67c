//! The durable set of submissions. `store` implements it; `engine` calls it.
//!
//! Invariant: what [`Outbox::accept`] answered `Stored` survives a crash, with
//! its bytes and its idempotency row. Every later write names the claim's
//! epoch, so that a worker that lost its claim cannot speak for it.

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

/// The outbox. What is asked for an account is answered for its generation only: one that is made
/// again under an old id inherits nothing.
pub trait Outbox: Maintenance + Send + Sync + fmt::Debug {
    /// Whether the key was used before in this account.
    fn lookup<'a>(
        &'a self,
        account: &'a Account,
        idempotency: &'a Idempotency,
    ) -> BoxFuture<'a, Result<Option<IdempotentReplay>, StoreError>>;
    /// Submission, idempotency row and bytes in one durable step; looks the key up again inside it.
    fn accept(&self, submission: NewSubmission) -> BoxFuture<'_, Result<Acceptance, StoreError>>;
    /// Takes what is due, or whose claim has run out, as far as there is room, and begins an attempt at
    /// each, in one durable step: attempts rise by one, and the due time is when the next attempt
    /// would be, should this one vanish. Round robin over tenants and over the accounts of each; of
    /// one account the oldest first.
    fn claim(&self, wish: ClaimRequest) -> BoxFuture<'_, Result<Claimed, StoreError>>;
    /// Records a step of a claimed submission, durably. [`StoreError::LostClaim`] when the epoch is not the current one.
    fn record<'a>(
        &'a self,
        id: &'a SubmissionId,
        epoch: u64,
        step: AttemptStep,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// As [`Outbox::record`], and in the same durable step the submission's copy among the account's sent
    /// mail becomes pending, unless it had one before. Its bytes are kept until that ends.
    fn record_and_copy<'a>(
        &'a self,
        id: &'a SubmissionId,
        epoch: u64,
        step: AttemptStep,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Takes copies that are pending and due, as far as there is room, and begins a try of each, in one
    /// durable step, as [`Outbox::claim`] does. Nobody else may have them at the same time.
    fn claim_copies(&self, wish: ClaimRequest) -> BoxFuture<'_, Result<ClaimedCopies, StoreError>>;
    /// Records what became of a pending copy, durably.
    fn record_copy<'a>(
        &'a self,
        id: &'a SubmissionId,
        copy: SentCopy,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// When the next copy becomes due, later than `after`.
    fn next_copy(&self, after: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>>;
    /// Voids every claim: called once at start, when the data directory is ours alone. What was claimed
    /// comes back when it is due, so an attempt that had begun keeps its back-off.
    fn release_claims(&self) -> BoxFuture<'_, Result<u64, StoreError>>;
    /// When the next submission becomes due, or its claim runs out, later than `after`.
    fn next_due(&self, after: Timestamp) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>>;
    /// One submission of an account.
    fn get<'a>(
        &'a self,
        account: &'a Account,
        id: &'a SubmissionId,
    ) -> BoxFuture<'a, Result<Option<SubmissionStatus>, StoreError>>;
    /// Newest first; empty `states` means all. [`StoreError::Cursor`] for a cursor that is not ours.
    fn find<'a>(
        &'a self,
        account: &'a Account,
        states: &'a [State],
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page<SubmissionStatus>, StoreError>>;
}

/// What an Idempotency-Key gave the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdempotentReplay {
    /// The same draft: its receipt, with the state as of now.
    Same(Receipt),
    /// Another draft.
    Mismatch,
}

/// What `accept` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Durable now.
    Stored(Receipt),
    /// The key was used before.
    Replayed(IdempotentReplay),
}

/// One call of [`Outbox::claim`].
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Who asks.
    pub owner: String,
    /// What is due by then.
    pub now: Timestamp,
    /// How long the claims hold.
    pub lease: Duration,
    /// How many, and of which accounts.
    pub room: ClaimCapacity,
    /// When the next attempt would be: after no, one, two, ... attempts before this one. The last repeats.
    pub pauses: Vec<Duration>,
}

/// For how many claims there is room.
#[derive(Clone, Debug, Default)]
pub struct ClaimCapacity {
    /// In all.
    pub limit: u32,
    /// For each account that is not among `accounts`.
    pub each: u32,
    /// For these.
    pub accounts: HashMap<(TenantId, AccountId), u32>,
}

impl ClaimCapacity {
    /// The same for every account.
    #[must_use]
    pub fn of(limit: u32) -> Self {
        Self { limit, each: limit, accounts: HashMap::new() }
    }

    /// For one account.
    #[must_use]
    pub fn for_account(&self, tenant: &TenantId, account: &AccountId) -> u32 {
        let room = self.accounts.get(&(tenant.clone(), account.clone()));
        room.copied().unwrap_or(self.each).min(self.limit)
    }
}

impl ClaimRequest {
    /// The wait after an attempt with so many before it.
    #[must_use]
    pub fn pause(&self, attempts: u32) -> Duration {
        let index = usize::try_from(attempts).unwrap_or(usize::MAX);
        self.pauses.get(index).or(self.pauses.last()).copied().unwrap_or_default()
    }
}

/// What a claim gave.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// In the order in which they are to begin.
    pub claims: Vec<Claim>,
    /// Something that is due may have been left, for lack of room.
    pub more: bool,
}

/// A copy that is to be filed.
#[derive(Clone, Debug)]
pub struct SentCopyTask {
    /// Of which submission.
    pub id: SubmissionId,
    /// Whose.
    pub tenant: TenantId,
    /// Sent by.
    pub account: AccountId,
    /// Of the account when it was accepted.
    pub generation: u32,
    /// Without angle brackets.
    pub message_id: String,
    /// The message.
    pub raw: Octets,
    /// Tries begun before this one: any of them may have filed it.
    pub tries: u32,
}

/// What a claim of copies gave.
#[derive(Clone, Debug, Default)]
pub struct ClaimedCopies {
    /// In their order.
    pub copies: Vec<SentCopyTask>,
    /// Some that are due may have been left, for lack of room.
    pub more: bool,
}

/// A submission in the hands of one worker.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which.
    pub id: SubmissionId,
    /// Whose.
    pub tenant: TenantId,
    /// Sent by.
    pub account: AccountId,
    /// Of the account when it was accepted.
    pub generation: u32,
    /// Every write of this claim names it.
    pub epoch: u64,
    /// Without angle brackets.
    pub message_id: String,
    /// MAIL FROM.
    pub sender: EmailAddress,
    /// Every recipient with what is known; only those not final are tried.
    pub recipients: Vec<RecipientVerdict>,
    /// The same bytes for every attempt.
    pub raw: Octets,
    /// Attempts begun before this one.
    pub attempts: u32,
    /// When it was accepted.
    pub created: Timestamp,
    /// The state in which it was found: `DotSent` means that an attempt ended in doubt. Attempts that
    /// vanished before their dot change nothing about it.
    pub found: State,
    /// Another attempt was made after one had ended in doubt.
    pub possible_duplicate: bool,
}

/// One step of a claimed submission.
#[derive(Clone, Debug)]
pub enum AttemptStep {
    /// Everything but the final dot was sent.
    DotSent,
    /// The attempt is over; the claim ends. What was found in doubt was tried again: from now on it says
    /// that it may arrive twice.
    Ended {
        /// The submission's state.
        state: State,
        /// Every recipient.
        recipients: Vec<RecipientVerdict>,
        /// When to try again, unless final.
        due: Timestamp,
        /// The trouble in one line.
        last_error: Option<String>,
    },
    /// As [`Step::Ended`], and the attempt does not count: it did not begin, or another begins at once.
    Uncounted {
        /// The submission's state.
        state: State,
        /// Every recipient.
        recipients: Vec<RecipientVerdict>,
        /// When to try again, unless final.
        due: Timestamp,
        /// The trouble in one line.
        last_error: Option<String>,
    },
    /// The bytes are not those that were accepted: it has failed for good, for every recipient that was
    /// waited for, and is put aside with all that is known of it. Who is in doubt stays so, and what was
    /// found in doubt says that it may arrive twice.
    Damaged {
        /// What is wrong with them, for the operator.
        reason: String,
    },
}
