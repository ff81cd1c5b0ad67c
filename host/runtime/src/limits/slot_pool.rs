//! A pool of slots shared by parties, with a fair queue.
//!
//! A released slot goes to the waiting party with the fewest; of equals, to the one that has waited
//! longest. So no party's queue delays another's.
//!
//! Invariants: no request is passed over that would be admitted; no party has more requests waiting
//! than its fair share of the slots; what is dropped, whether held, waiting or in transit, is
//! released.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::error::CapacityError;
use crate::limits::fair_share::Shares;
use crate::limits::memory::PartyMemory;
use crate::limits::party::Party;

/// Slots of one kind.
#[derive(Debug)]
pub(crate) struct SlotPool {
    places: u32,
    /// The linear memory that one party's instances may have together.
    memory: usize,
    queue: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    shares: Shares<Party>,
    waiting: HashMap<Party, VecDeque<Waiter>>,
    accounts: HashMap<Party, Arc<PartyMemory>>,
    next: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    give: oneshot::Sender<Slot>,
}

/// One slot of a party; released on drop.
#[derive(Debug)]
pub(crate) struct Slot {
    pool: Arc<SlotPool>,
    party: Party,
    account: Arc<PartyMemory>,
}

/// A position in the queue; left on drop.
struct Queued<'a> {
    pool: &'a SlotPool,
    party: &'a Party,
    number: u64,
}

impl SlotPool {
    /// `parties` is their maximum number; `memory` the limit of each; `queue` how many requests of
    /// a party may wait at least, however few slots there are.
    pub(crate) fn new(places: u32, parties: u32, memory: usize, queue: u32) -> Self {
        let state = State {
            shares: Shares::new(places, parties),
            waiting: HashMap::new(),
            accounts: HashMap::new(),
            next: 0,
        };
        Self { places, memory, queue, state: Mutex::new(state) }
    }

    /// Takes a slot, at once or within `patience`.
    pub(crate) async fn take(
        self: &Arc<Self>,
        party: &Party,
        patience: Duration,
    ) -> Result<Slot, CapacityError> {
        let (number, given) = {
            let mut state = self.lock();
            if state.shares.admits(party) {
                return Ok(self.seat(&mut state, party));
            }
            let most = state.shares.fair().max(self.queue);
            let waiting = state.waiting.get(party).map_or(0, VecDeque::len);
            if waiting >= most as usize {
                return Err(self.full(&state, party));
            }
            let (give, given) = oneshot::channel();
            let number = state.next;
            state.next += 1;
            let queue = state.waiting.entry(party.clone()).or_default();
            queue.push_back(Waiter { number, give });
            (number, given)
        };
        let queued = Queued { pool: self, party, number };
        if let Ok(Ok(seat)) = timeout(patience, given).await {
            return Ok(seat);
        }
        drop(queued);
        Err(self.full(&self.lock(), party))
    }

    /// The limit that prevents one more slot for the party.
    fn full(&self, state: &State, party: &Party) -> CapacityError {
        let (held, places) = (state.shares.held(party), self.places);
        match party {
            Party::Tenant(_) if held >= state.shares.fair() => {
                CapacityError::Tenant { held, places }
            }
            Party::Strangers(_) if held >= state.shares.fair() => {
                CapacityError::Strangers { held, places }
            }
            Party::Tenant(_) | Party::Strangers(_) | Party::Host => CapacityError::Host { places },
        }
    }

    fn seat(self: &Arc<Self>, state: &mut State, party: &Party) -> Slot {
        state.shares.take(party);
        let limit = self.memory;
        let full = match party {
            Party::Tenant(_) | Party::Host => CapacityError::TenantMemory { limit },
            Party::Strangers(_) => CapacityError::StrangersMemory { limit },
        };
        let fresh = || Arc::new(PartyMemory::new(limit, full));
        let account = state.accounts.entry(party.clone()).or_insert_with(fresh);
        Slot { pool: Arc::clone(self), party: party.clone(), account: Arc::clone(account) }
    }

    /// Assigns free slots to admitted waiters.
    fn hand_out(self: &Arc<Self>, state: &mut State) -> Vec<(Waiter, Slot)> {
        let mut out = Vec::new();
        while let Some(party) = state.first_in_line() {
            if !state.shares.admits(&party) {
                break;
            }
            let Some(queue) = state.waiting.get_mut(&party) else { break };
            let waiter = queue.pop_front();
            if queue.is_empty() {
                state.waiting.remove(&party);
            }
            if let Some(waiter) = waiter {
                let seat = self.seat(state, &party);
                out.push((waiter, seat));
            }
        }
        out
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.waiting.is_empty() && state.accounts.is_empty()
    }
}

impl State {
    /// The next waiter: the party that holds least is admitted if any is.
    fn first_in_line(&self) -> Option<Party> {
        let key = |(party, queue): &(&Party, &VecDeque<Waiter>)| {
            (self.shares.held(party), queue.front().map_or(u64::MAX, |waiter| waiter.number))
        };
        self.waiting.iter().min_by_key(key).map(|(party, _)| party.clone())
    }
}

impl Slot {
    pub(crate) fn party(&self) -> &Party {
        &self.party
    }

    pub(crate) fn account(&self) -> &Arc<PartyMemory> {
        &self.account
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let out = {
            let mut state = self.pool.lock();
            state.shares.give_back(&self.party);
            if state.shares.held(&self.party) == 0 {
                state.accounts.remove(&self.party);
            }
            self.pool.hand_out(&mut state)
        };
        for (waiter, seat) in out {
            // A waiter that is gone releases its slot on drop.
            drop(waiter.give.send(seat));
        }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        let Some(queue) = state.waiting.get_mut(self.party) else { return };
        queue.retain(|waiter| waiter.number != self.number);
        if queue.is_empty() {
            state.waiting.remove(self.party);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn tenant(name: &str) -> Party {
        Party::Tenant(name.parse().unwrap())
    }

    fn pool(places: u32, parties: u32) -> Arc<SlotPool> {
        Arc::new(SlotPool::new(places, parties, 1 << 20, 0))
    }

    /// As many as the party gets at once.
    fn flood(pool: &Arc<SlotPool>, party: &Party) -> Vec<Slot> {
        std::iter::from_fn(|| pool.take(party, PATIENCE).now_or_never()?.ok()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn two_that_take_all_they_get_leave_places_for_a_third() {
        let pool = pool(8, 3);
        let (a, b) = (flood(&pool, &tenant("a")), flood(&pool, &tenant("b")));
        assert_eq!((a.len(), b.len()), (4, 2));
        assert_eq!(flood(&pool, &tenant("c")).len(), 2);
        let told = pool.take(&tenant("a"), PATIENCE).await.unwrap_err();
        assert_eq!(told, CapacityError::Tenant { held: 4, places: 8 });
        drop((a, b));
        assert!(pool.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_fewest_is_served_first_however_long_others_wait() {
        let pool = pool(2, 100);
        let mut a = flood(&pool, &tenant("a"));
        a.extend(flood(&pool, &tenant("b")));
        assert_eq!(a.len(), 2, "one for each");
        let (again, newcomer) = (tenant("a"), tenant("c"));
        let mut long = Box::pin(pool.take(&again, PATIENCE));
        assert!((&mut long).now_or_never().is_none());
        let mut short = Box::pin(pool.take(&newcomer, PATIENCE));
        assert!((&mut short).now_or_never().is_none());
        drop(a.pop());
        let served = short.now_or_never().unwrap().unwrap();
        assert!((&mut long).now_or_never().is_none());
        drop(served);
        drop(long);
        drop(a);
        assert!(pool.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn where_a_queue_is_asked_for_a_lone_party_may_wait() {
        let pool = Arc::new(SlotPool::new(4, 3, 1 << 20, 8));
        let mut held = flood(&pool, &tenant("a"));
        let a = tenant("a");
        let mut waiting: Vec<_> = (0..8).map(|_| Box::pin(pool.take(&a, PATIENCE))).collect();
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        assert!(pool.take(&a, PATIENCE).now_or_never().unwrap().is_err(), "the ninth");
        drop(held.pop());
        assert!(waiting.iter_mut().any(|one| matches!(one.now_or_never(), Some(Ok(_)))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_partys_queue_is_bounded_and_a_full_host_says_so() {
        let pool = pool(1, 2);
        let held = flood(&pool, &tenant("a"));
        let (a, b) = (tenant("a"), tenant("b"));
        let mut waits = Box::pin(pool.take(&b, PATIENCE));
        assert!((&mut waits).now_or_never().is_none());
        let told = pool.take(&b, PATIENCE).now_or_never().unwrap().unwrap_err();
        assert_eq!(told, CapacityError::Host { places: 1 });
        assert_eq!(waits.await.unwrap_err(), CapacityError::Host { places: 1 });
        let told = pool.take(&a, PATIENCE).await.unwrap_err();
        assert_eq!(told, CapacityError::Tenant { held: 1, places: 1 });
        drop(held);
        assert!(pool.is_empty());
    }
}
