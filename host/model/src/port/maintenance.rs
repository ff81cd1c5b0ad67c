//! The upkeep of an outbox: whether it can write, how much is in it, and what leaves it with time.
//! `store` implements it; `engine` and `server` call it.
//!
//! Invariant: nothing here changes what is known of a submission that has not ended, except when it
//! is tried next.

use std::time::Duration;

use crate::future::BoxFuture;
use crate::ids::SubmissionId;
use crate::instant::Timestamp;
use crate::port::store_error::StoreError;
use crate::submission::State;

/// What an outbox needs beside claims.
pub trait Maintenance: Send + Sync {
    /// Whether what is written becomes durable.
    fn condition(&self) -> Condition;
    /// Ready once the disk has failed for good. Whoever waits does not keep the store open.
    fn failed(&self) -> BoxFuture<'static, ()>;
    /// How much is in it.
    fn figures(&self) -> BoxFuture<'_, Result<OutboxCounts, StoreError>>;
    /// Removes submissions that ended so long ago, at most so many rows with all that
    /// belongs to them; how many rows it were. Fewer than `rows` means that none is left. Time counts only
    /// while a host has the outbox, and whatever is done to the wall clock: nobody vouches for that.
    fn prune(&self, age: Duration, rows: u32) -> BoxFuture<'_, Result<u32, StoreError>>;
    /// Whether the submission was here and was removed. May say no of one whose id tells its time
    /// ([`SubmissionId::made`]).
    fn was_pruned<'a>(&'a self, id: &'a SubmissionId) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// Brings back what is due later than `waits` allow, counted from `now`; how many it were. To be
    /// called when the clock went back: what it had put off would wait for the old time.
    fn reschedule<'a>(
        &'a self,
        now: Timestamp,
        waits: &'a RetryWaits,
        claims: Claims,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;
}

/// Whether what is written becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Yes.
    Writable,
    /// New mail is refused for lack of room; what is there can end.
    Full,
    /// The disk failed: nothing is known of what is written from now on.
    Failed,
}

impl Condition {
    /// Every one.
    pub const EVERY: [Self; 3] = [Self::Writable, Self::Full, Self::Failed];

    /// As it is shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Writable => "writable",
            Self::Full => "full",
            Self::Failed => "failed",
        }
    }
}

/// How much is in an outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    /// Submissions by state; none where there is none.
    pub states: Vec<(State, u64)>,
    /// When the oldest of those that have not ended was accepted.
    pub oldest: Option<Timestamp>,
}

/// The longest regular wait of a submission before its next attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryWaits {
    /// By the number of attempts that were begun; the last one repeats.
    pub after: Vec<Duration>,
}

impl RetryWaits {
    /// After so many attempts. Who was never tried waits for nothing.
    #[must_use]
    pub fn of(&self, state: State, attempts: u32) -> Duration {
        if state == State::Accepted {
            return Duration::ZERO;
        }
        let index = usize::try_from(attempts).unwrap_or(usize::MAX);
        self.after.get(index).or(self.after.last()).copied().unwrap_or_default()
    }
}

/// What the claims are worth that are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claims {
    /// Somebody works on them: they are left alone.
    Live,
    /// They were voided just now, at the start.
    Void,
}
