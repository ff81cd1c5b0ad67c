//! The port of outbox maintenance: condition of the disk, counts, and removal of old submissions.
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

/// Maintenance of the outbox.
pub trait Maintenance: Send + Sync {
    /// Whether writes become durable.
    fn condition(&self) -> Condition;
    /// Ready once the disk has failed for good. A caller that waits does not keep the store open.
    fn failed(&self) -> BoxFuture<'static, ()>;
    /// Counts by state, and the oldest pending submission.
    fn figures(&self) -> BoxFuture<'_, Result<OutboxCounts, StoreError>>;
    /// Removes submissions that ended longer ago than `age`, at most `rows` rows with all that
    /// belongs to them; returns how many. Fewer than `rows` means that none is left. Age counts
    /// only while a host has the outbox open, and is independent of changes of the wall clock.
    fn prune(&self, age: Duration, rows: u32) -> BoxFuture<'_, Result<u32, StoreError>>;
    /// Whether the submission existed and was removed. May be false for one whose id holds its time
    /// ([`SubmissionId::made`]).
    fn was_pruned<'a>(&'a self, id: &'a SubmissionId) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// Makes due earlier what is due later than `waits` allow, counted from `now`; returns how
    /// many. To be called when the clock was set back: what was deferred would wait for the old
    /// time.
    fn reschedule<'a>(
        &'a self,
        now: Timestamp,
        waits: &'a RetryWaits,
        claims: Claims,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;
}

/// Whether writes become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// They do.
    Writable,
    /// New mail is refused for lack of space; submissions in the outbox can end.
    Full,
    /// The disk failed: later writes may not be durable.
    Failed,
}

impl Condition {
    /// Every condition.
    pub const EVERY: [Self; 3] = [Self::Writable, Self::Full, Self::Failed];

    /// As the API shows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Writable => "writable",
            Self::Full => "full",
            Self::Failed => "failed",
        }
    }
}

/// The number of submissions in an outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    /// Submissions by state; states without any are left out.
    pub states: Vec<(State, u64)>,
    /// When the oldest submission that has not ended was accepted.
    pub oldest: Option<Timestamp>,
}

/// The longest regular wait of a submission before its next attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryWaits {
    /// By the number of attempts begun; the last one repeats.
    pub after: Vec<Duration>,
}

impl RetryWaits {
    /// The wait after so many attempts; zero for a submission that was never tried.
    #[must_use]
    pub fn of(&self, state: State, attempts: u32) -> Duration {
        if state == State::Accepted {
            return Duration::ZERO;
        }
        let index = usize::try_from(attempts).unwrap_or(usize::MAX);
        self.after.get(index).or(self.after.last()).copied().unwrap_or_default()
    }
}

/// The validity of claims found in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claims {
    /// A worker holds them: they are left alone.
    Live,
    /// They were voided at the start.
    Void,
}
