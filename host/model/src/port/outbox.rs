//! The durable set of submissions. `store` implements it; `engine` calls it.
//!
//! Invariant: what [`Outbox::accept`] answered `Stored` survives a crash, with
//! its bytes and its idempotency row. Every later write names the claim's
//! epoch, so that a worker that lost its claim cannot speak for it.

use std::fmt;
use std::time::Duration;

use crate::account::Account;
use crate::address::EmailAddress;
use crate::future::BoxFuture;
use crate::ids::{AccountId, SubmissionId, TenantId};
use crate::instant::Timestamp;
use crate::message::Page;
use crate::octets::Octets;
use crate::port::store::StoreError;
use crate::submission::{Entry, Idempotency, NewSubmission, Receipt, RecipientVerdict, State};

/// The outbox. What is asked for an account is answered for its generation only: one that is made
/// again under an old id inherits nothing.
pub trait Outbox: Send + Sync + fmt::Debug {
    /// Whether the key was used before in this account.
    fn lookup<'a>(
        &'a self,
        account: &'a Account,
        idempotency: &'a Idempotency,
    ) -> BoxFuture<'a, Result<Option<Replay>, StoreError>>;
    /// Submission, idempotency row and bytes in one durable step; looks the key up again inside it.
    fn accept(&self, submission: NewSubmission) -> BoxFuture<'_, Result<Acceptance, StoreError>>;
    /// Takes up to `limit` submissions that are due, or whose claim has run out, for `owner`; round
    /// robin over tenants.
    fn claim<'a>(
        &'a self,
        owner: &'a str,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Claim>, StoreError>>;
    /// Records a step of a claimed submission, durably. [`StoreError::LostClaim`] when the epoch is not the current one.
    fn record<'a>(
        &'a self,
        id: &'a SubmissionId,
        epoch: u64,
        step: Step,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Voids every claim: called once at start, when the data directory is ours alone. What was claimed
    /// comes back when it is due, so an attempt that had begun keeps the back-off of [`Step::Dialing`].
    fn void_claims(&self) -> BoxFuture<'_, Result<u64, StoreError>>;
    /// When the next submission becomes due, or its claim runs out.
    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>>;
    /// One submission of an account.
    fn get<'a>(
        &'a self,
        account: &'a Account,
        id: &'a SubmissionId,
    ) -> BoxFuture<'a, Result<Option<Entry>, StoreError>>;
    /// Newest first; empty `states` means all. [`StoreError::Cursor`] for a cursor that is not ours.
    fn find<'a>(
        &'a self,
        account: &'a Account,
        states: &'a [State],
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page<Entry>, StoreError>>;
}

/// What an Idempotency-Key gave the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
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
    Replayed(Replay),
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
    /// The state in which it was found. `DotSent` means that an attempt ended in doubt.
    pub found: State,
    /// An attempt ended in doubt before.
    pub possible_duplicate: bool,
}

/// One step of a claimed submission.
#[derive(Clone, Debug)]
pub enum Step {
    /// An attempt begins: attempts rise by one, and `due` is when the next would be, should this one vanish.
    Dialing {
        /// The back-off, already set.
        due: Timestamp,
        /// This attempt may repeat one that ended in doubt.
        possible_duplicate: bool,
    },
    /// Everything but the final dot was sent.
    DotSent,
    /// The attempt is over; the claim ends.
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
    /// As [`Step::Ended`], and the attempt does not count.
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
}
