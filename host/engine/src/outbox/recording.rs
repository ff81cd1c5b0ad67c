//! Durable recording of attempt results, retried for as long as it takes.
//!
//! Invariant: a mail server's verdict is not lost because the disk is full for a while: the server
//! may have the message.

use std::pin::pin;
use std::time::Duration;

use futures_util::future;
use model::instant::Timestamp;
use model::port::outbox::{AttemptStep, Claim};
use model::port::store_error::StoreError;
use tokio::sync::watch;

use crate::login::account_ref::AccountRef;
use crate::outbox::delivery_slots::Verdict;
use crate::outbox::worker::Worker;

/// Recording a verdict is retried for as long as the host runs; when it stops, this often.
const LAST_RECORDINGS: u32 = 10;
/// The pause between retries; it grows unless the host is stopping.
const RECORDING_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause.
const LONGEST_RECORDING_PAUSE: Duration = Duration::from_secs(30);

/// Records a verdict. One that is not durable is kept for the submission's next claim.
pub(crate) async fn keep(
    worker: &Worker,
    claim: &Claim,
    verdict: &Verdict,
    mut stopping: watch::Receiver<bool>,
) {
    let (outbox, slots) = (&worker.outbox, &worker.slots);
    let (mut pause, mut last) = (RECORDING_PAUSE, 0);
    loop {
        let Verdict { step, copy } = verdict.clone();
        let recorded = if copy {
            outbox.record_and_copy(&claim.id, claim.epoch, step)
        } else {
            outbox.record(&claim.id, claim.epoch, step)
        };
        match recorded.await {
            Ok(()) => {
                slots.take_verdict(&claim.id);
                if copy {
                    worker.sent.notify_one();
                }
                match again(&verdict.step) {
                    None => {}
                    Some(due) if due > worker.clock.now() => slots.deferred(),
                    // A query for what is due later would not find it.
                    Some(_) => slots.accepted(&AccountRef {
                        tenant: claim.tenant.clone(),
                        account: claim.account.clone(),
                    }),
                }
                return;
            }
            Err(error @ StoreError::LostClaim) => return failed(claim, &error),
            Err(error) => tracing::error!(id = %claim.id, %error, "a verdict waits"),
        }
        slots.leave_verdict(&claim.id, verdict);
        let sleep = |pause| worker.clock.sleep(pause);
        if *stopping.borrow() {
            if last == LAST_RECORDINGS {
                return;
            }
            last += 1;
            sleep(RECORDING_PAUSE).await;
        } else {
            let stop = pin!(stopping.wait_for(|stopping| *stopping));
            drop(future::select(sleep(pause), stop).await);
            pause = (pause * 2).min(LONGEST_RECORDING_PAUSE);
        }
    }
}

/// A local failure says nothing about the message: its claim expires, and it is claimed again.
pub(crate) fn failed(claim: &Claim, error: &StoreError) {
    match error {
        StoreError::LostClaim => tracing::info!(id = %claim.id, "the claim was lost"),
        StoreError::Exists
        | StoreError::Cursor
        | StoreError::Sealed
        | StoreError::Full
        | StoreError::Failed(_) => {
            tracing::error!(id = %claim.id, %error, "an attempt cannot be recorded");
        }
    }
}

/// The same step, of an attempt that does not count.
pub(crate) fn uncounted(step: AttemptStep) -> AttemptStep {
    match step {
        AttemptStep::Ended { state, recipients, due, last_error } => {
            AttemptStep::Uncounted { state, recipients, due, last_error }
        }
        other @ (AttemptStep::Uncounted { .. }
        | AttemptStep::DotSent
        | AttemptStep::Damaged { .. }) => other,
    }
}

/// When another attempt follows.
fn again(step: &AttemptStep) -> Option<Timestamp> {
    match step {
        AttemptStep::Ended { state, due, .. } | AttemptStep::Uncounted { state, due, .. } => {
            (!state.is_final()).then_some(*due)
        }
        AttemptStep::DotSent | AttemptStep::Damaged { .. } => None,
    }
}
