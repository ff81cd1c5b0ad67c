//! What both stores must agree on about submissions.
//!
//! Pure. The meaning of states is the engine's; here is only what a store has
//! to know to keep its promises.

use std::time::Duration;

use model::instant::Timestamp;
use model::mail::address::EmailAddress;
use model::submission::{RecipientVerdict, State};

/// How long an idempotency key is remembered at least, by the host's own time; and never shorter than its
/// submission is unfinished.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(72 * 60 * 60);

/// What one claim takes at most, whoever asks: it holds as many small bodies in memory.
pub(crate) const CLAIMED: u32 = 256;

/// A key used then, whose submission is in that state now, means nothing any more. By the host's own time.
pub(crate) fn is_forgotten(used: Timestamp, state: State, now: Timestamp) -> bool {
    state.is_final() && used.after(REMEMBERED) <= now
}

/// Why a submission has failed that could not be read: for whoever sees it.
pub(crate) const DAMAGED: &str =
    "the stored submission is damaged and was put aside; `postlet doctor` tells the operator";

/// A worker has it: no attempt can end so.
pub(crate) fn is_held(state: State) -> bool {
    matches!(state, State::Claimed | State::Dialing | State::DotSent)
}

/// Whoever makes another attempt may send it twice.
pub(crate) fn in_doubt(found: State) -> bool {
    matches!(found, State::DotSent | State::Uncertain)
}

/// What was found in doubt is so no more, though the attempt does not count and no server took it.
pub(crate) fn ends_doubt(state: State) -> bool {
    !matches!(state, State::Uncertain | State::Sent)
}

/// Recipients of whom nothing is known yet.
pub(crate) fn untried(recipients: &[EmailAddress]) -> Vec<RecipientVerdict> {
    let untried = |recipient: &EmailAddress| RecipientVerdict {
        recipient: recipient.clone(),
        state: State::Accepted,
        reply: None,
        at: None,
    };
    recipients.iter().map(untried).collect()
}
