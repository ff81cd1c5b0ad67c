//! CPU turns: round-robin scheduling of guests over parties.
//!
//! A guest computes for one tick of the epoch, then requests its next turn and yields the worker
//! until it has it. It releases the turn after that tick, or as soon as it waits for the host. A
//! guest that has just begun may have a turn for each worker; the others share one fewer, so that
//! there is a worker for a newcomer. Where there is one worker, there is one turn.
//!
//! Invariants: a party with many guests gets no more turns than one with a single guest that wants
//! as many; a turn never outlives the guest that has it.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use model::caller::Party;
use tokio::runtime::Handle;

/// A guest that has had fewer turns counts as new.
const FRESH: u32 = 4;

/// All turns of the process.
#[derive(Debug, Default)]
pub(crate) struct CpuTurns {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Zero until it is known.
    workers: u32,
    next: u64,
    seats: HashMap<u64, Seated>,
    /// Turns in use, and those of them by guests that are not new.
    taken: u32,
    taken_by_old: u32,
    /// Parties with waiting guests, in the order of their turns.
    ring: VecDeque<Party>,
    queues: HashMap<Party, Queues>,
}

/// One party's waiting guests.
#[derive(Debug, Default)]
struct Queues {
    fresh: VecDeque<u64>,
    old: VecDeque<u64>,
}

impl Queues {
    fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.old.is_empty()
    }
}

#[derive(Debug)]
struct Seated {
    turns: u32,
    place: Place,
}

/// The scheduling state of a guest.
#[derive(Debug)]
enum Place {
    /// It waits for the host, or computes before its first request for a turn.
    Outside,
    Waiting(Waker),
    /// It was given a turn, but does not compute yet.
    Called {
        old: bool,
    },
    Computing {
        old: bool,
    },
}

/// One guest's handle on the scheduler. Its turn is released on drop.
#[derive(Debug)]
pub(crate) struct Processor {
    turns: Arc<CpuTurns>,
    party: Party,
    number: u64,
    /// Spares most polls the lock.
    computing: AtomicBool,
}

impl CpuTurns {
    pub(crate) fn chair(self: &Arc<Self>, party: Party) -> Processor {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.seats.insert(number, Seated { turns: 0, place: Place::Outside });
        drop(state);
        Processor { turns: Arc::clone(self), party, number, computing: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    #[cfg(test)]
    fn with_workers(workers: u32) -> Arc<Self> {
        let turns = Self::default();
        turns.lock().workers = workers;
        Arc::new(turns)
    }
}

impl Processor {
    pub(crate) fn party(&self) -> &Party {
        &self.party
    }

    /// Yields the worker, and returns with a turn.
    pub(crate) async fn turn(&self) {
        let mut asked = false;
        let mut wish = Wish(Some(self));
        poll_fn(|context| self.poll(context, &mut asked)).await;
        // Without a yield to tokio's own scheduler I/O would be polled only after many polls.
        tokio::task::yield_now().await;
        self.begin();
        wish.0 = None;
    }

    /// Releases the turn when the guest no longer computes: to be called after each poll.
    pub(crate) fn rest(&self) {
        if !self.computing.swap(false, Relaxed) {
            return;
        }
        let mut state = self.turns.lock();
        if state.leave(self.number, Leaving::Computing) {
            state.call();
        }
    }

    fn poll(&self, context: &Context<'_>, asked: &mut bool) -> Poll<()> {
        let mut state = self.turns.lock();
        if !*asked {
            *asked = true;
            self.computing.store(false, Relaxed);
            state.leave(self.number, Leaving::Computing);
            state.queue(&self.party, self.number, context.waker());
            state.call();
        }
        let Some(seat) = state.seats.get_mut(&self.number) else { return Poll::Ready(()) };
        match &mut seat.place {
            Place::Waiting(waker) => {
                waker.clone_from(context.waker());
                Poll::Pending
            }
            Place::Called { .. } | Place::Computing { .. } | Place::Outside => Poll::Ready(()),
        }
    }

    fn begin(&self) {
        let mut state = self.turns.lock();
        if let Some(seat) = state.seats.get_mut(&self.number)
            && let Place::Called { old } = seat.place
        {
            seat.place = Place::Computing { old };
            self.computing.store(true, Relaxed);
        }
    }
}

/// A requested turn; if it is dropped before it begins, the turn goes to another guest. The
/// [`Processor`] may live on, with the body of a response.
struct Wish<'a>(Option<&'a Processor>);

impl Drop for Wish<'_> {
    fn drop(&mut self) {
        if let Some(chair) = self.0 {
            chair.give_up();
        }
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        self.give_up();
        self.turns.lock().seats.remove(&self.number);
    }
}

impl Processor {
    fn give_up(&self) {
        let mut state = self.turns.lock();
        state.leave(self.number, Leaving::Whatever);
        if let Some(seat) = state.seats.get_mut(&self.number) {
            seat.place = Place::Outside;
        }
        if let Some(queues) = state.queues.get_mut(&self.party) {
            queues.fresh.retain(|number| *number != self.number);
            queues.old.retain(|number| *number != self.number);
            if queues.is_empty() {
                state.queues.remove(&self.party);
                state.ring.retain(|party| *party != self.party);
            }
        }
        state.call();
    }
}

/// What a guest releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    Computing,
    Whatever,
}

impl State {
    /// Releases a turn; true when there was one.
    fn leave(&mut self, number: u64, what: Leaving) -> bool {
        let Some(seat) = self.seats.get_mut(&number) else { return false };
        let old = match seat.place {
            Place::Computing { old } => old,
            Place::Called { old } if what == Leaving::Whatever => old,
            Place::Called { .. } | Place::Waiting(_) | Place::Outside => return false,
        };
        seat.place = Place::Outside;
        self.taken -= 1;
        self.taken_by_old -= u32::from(old);
        true
    }

    fn queue(&mut self, party: &Party, number: u64, waker: &Waker) {
        let Some(seat) = self.seats.get_mut(&number) else { return };
        if !matches!(seat.place, Place::Outside) {
            return;
        }
        seat.place = Place::Waiting(waker.clone());
        let fresh = seat.turns < FRESH;
        let queues = self.queues.entry(party.clone()).or_default();
        if queues.is_empty() {
            self.ring.push_back(party.clone());
        }
        if fresh { queues.fresh.push_back(number) } else { queues.old.push_back(number) }
    }

    /// Assigns free turns.
    fn call(&mut self) {
        let workers = self.workers();
        while self.taken < workers {
            let room = self.taken_by_old < workers.saturating_sub(1).max(1);
            let ready = |party: &Party| {
                let queues = self.queues.get(party);
                queues.is_some_and(|q| !q.fresh.is_empty() || (room && !q.old.is_empty()))
            };
            let at = self.ring.iter().position(ready);
            let Some(party) = at.and_then(|at| self.ring.remove(at)) else { return };
            let Some(queues) = self.queues.get_mut(&party) else { continue };
            let fresh = queues.fresh.pop_front();
            let old = fresh.is_none();
            let number = fresh.or_else(|| queues.old.pop_front());
            if queues.is_empty() {
                self.queues.remove(&party);
            } else {
                self.ring.push_back(party);
            }
            let Some(seat) = number.and_then(|number| self.seats.get_mut(&number)) else {
                continue;
            };
            seat.turns = seat.turns.saturating_add(1);
            self.taken += 1;
            self.taken_by_old += u32::from(old);
            let before = std::mem::replace(&mut seat.place, Place::Called { old });
            if let Place::Waiting(waker) = before {
                waker.wake();
            }
        }
    }

    fn workers(&mut self) -> u32 {
        if self.workers == 0
            && let Ok(handle) = Handle::try_current()
        {
            self.workers = u32::try_from(handle.metrics().num_workers()).unwrap_or(u32::MAX);
        }
        self.workers.max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::future::Future;
    use std::pin::Pin;

    use super::*;

    type Asked = Pin<Box<dyn Future<Output = ()>>>;

    /// Guests that want to compute for ever, and how many turns each party has had.
    struct Processors {
        turns: Arc<CpuTurns>,
        guests: Vec<(usize, Arc<Processor>, Asked)>,
        had: BTreeMap<usize, u32>,
    }

    impl Processors {
        fn new(workers: u32) -> Self {
            Self {
                turns: CpuTurns::with_workers(workers),
                guests: Vec::new(),
                had: BTreeMap::new(),
            }
        }

        fn enter(&mut self, party: usize, guests: usize) {
            let name = Party::Tenant(format!("t{party}").parse().unwrap());
            for _ in 0..guests {
                let chair = Arc::new(self.turns.chair(name.clone()));
                let turn = ask(&chair);
                self.guests.push((party, chair, turn));
            }
        }

        /// Polls each guest once; one with a turn computes and requests the next.
        fn round(&mut self) -> usize {
            let mut computed = 0;
            let mut context = Context::from_waker(Waker::noop());
            for (party, chair, turn) in &mut self.guests {
                if turn.as_mut().poll(&mut context).is_ready() {
                    computed += 1;
                    *self.had.entry(*party).or_insert(0) += 1;
                    *turn = ask(chair);
                    assert!(turn.as_mut().poll(&mut context).is_pending(), "it lets go");
                    chair.rest();
                }
            }
            computed
        }
    }

    fn ask(chair: &Arc<Processor>) -> Asked {
        let chair = Arc::clone(chair);
        Box::pin(async move { chair.turn().await })
    }

    #[test]
    fn one_guest_gets_as_many_turns_as_forty_of_another_party() {
        for workers in [1, 2, 5] {
            let mut hall = Processors::new(workers);
            hall.enter(0, 40);
            hall.enter(1, 40);
            hall.enter(2, 1);
            for _ in 0..1000 {
                hall.round();
            }
            let [many, others, single] = [0, 1, 2].map(|party| hall.had[&party]);
            assert!(many > 100, "{workers}: {:?}", hall.had);
            assert!(many.abs_diff(others) <= many / 5, "{workers}: {:?}", hall.had);
            // It is one guest: it cannot compute twice concurrently.
            assert!(single >= (many / 3).min(400), "{workers}: {:?}", hall.had);
        }
    }

    #[test]
    fn a_worker_is_left_for_whoever_comes() {
        let mut hall = Processors::new(3);
        hall.enter(0, 10);
        for _ in 0..100 {
            hall.round();
        }
        assert_eq!(hall.turns.lock().taken, 2, "none of them is fresh any more");
        hall.enter(0, 1);
        let before = hall.turns.lock().taken;
        hall.round();
        assert!(before <= 2 && hall.turns.lock().taken == 3, "it need not wait");
    }

    /// The body of a response keeps the handle of a guest that is gone.
    #[test]
    fn a_turn_that_is_not_begun_goes_to_somebody_else() {
        let turns = CpuTurns::with_workers(1);
        let chairs = [0, 1].map(|_| Arc::new(turns.chair(Party::Host)));
        let mut asked = chairs.each_ref().map(ask);
        let mut context = Context::from_waker(Waker::noop());
        for turn in &mut asked {
            assert!(turn.as_mut().poll(&mut context).is_pending());
        }
        let [first, mut second] = asked;
        assert!(second.as_mut().poll(&mut context).is_pending(), "the first one was called");
        drop(first);
        let begun = (0..3).any(|_| second.as_mut().poll(&mut context).is_ready());
        assert!(begun);
    }

    #[test]
    fn what_a_guest_held_goes_back_with_it() {
        let mut hall = Processors::new(2);
        hall.enter(0, 3);
        hall.enter(1, 3);
        for _ in 0..20 {
            hall.round();
            drop(hall.guests.remove(0));
            if hall.guests.is_empty() {
                break;
            }
        }
        drop(hall.turns.chair(Party::Host));
        let state = hall.turns.lock();
        assert_eq!((state.taken, state.taken_by_old, state.seats.len()), (0, 0, 0));
        assert!(state.queues.is_empty() && state.ring.is_empty());
    }
}
