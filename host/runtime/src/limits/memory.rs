//! Memory limits: linear memory and tables of one instance, and the memory of all instances of one
//! party.
//!
//! wasmtime calls the limiter before every growth, that of a new instance included. A refused guest
//! usually aborts, so the refusal is recorded: the trap that follows is reported with its cause. A
//! guest that goes on, and traps later, traps for another reason.
//!
//! Invariant: the live linear memories of one party together never exceed its limit, and what an
//! instance took is released with its store.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use wasmtime::{ResourceLimiter, Trap};

use crate::error::{CapacityError, EndpointError, LimitKind};
use crate::limits;
use crate::limits::Limits;
use crate::limits::time_budget::TimeBudget;

/// Host calls of an abort: it writes an error message to stderr.
const LAST_CALLS: u32 = 64;
/// Yields, each after a millisecond of computing, within which it aborts.
const LAST_TURNS: u32 = 20;

/// The linear memory of all instances of one party.
#[derive(Debug)]
pub(crate) struct PartyMemory {
    used: AtomicUsize,
    limit: usize,
    full: CapacityError,
}

impl PartyMemory {
    /// `full` is the error when it is exhausted.
    pub(crate) fn new(limit: usize, full: CapacityError) -> Self {
        Self { used: AtomicUsize::new(0), limit, full }
    }

    fn take(&self, more: usize) -> bool {
        let add = |used: usize| used.checked_add(more).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Relaxed, Relaxed, add).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }
}

/// The memory of one instance, and its last refusal.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    memory: usize,
    table_elements: usize,
    used: usize,
    /// The last growth, which the system may yet refuse.
    last: usize,
    account: Arc<PartyMemory>,
    meter: Arc<TimeBudget>,
    refusal: Option<Refusal>,
}

/// The last refused growth, if none was granted since.
#[derive(Debug)]
struct Refusal {
    of: Refused,
    /// Its progress by then: host calls and yields.
    at: (u32, u32),
}

#[derive(Clone, Debug)]
enum Refused {
    /// The limit of one instance.
    Limit(LimitKind),
    /// Other instances of its party had taken the memory.
    Crowded(CapacityError),
}

impl MemoryLimiter {
    pub(crate) fn new(limits: &Limits, account: Arc<PartyMemory>, meter: Arc<TimeBudget>) -> Self {
        Self {
            memory: limits.memory,
            table_elements: limits.table_elements,
            used: 0,
            last: 0,
            account,
            meter,
            refusal: None,
        }
    }

    /// The refusal, if it is the cause of the trap: an abort, soon after, without more memory
    /// granted meanwhile.
    pub(crate) fn cause(&self, trap: &wasmtime::Error) -> Option<EndpointError> {
        // An error other than a trap is an exit, or an instance that was never created.
        let aborts = matches!(
            trap.downcast_ref(),
            None | Some(Trap::UnreachableCodeReached | Trap::MemoryOutOfBounds)
        );
        let Refusal { of, at } = self.refusal.as_ref().filter(|_| aborts)?;
        let now = self.meter.progress();
        let soon = now.0 - at.0 <= LAST_CALLS && now.1 - at.1 <= LAST_TURNS;
        soon.then(|| match of.clone() {
            Refused::Limit(which) => EndpointError::Limit(which),
            Refused::Crowded(full) => EndpointError::Busy(full),
        })
    }

    fn refuse(&mut self, of: Refused) {
        self.refusal = Some(Refusal { of, at: self.meter.progress() });
    }
}

impl Drop for MemoryLimiter {
    fn drop(&mut self) {
        self.account.give_back(self.used);
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let used = self.used.saturating_add(more);
        if used > self.memory {
            self.refuse(Refused::Limit(LimitKind::Memory));
            return Ok(false);
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if !self.account.take(more) {
            self.refuse(Refused::Crowded(self.account.full.clone()));
            return Ok(false);
        }
        self.used = used;
        self.last = more;
        self.refusal = None;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        let undone = std::mem::take(&mut self.last);
        self.used -= undone;
        self.account.give_back(undone);
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            self.refuse(Refused::Limit(LimitKind::Table));
            return Ok(false);
        }
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        limits::CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        limits::TABLES as usize
    }

    fn memories(&self) -> usize {
        limits::MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::cpu_turns::CpuTurns;
    use crate::limits::party::Party;

    const PAGE: usize = 65_536;

    fn quota(limits: &Limits, account: &Arc<PartyMemory>) -> MemoryLimiter {
        let chair = Arc::new(CpuTurns::default()).chair(Party::Host);
        MemoryLimiter::new(limits, Arc::clone(account), Arc::new(TimeBudget::new(limits, chair)))
    }

    fn crowded(quota: &MemoryLimiter, trap: Trap) -> bool {
        matches!(
            quota.cause(&trap.into()),
            Some(EndpointError::Busy(CapacityError::Host { places: 1 }))
        )
    }

    /// A guest that continues and traps for another reason gets no retryable error.
    #[tokio::test]
    async fn only_the_trap_that_follows_a_refusal_is_told_as_one() {
        let account = Arc::new(PartyMemory::new(PAGE, CapacityError::Host { places: 1 }));
        let fresh = || {
            let mut quota = quota(&Limits::default(), &account);
            assert!(!quota.memory_growing(0, 2 * PAGE, None).unwrap());
            quota
        };
        let abort = Trap::UnreachableCodeReached;
        assert!(crowded(&fresh(), abort) && crowded(&fresh(), Trap::MemoryOutOfBounds));
        for other in [Trap::IntegerDivisionByZero, Trap::StackOverflow, Trap::IndirectCallToNull] {
            assert!(fresh().cause(&other.into()).is_none(), "{other:?}");
        }
        // It prints its error before it aborts, and does little more.
        let quota = fresh();
        (0..LAST_CALLS).for_each(|_| quota.meter.count());
        assert!(crowded(&quota, abort));
        quota.meter.count();
        assert!(quota.cause(&abort.into()).is_none());
        let quota = fresh();
        for _ in 0..LAST_TURNS {
            quota.meter.turn().await;
        }
        assert!(crowded(&quota, abort));
        quota.meter.turn().await;
        assert!(quota.cause(&abort.into()).is_none());
        // It requested less, and got it.
        let mut quota = fresh();
        assert!(quota.memory_growing(0, PAGE, None).unwrap());
        assert!(quota.cause(&abort.into()).is_none());
    }

    #[test]
    fn instances_of_one_party_share_its_memory_and_give_it_back() {
        let account = Arc::new(PartyMemory::new(3 * PAGE, CapacityError::Host { places: 1 }));
        let limits = Limits { memory: 2 * PAGE, ..Limits::default() };
        let (mut first, mut second) = (quota(&limits, &account), quota(&limits, &account));
        let aborted = || Trap::UnreachableCodeReached.into();
        assert!(first.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(!first.memory_growing(2 * PAGE, 3 * PAGE, None).unwrap());
        let told = first.cause(&aborted());
        assert!(matches!(told, Some(EndpointError::Limit(LimitKind::Memory))), "{told:?}");
        assert!(second.memory_growing(0, PAGE, None).unwrap());
        assert!(!second.memory_growing(PAGE, 2 * PAGE, None).unwrap());
        assert!(crowded(&second, Trap::UnreachableCodeReached));
        drop(first);
        assert!(second.memory_growing(PAGE, 2 * PAGE, None).unwrap());
        second.memory_grow_failed(wasmtime::Error::msg("no room")).unwrap();
        assert_eq!(account.used(), PAGE);
        drop(second);
        assert_eq!(account.used(), 0);
    }
}
