//! The outbox driver: claims what is due and delivers it, concurrently.
//!
//! A single future runs everything, so that dropping it is what a crash is: every step that matters
//! was recorded before it was taken.
//!
//! Invariant: no claim is made while stopping, and a transaction that is under way is finished, not
//! aborted.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{self, Either, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use model::instant::Timestamp;
use model::port::BoxFuture;
use model::port::maintenance::Claims;
use model::port::outbox::{ClaimRequest, Claimed};
use model::port::store_error::StoreError;
use tokio::sync::watch;

use crate::imap_pool;
use crate::login::account_ref::AccountRef;
use crate::outbox::attempt::Attempt;
use crate::outbox::concurrency::Look;
use crate::outbox::worker::Worker;
use crate::outbox::{backoff, maintenance, sent_copy};

/// The driver queries at least this often: a clock may jump.
const ROUND: Duration = Duration::from_secs(30);
/// Interval of checks for idle sessions.
const TIDY: Duration = Duration::from_secs(5);
/// The pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// Minimum interval, whatever the store says is due.
const SHORTEST: Duration = Duration::from_millis(50);

/// What the driver waits for.
enum Event {
    Stop,
    /// A slot was released, or a submission was accepted.
    Changed,
    Claimed(Result<Claimed, StoreError>),
    /// A submission is due.
    Due,
    Tidy,
}

/// Runs until `stop`, then finishes deliveries under way.
pub(crate) async fn run(worker: &Worker, stop: impl Future<Output = ()> + Send) {
    let (clock, slots) = (&worker.clock, &worker.slots);
    let (stopping, stopped) = watch::channel(false);
    let mut stop = pin!(stop.fuse());
    let mut under_way: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
    while !release_claims(worker).await {
        if let Either::Left(_) = future::select(&mut stop, clock.sleep(STORE_PAUSE)).await {
            return;
        }
    }
    let mut claiming: Option<BoxFuture<'_, Result<Claimed, StoreError>>> = None;
    let mut looked = clock.now();
    let mut due: BoxFuture<'_, ()> = future::pending().boxed();
    let mut tidying = clock.sleep(TIDY);
    let mut changed = pin!(slots.changed());
    let mut copying = pin!(sent_copy::run(worker));
    // A claim failed: submissions due then are queried after its pause, and not after that of
    // another event.
    let mut failed = false;
    slots.look();
    loop {
        if claiming.is_none()
            && let Some(look) = slots.take_look()
        {
            looked = clock.now();
            claiming = Some(claim(worker, look, looked).boxed());
        }
        let event = poll_fn(|context| {
            if stop.as_mut().poll(context).is_ready() {
                return Poll::Ready(Event::Stop);
            }
            let _ = copying.poll_unpin(context);
            // All deliveries that ended together cost one query of the outbox.
            while let Poll::Ready(Some(())) = under_way.poll_next_unpin(context) {}
            if let Some(answer) = &mut claiming
                && let Poll::Ready(answer) = answer.poll_unpin(context)
            {
                return Poll::Ready(Event::Claimed(answer));
            }
            if changed.as_mut().poll(context).is_ready() {
                return Poll::Ready(Event::Changed);
            }
            if due.poll_unpin(context).is_ready() {
                return Poll::Ready(Event::Due);
            }
            tidying.poll_unpin(context).map(|()| Event::Tidy)
        });
        match event.await {
            Event::Stop => break,
            Event::Changed => {
                changed.set(slots.changed());
                if slots.take_deferred() && !failed {
                    due = until_due(worker, looked).boxed();
                }
            }
            Event::Due => {
                failed = false;
                due = future::pending().boxed();
                slots.look();
            }
            Event::Tidy => {
                close_idle_sessions(worker, &under_way);
                tidying = clock.sleep(TIDY);
            }
            Event::Claimed(answer) => {
                claiming = None;
                match answer {
                    Ok(claimed) => {
                        failed = false;
                        begin(worker, claimed, &stopped, &under_way);
                        due = until_due(worker, looked).boxed();
                    }
                    Err(error) => {
                        tracing::error!(%error, "the outbox cannot be claimed from");
                        failed = true;
                        due = clock.sleep(STORE_PAUSE);
                    }
                }
            }
        }
    }
    let _ = stopping.send(true);
    // Its claims are released.
    if let Some(claiming) = claiming
        && let Ok(claimed) = claiming.await
    {
        begin(worker, claimed, &stopped, &under_way);
    }
    let drained = async { while under_way.next().await.is_some() {} };
    // A copy that is aborted stays pending: the mailbox is searched before it is tried again.
    future::select(pin!(drained), copying).await;
    future::join_all(slots.take_all_idle().into_iter().map(|session| session.quit())).await;
}

/// Takes a slot for each claim, and starts its attempt in it.
fn begin<'a>(
    worker: &'a Worker,
    claimed: Claimed,
    stopped: &watch::Receiver<bool>,
    under_way: &FuturesUnordered<BoxFuture<'a, ()>>,
) {
    for claim in claimed.claims {
        let owner = AccountRef { tenant: claim.tenant.clone(), account: claim.account.clone() };
        let place = worker.slots.begin(&owner, claim.generation);
        under_way.push(Attempt::new(worker, claim, stopped.clone()).run(place).boxed());
    }
}

async fn claim(worker: &Worker, look: Look, now: Timestamp) -> Result<Claimed, StoreError> {
    let Worker { outbox, entropy, settings, slots, .. } = worker;
    let wish = ClaimRequest {
        owner: settings.owner.clone(),
        now,
        lease: settings.lease,
        room: look.room.clone(),
        pauses: backoff::after_crash(&settings.backoff, &**entropy),
    };
    let claimed = outbox.claim(wish).await?;
    if claimed.more {
        slots.left(&look, claimed.claims.len());
    }
    Ok(claimed)
}

/// Ready when a submission becomes due that was not due at the time `looked`. The store is queried
/// after the minimum interval: while claims follow each other, this is dropped before.
async fn until_due(worker: &Worker, looked: Timestamp) {
    let clock = &worker.clock;
    clock.sleep(SHORTEST).await;
    let now = clock.now();
    let pause = match worker.outbox.next_due(looked.min(now)).await {
        Ok(Some(due)) => due.since(now).min(ROUND),
        Ok(None) => ROUND,
        Err(error) => {
            tracing::error!(%error, "the outbox does not say what is due next");
            STORE_PAUSE
        }
    };
    clock.sleep(pause).await;
}

/// True once the claims of the last run are void.
async fn release_claims(worker: &Worker) -> bool {
    match worker.outbox.release_claims().await {
        Ok(count) => {
            if count > 0 {
                tracing::info!(count, "claims of the last run are void");
            }
            // The clock may have been set while no host ran.
            maintenance::reschedule_after_clock_change(worker, Claims::Void).await;
            true
        }
        Err(error) => {
            tracing::error!(%error, "the claims of the last run cannot be voided");
            false
        }
    }
}

/// Logs out idle sessions, beside the deliveries.
fn close_idle_sessions<'a>(worker: &Worker, under_way: &FuturesUnordered<BoxFuture<'a, ()>>) {
    let now = worker.clock.monotonic();
    let cold = worker.slots.expire_idle(now, worker.settings.smtp_warm);
    if !cold.is_empty() {
        let quits = future::join_all(cold.into_iter().map(|session| session.quit()));
        under_way.push(quits.map(drop).boxed());
    }
    let stale = worker.pool.stale();
    if !stale.is_empty() {
        under_way.push(imap_pool::logout(stale).boxed());
    }
}
