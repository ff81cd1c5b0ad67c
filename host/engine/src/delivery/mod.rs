//! The outbox driver: claims what is due and delivers it, many at once.
//!
//! One future does it all, so that dropping it is what a crash is: every step
//! that matters was recorded before it was taken.
//!
//! Invariant: no claim is made while stopping, and a transaction that is under
//! way is finished, not cut.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{self, Either, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use model::port::BoxFuture;
use model::port::outbox::Claim;
use model::port::store::StoreError;
use tokio::sync::watch;

use crate::delivery::attempt::Attempt;
use crate::pool;
use crate::works::Works;

pub(crate) mod backoff;
pub(crate) mod verdict;
pub(crate) mod sent_copy;
pub(crate) mod attempt;

/// The driver looks round at least this often: a clock may jump, and idle sessions want closing.
const ROUND: Duration = Duration::from_secs(30);
/// While idle SMTP sessions wait, it looks round more often.
const WARM_ROUND: Duration = Duration::from_secs(5);
/// After the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// Never faster than this, whatever the store says is due.
const SHORTEST: Duration = Duration::from_millis(50);

/// Runs until `stop`, then finishes what is under way.
pub(crate) async fn run(works: Arc<Works>, stop: impl Future<Output = ()> + Send) {
    let works = &*works;
    let couriers = &works.couriers;
    let (stopping, stopped) = watch::channel(false);
    let mut stop = pin!(stop.fuse());
    let mut under_way: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
    let mut voided = false;
    loop {
        if !voided {
            voided = void_claims(works).await;
        }
        let mut pause = STORE_PAUSE;
        if voided {
            let room = couriers.hand().saturating_sub(under_way.len());
            match claim(works, room).await {
                Ok(claims) => {
                    let full = room > 0 && claims.len() >= room;
                    for claim in claims {
                        let attempt = Attempt::new(works, claim, stopped.clone());
                        under_way.push(attempt.run().boxed());
                    }
                    pause = if full { Duration::ZERO } else { until_due(works).await };
                }
                Err(error) => tracing::error!(%error, "the outbox cannot be claimed from"),
            }
        }
        tidy(works, &under_way);
        if couriers.has_warm() {
            pause = pause.min(WARM_ROUND);
        }
        let full_hands = under_way.len() >= couriers.hand();
        let woken = async {
            if full_hands {
                future::pending::<()>().await;
            }
            let sleep = works.ports.clock.sleep(pause.max(SHORTEST));
            future::select(pin!(works.accepted.notified()), sleep).await;
        };
        let ended = async {
            if under_way.is_empty() {
                future::pending::<()>().await;
            }
            under_way.next().await;
            // All that ended together cost one look at the outbox.
            while let Some(Some(())) = under_way.next().now_or_never() {}
        };
        let (woken, ended) = (pin!(woken), pin!(ended));
        let event = future::select(woken, ended);
        if let Either::Left(_) = future::select(&mut stop, event).await {
            break;
        }
    }
    let _ = stopping.send(true);
    while under_way.next().await.is_some() {}
    future::join_all(couriers.take_all_warm().into_iter().map(|session| session.quit())).await;
}

async fn void_claims(works: &Works) -> bool {
    match works.ports.outbox.void_claims().await {
        Ok(count) => {
            if count > 0 {
                tracing::info!(count, "claims of the last run are void");
            }
            true
        }
        Err(error) => {
            tracing::error!(%error, "the claims of the last run cannot be voided");
            false
        }
    }
}

async fn claim(works: &Works, room: usize) -> Result<Vec<Claim>, StoreError> {
    if room == 0 {
        return Ok(Vec::new());
    }
    let limit = u32::try_from(room).unwrap_or(u32::MAX);
    let now = works.ports.clock.now();
    works.ports.outbox.claim(&works.settings.owner, now, works.settings.lease, limit).await
}

async fn until_due(works: &Works) -> Duration {
    match works.ports.outbox.next_due().await {
        Ok(Some(due)) => due.since(works.ports.clock.now()).min(ROUND),
        Ok(None) => ROUND,
        Err(error) => {
            tracing::error!(%error, "the outbox does not say what is due next");
            STORE_PAUSE
        }
    }
}

/// Says goodbye to sessions that nobody needs, beside the deliveries.
fn tidy<'a>(works: &Works, under_way: &FuturesUnordered<BoxFuture<'a, ()>>) {
    let now = works.ports.clock.monotonic();
    let cold = works.couriers.take_cold(now, works.settings.smtp_warm);
    if !cold.is_empty() {
        let quits = future::join_all(cold.into_iter().map(|session| session.quit()));
        under_way.push(quits.map(drop).boxed());
    }
    let stale = works.pool.stale();
    if !stale.is_empty() {
        under_way.push(pool::logout(stale).boxed());
    }
}
