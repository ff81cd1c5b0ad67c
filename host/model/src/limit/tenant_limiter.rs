//! A limiter of units for each tenant and in all, with a fair queue.
//!
//! Units are what the caller counts: slots, bytes. Released units go to the waiting party that holds
//! the fewest; of equals, to the one that has waited longest. So no party's queue delays another's.
//!
//! The caller bounds the waiting, on its own clock: it passes a future that is ready at the timeout. No
//! async runtime is needed.
//!
//! Invariants: no party exceeds its bound, and all together never exceed the whole; requests of one
//! party are served in order; a request that fits does not wait, except behind one of a party that
//! holds less and needs more; a dropped permit or request, waiting or granted, releases its units.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::future::{Future, pending, poll_fn};
use std::hash::Hash;
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::limit::shares::{Bound, Rule, Shares};

/// The key that identifies a party, usually a tenant.
pub trait Key: Clone + Eq + Hash + Debug {}

impl<T: Clone + Eq + Hash + Debug> Key for T {}

/// Units of one kind. Clones share them.
#[derive(Clone, Debug)]
pub struct TenantLimiter<P: Key>(Arc<Mutex<State<P>>>);

#[derive(Debug)]
struct State<P: Key> {
    shares: Shares<P>,
    waiting: HashMap<P, VecDeque<Waiter>>,
    /// Numbers of requests that were granted while they waited.
    granted: HashSet<u64>,
    next: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    units: u64,
    waker: Waker,
}

/// Units held by a party; released on drop.
#[derive(Debug)]
pub struct Permit<P: Key> {
    limiter: TenantLimiter<P>,
    party: P,
    units: u64,
}

/// The error when a limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// The bound that was reached.
    pub bound: Bound,
    /// The units that the party holds.
    pub held: u64,
}

/// A request in the queue; drop removes it.
struct Request<'a, P: Key> {
    limiter: &'a TenantLimiter<P>,
    party: &'a P,
    units: u64,
    /// None once its units are in a permit.
    number: Option<u64>,
}

impl<P: Key> TenantLimiter<P> {
    /// `whole` is what all parties together may hold.
    #[must_use]
    pub fn new(rule: Rule, whole: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            shares: Shares::new(rule, whole),
            waiting: HashMap::new(),
            granted: HashSet::new(),
            next: 0,
        })))
    }

    /// A permit for no units, to be resized.
    #[must_use]
    pub fn nothing(&self, party: P) -> Permit<P> {
        Permit { limiter: self.clone(), party, units: 0 }
    }

    /// Takes units if they are free now.
    ///
    /// # Errors
    /// [`Full`].
    pub fn try_take(&self, party: &P, units: u64) -> Result<Permit<P>, Full> {
        let mut request = self.request(party, units)?;
        match request.poll(&Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => Ok(permit),
            Poll::Pending => Err(self.full(party, units)),
        }
    }

    /// Takes units; waits without a timeout.
    ///
    /// # Errors
    /// [`Full`] when the party's queue is full.
    pub async fn take(&self, party: &P, units: u64) -> Result<Permit<P>, Full> {
        self.take_until(party, units, pending()).await
    }

    /// Takes units; waits until `expired` is ready.
    ///
    /// # Errors
    /// [`Full`] at the timeout, or when the party's queue is full.
    pub async fn take_until(
        &self,
        party: &P,
        units: u64,
        expired: impl Future<Output = ()>,
    ) -> Result<Permit<P>, Full> {
        let mut request = self.request(party, units)?;
        let mut expired = pin!(expired);
        poll_fn(|context| {
            if let Poll::Ready(permit) = request.poll(context) {
                return Poll::Ready(Ok(permit));
            }
            expired.as_mut().poll(context).map(|()| Err(self.full(party, units)))
        })
        .await
    }

    /// Whether no units are held and no request waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let state = self.0.lock();
        state.shares.is_empty() && state.waiting.is_empty() && state.granted.is_empty()
    }

    /// Enters the queue, and serves it: a request that fits is granted at once.
    fn request<'a>(&'a self, party: &'a P, units: u64) -> Result<Request<'a, P>, Full> {
        let number = self.change(|state| {
            let waiting = state.waiting.get(party).map_or(0, VecDeque::len);
            if waiting as u64 >= state.shares.queue() {
                return None;
            }
            let number = state.next;
            state.next += 1;
            let waiter = Waiter { number, units, waker: Waker::noop().clone() };
            state.waiting.entry(party.clone()).or_default().push_back(waiter);
            Some(number)
        });
        match number {
            Some(_) => Ok(Request { limiter: self, party, units, number }),
            None => Err(self.full(party, units)),
        }
    }

    fn full(&self, party: &P, units: u64) -> Full {
        let state = self.0.lock();
        Full { bound: state.shares.bound(party, units), held: state.shares.held(party) }
    }

    /// Changes the state, and grants the units that became free.
    fn change<T>(&self, change: impl FnOnce(&mut State<P>) -> T) -> T {
        let mut state = self.0.lock();
        let answer = change(&mut state);
        let granted = state.grant();
        drop(state);
        granted.into_iter().for_each(Waker::wake);
        answer
    }
}

impl<P: Key> State<P> {
    /// Takes units for waiting requests.
    fn grant(&mut self) -> Vec<Waker> {
        let mut granted = Vec::new();
        while let Some((party, number)) = self.first_in_line() {
            let Some(waiter) = self.leave(&party, number) else { break };
            self.shares.take(&party, waiter.units);
            self.granted.insert(waiter.number);
            granted.push(waiter.waker);
        }
        granted
    }

    /// Removes a request from the queue.
    fn leave(&mut self, party: &P, number: u64) -> Option<Waiter> {
        let queue = self.waiting.get_mut(party)?;
        let at = queue.iter().position(|waiter| waiter.number == number)?;
        let waiter = queue.remove(at);
        if queue.is_empty() {
            self.waiting.remove(party);
        }
        waiter
    }

    /// The party that is served next: of those below their own bound, the one that holds the fewest.
    /// When its request does not fit, no party is served: else small requests would always overtake a
    /// large one.
    fn first_in_line(&self) -> Option<(P, u64)> {
        let able = self.waiting.iter().filter_map(|(party, queue)| {
            let first = queue.front()?;
            let able = !self.shares.exceeds_own(party, first.units);
            able.then_some((self.shares.held(party), first.number, first.units, party))
        });
        let (_, number, units, party) = able.min_by_key(|(held, number, ..)| (*held, *number))?;
        self.shares.admits(party, units).then(|| (party.clone(), number))
    }
}

impl<P: Key> Request<'_, P> {
    fn poll(&mut self, context: &Context<'_>) -> Poll<Permit<P>> {
        let Some(number) = self.number else { return Poll::Pending };
        let mut state = self.limiter.0.lock();
        if state.granted.remove(&number) {
            self.number = None;
            let mut permit = self.limiter.nothing(self.party.clone());
            permit.units = self.units;
            return Poll::Ready(permit);
        }
        let mut queue = state.waiting.get_mut(self.party).into_iter().flatten();
        let waiter = queue.find(|waiter| waiter.number == number);
        let before = waiter.map(|waiter| mem::replace(&mut waiter.waker, context.waker().clone()));
        // Dropping a waker may run foreign code: never under the lock.
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl<P: Key> Drop for Request<'_, P> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let left = self.limiter.change(|state| {
            if state.granted.remove(&number) {
                state.shares.give_back(self.party, self.units);
                return None;
            }
            state.leave(self.party, number)
        });
        drop(left);
    }
}

impl<P: Key> Permit<P> {
    /// The holder.
    #[must_use]
    pub fn party(&self) -> &P {
        &self.party
    }

    /// What it holds by this permit.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Makes it larger, before all that wait, or smaller.
    ///
    /// # Errors
    /// [`Full`]; then it stays as it is. A smaller permit always fits.
    pub fn resize(&mut self, units: u64) -> Result<(), Full> {
        let more = units.saturating_sub(self.units);
        let fits = self.limiter.change(|state| {
            let fits = more == 0 || state.shares.admits(&self.party, more);
            if fits {
                state.shares.take(&self.party, more);
                state.shares.give_back(&self.party, self.units.saturating_sub(units));
            }
            fits
        });
        if !fits {
            return Err(self.limiter.full(&self.party, more));
        }
        self.units = units;
        Ok(())
    }
}

impl<P: Key> Drop for Permit<P> {
    fn drop(&mut self) {
        self.limiter.change(|state| state.shares.give_back(&self.party, self.units));
    }
}
