//! Outbox rules shared by both stores.
//!
//! Pure. The meaning of states is the engine's; here is only what a store needs to keep its
//! guarantees.

use std::time::Duration;

use model::instant::Timestamp;
use model::mail::address::EmailAddress;
use model::submission::{RecipientVerdict, State};

/// Minimum retention of an idempotency key, in uptime; longer while its submission is unfinished.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(72 * 60 * 60);

/// Maximum size of one claim, for every caller: it holds as many small bodies in memory.
pub(crate) const CLAIMED: u32 = 256;

/// Whether a key used then, whose submission has that state now, is no longer valid. In uptime.
pub(crate) fn is_forgotten(used: Timestamp, state: State, now: Timestamp) -> bool {
    state.is_final() && used.after(REMEMBERED) <= now
}

/// The error of a submission that could not be read, as callers see it.
pub(crate) const DAMAGED: &str =
    "the stored submission is damaged and was put aside; `postlet doctor` tells the operator";

/// Whether a worker holds it: no attempt can end in this state.
pub(crate) fn is_held(state: State) -> bool {
    matches!(state, State::Claimed | State::Dialing | State::DotSent)
}

/// Whether another attempt may cause a duplicate.
pub(crate) fn in_doubt(found: State) -> bool {
    matches!(found, State::DotSent | State::Uncertain)
}

/// Whether the state resolves earlier doubt, although the attempt does not count and no server
/// accepted the message.
pub(crate) fn ends_doubt(state: State) -> bool {
    !matches!(state, State::Uncertain | State::Sent)
}

/// Recipients without a result.
pub(crate) fn untried(recipients: &[EmailAddress]) -> Vec<RecipientVerdict> {
    let untried = |recipient: &EmailAddress| RecipientVerdict {
        recipient: recipient.clone(),
        state: State::Accepted,
        reply: None,
        at: None,
    };
    recipients.iter().map(untried).collect()
}
