//! Tests of the limiter: bounds, fairness, waiting, and release whatever happens to the holder.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::limit::shares::{Bound, Rule};
use crate::limit::tenant_limiter::{Full, Permit, TenantLimiter};

type Limiter = TenantLimiter<&'static str>;
type Taking<'a> = Pin<Box<dyn Future<Output = Result<Permit<&'static str>, Full>> + Send + 'a>>;

fn each(most: u64, whole: u64) -> Limiter {
    TenantLimiter::new(Rule::Each(most), whole)
}

fn fair(whole: u64, parties: u64) -> Limiter {
    TenantLimiter::new(Rule::Fair { parties, queue: 0 }, whole)
}

/// Every rule under which `a` may hold so much alone and two parties may come.
fn every(most: u64) -> [Limiter; 2] {
    [each(most, 2 * most), TenantLimiter::new(Rule::Fair { parties: 2, queue: 8 }, 2 * most)]
}

/// All that a party gets at once, one by one.
fn flood(limiter: &Limiter, party: &'static str) -> Vec<Permit<&'static str>> {
    std::iter::from_fn(|| limiter.try_take(&party, 1).ok()).collect()
}

fn wait<'a>(limiter: &'a Limiter, party: &'static &'static str, units: u64) -> Taking<'a> {
    let mut taking: Taking<'a> = Box::pin(limiter.take(party, units));
    assert!(poll(&mut taking).is_none(), "{party} has to wait");
    taking
}

fn poll<T>(taking: &mut Pin<Box<dyn Future<Output = T> + Send + '_>>) -> Option<T> {
    match taking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

#[test]
fn a_party_has_its_bound_and_no_more_and_it_comes_back() {
    for limiter in every(3) {
        let held = flood(&limiter, "a");
        assert_eq!(held.len(), 3);
        let full = limiter.try_take(&"a", 1).unwrap_err();
        assert_eq!(full, Full { bound: Bound::Own, held: 3 });
        assert_eq!(flood(&limiter, "b").len(), 3, "whatever the other has");
        drop(held);
        assert_eq!(flood(&limiter, "a").len(), 3);
        assert!(limiter.is_idle());
    }
}

#[test]
fn all_together_have_the_whole_and_no_more() {
    let limiter = each(3, 5);
    let held = [flood(&limiter, "a"), flood(&limiter, "b"), flood(&limiter, "c")];
    assert_eq!(held.each_ref().map(Vec::len), [3, 2, 0]);
    let full = limiter.try_take(&"c", 1).unwrap_err();
    assert_eq!(full, Full { bound: Bound::Whole, held: 0 });
    assert_eq!(limiter.try_take(&"c", 4).unwrap_err().bound, Bound::Own);
    drop(held);
    assert!(limiter.is_idle());
}

#[test]
fn fair_shares_leave_room_for_the_next_party() {
    let limiter = fair(8, 3);
    let (a, b) = (flood(&limiter, "a"), flood(&limiter, "b"));
    assert_eq!((a.len(), b.len()), (4, 2));
    assert_eq!(flood(&limiter, "c").len(), 2);
    assert_eq!(limiter.try_take(&"a", 1).unwrap_err(), Full { bound: Bound::Own, held: 4 });
}

#[test]
fn units_are_counted_and_none_cost_nothing() {
    let limiter = each(100, 150);
    let held = limiter.try_take(&"a", 80).unwrap();
    assert!(limiter.try_take(&"a", 21).is_err());
    assert!(limiter.try_take(&"b", 71).is_err());
    let (rest, other) = (limiter.try_take(&"a", 20).unwrap(), limiter.try_take(&"b", 50));
    assert!(limiter.try_take(&"a", 0).is_ok() && limiter.try_take(&"b", 0).is_ok());
    assert!(limiter.try_take(&"a", u64::MAX).is_err());
    drop((held, rest, other));
    let nothing = limiter.try_take(&"a", 0).unwrap();
    assert!(limiter.is_idle());
    drop(nothing);
}

#[test]
fn who_waits_is_woken_and_served_when_something_is_released() {
    struct Woken(AtomicUsize);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    for limiter in every(1) {
        let held = flood(&limiter, "a");
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let (first, then) = (Waker::noop(), Waker::from(Arc::clone(&woken)));
        let mut taking: Taking<'_> = Box::pin(limiter.take(&"a", 1));
        // The last waker counts (as `Future::poll` says).
        for waker in [first, &then] {
            assert!(taking.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        }
        drop(held);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        let permit = poll(&mut taking).unwrap().unwrap();
        assert_eq!((*permit.party(), permit.units()), ("a", 1));
        drop(taking);
        assert!(!limiter.is_idle(), "the permit is held");
        drop(permit);
        assert!(limiter.is_idle());
    }
}

#[test]
fn requests_of_one_party_are_served_in_order() {
    let limiter = each(4, 100);
    let held = limiter.try_take(&"a", 4).unwrap();
    let (mut large, mut small) = (wait(&limiter, &"a", 4), wait(&limiter, &"a", 1));
    drop(held);
    let permit = poll(&mut large).unwrap().unwrap();
    assert!(poll(&mut small).is_none());
    assert!(limiter.try_take(&"a", 1).is_err());
    drop(permit);
    assert!(poll(&mut small).unwrap().is_ok());
}

#[test]
fn who_holds_fewest_is_served_first_however_long_others_wait() {
    for limiter in [each(3, 2), fair(2, 100)] {
        let mut held = vec![limiter.try_take(&"a", 1).unwrap()];
        held.push(limiter.try_take(&"b", 1).unwrap());
        let (mut long, mut short) = (wait(&limiter, &"a", 1), wait(&limiter, &"c", 1));
        drop(held.pop());
        assert!(poll(&mut long).is_none());
        let served = poll(&mut short).unwrap().unwrap();
        drop(served);
        drop(held);
        assert!(poll(&mut long).unwrap().is_ok());
    }
}

/// As two semaphores in a row could not: whoever had come first had all of the whole's queue.
#[test]
fn a_partys_queue_delays_no_other() {
    let limiter = each(2, 2);
    let held = flood(&limiter, "a");
    let mut own: Vec<_> = (0..5).map(|_| wait(&limiter, &"a", 1)).collect();
    let mut other = wait(&limiter, &"b", 1);
    drop(held);
    let _served = poll(&mut other).unwrap().unwrap();
    let served: Vec<_> = own.iter_mut().filter_map(poll).collect();
    assert_eq!(served.len(), 1);
}

/// What waits for its own bound does not stand in the way.
#[test]
fn a_party_at_its_bound_does_not_delay_others() {
    let limiter = each(2, 10);
    let _held = flood(&limiter, "a");
    let _waits = wait(&limiter, &"a", 1);
    assert!(limiter.try_take(&"b", 1).is_ok());
}

#[test]
fn a_large_request_is_not_overtaken_for_ever() {
    let limiter = each(8, 10);
    let (one, other) = (limiter.try_take(&"a", 6).unwrap(), limiter.try_take(&"c", 3).unwrap());
    let mut large = wait(&limiter, &"b", 8);
    assert!(limiter.try_take(&"c", 1).is_err(), "it holds more than who waits");
    drop(one);
    assert!(poll(&mut large).is_none());
    drop(other);
    let permit = poll(&mut large).unwrap().unwrap();
    drop(permit);
    // One that gives up lets the next through.
    let _held = limiter.try_take(&"a", 6).unwrap();
    let large = wait(&limiter, &"b", 8);
    let mut small = wait(&limiter, &"c", 1);
    drop(large);
    assert!(poll(&mut small).unwrap().is_ok());
}

#[test]
fn who_gives_up_while_it_waits_leaves_its_place() {
    for limiter in every(1) {
        let held = flood(&limiter, "a");
        let given_up = wait(&limiter, &"a", 1);
        let mut next = wait(&limiter, &"a", 1);
        drop(given_up);
        drop(held);
        assert!(poll(&mut next).unwrap().is_ok());
        drop(next);
        assert!(limiter.is_idle());
    }
}

#[test]
fn what_was_granted_to_who_gives_up_goes_to_the_next() {
    for limiter in every(1) {
        let held = flood(&limiter, "a");
        let granted = wait(&limiter, &"a", 1);
        let mut next = wait(&limiter, &"a", 1);
        drop(held);
        assert!(poll(&mut next).is_none());
        drop(granted);
        assert!(poll(&mut next).unwrap().is_ok());
        drop(next);
        assert!(limiter.is_idle());
    }
}

#[test]
fn who_waits_too_long_is_told_what_was_in_the_way() {
    for limiter in every(1) {
        let held = flood(&limiter, "a");
        let time = AtomicUsize::new(0);
        let expired = poll_fn(|_| match time.load(Ordering::SeqCst) {
            0 => Poll::Pending,
            _ => Poll::Ready(()),
        });
        let mut taking: Taking<'_> = Box::pin(limiter.take_until(&"a", 1, expired));
        assert!(poll(&mut taking).is_none());
        time.store(1, Ordering::SeqCst);
        let full = poll(&mut taking).unwrap().unwrap_err();
        assert_eq!(full, Full { bound: Bound::Own, held: 1 });
        drop((taking, held));
        assert!(limiter.is_idle());
        // What is free is given without a look at the time.
        let mut taking: Taking<'_> = Box::pin(limiter.take_until(&"a", 1, std::future::ready(())));
        assert!(poll(&mut taking).unwrap().is_ok());
    }
}

#[test]
fn under_fair_shares_a_partys_queue_is_bounded() {
    let limiter = fair(1, 2);
    let _held = limiter.try_take(&"a", 1).unwrap();
    let _waits = wait(&limiter, &"b", 1);
    let mut second: Taking<'_> = Box::pin(limiter.take(&"b", 1));
    let full = poll(&mut second).unwrap().unwrap_err();
    assert_eq!(full, Full { bound: Bound::Whole, held: 0 });
    let limiter = TenantLimiter::new(Rule::Fair { parties: 3, queue: 8 }, 4);
    let _held = flood(&limiter, "a");
    let _waits: Vec<_> = (0..8).map(|_| wait(&limiter, &"a", 1)).collect();
    let mut ninth: Taking<'_> = Box::pin(limiter.take(&"a", 1));
    assert!(poll(&mut ninth).unwrap().is_err());
}

#[test]
fn a_permit_that_is_dropped_by_a_panic_is_released() {
    for limiter in every(2) {
        let taken = limiter.clone();
        let panicked = std::thread::spawn(move || {
            let _held = flood(&taken, "a");
            assert!(taken.is_idle(), "on purpose");
        });
        assert!(panicked.join().is_err());
        assert!(limiter.is_idle());
        assert_eq!(flood(&limiter, "a").len(), 2);
    }
}

#[test]
fn a_permit_grows_as_far_as_there_is_room_and_always_shrinks() {
    let limiter = each(100, 150);
    let (mut a, mut b) = (limiter.try_take(&"a", 10).unwrap(), limiter.try_take(&"b", 10).unwrap());
    a.resize(100).unwrap();
    assert_eq!(a.resize(101).unwrap_err(), Full { bound: Bound::Own, held: 100 });
    assert_eq!(b.resize(51).unwrap_err(), Full { bound: Bound::Whole, held: 10 });
    assert_eq!((a.units(), b.units()), (100, 10), "as before");
    let mut waits = wait(&limiter, &"b", 60);
    a.resize(80).unwrap();
    assert!(poll(&mut waits).unwrap().is_ok());
    a.resize(0).unwrap();
    drop((a, b, waits));
    assert!(limiter.is_idle());
}
