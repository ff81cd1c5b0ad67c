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

use model::caller::Party;
use model::limit::shares::Rule;
use model::limit::tenant_limiter::{Permit, TenantLimiter};
use wasmtime::{ResourceLimiter, Trap};

use crate::error::{CapacityError, EndpointError, LimitKind};
use crate::limits;
use crate::limits::Limits;
use crate::limits::time_budget::TimeBudget;

/// Host calls of an abort: it writes an error message to stderr.
const LAST_CALLS: u32 = 64;
/// Yields, each after a millisecond of computing, within which it aborts.
const LAST_TURNS: u32 = 20;

/// The linear memory of the instances of every party. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct PartyMemory {
    limit: usize,
    used: TenantLimiter<Party>,
}

/// The linear memory of one instance, charged to its party.
#[derive(Debug)]
pub(crate) struct MemoryAccount {
    limit: usize,
    used: Permit<Party>,
}

impl PartyMemory {
    /// `limit` is the maximum of each party, in bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, used: TenantLimiter::new(Rule::Each(limit as u64), u64::MAX) }
    }

    pub(crate) fn account(&self, party: &Party) -> MemoryAccount {
        MemoryAccount { limit: self.limit, used: self.used.nothing(party.clone()) }
    }
}

impl MemoryAccount {
    fn set(&mut self, bytes: u64) -> Result<(), CapacityError> {
        let limit = self.limit;
        self.used.resize(bytes).map_err(|_| match self.used.party() {
            Party::Tenant(_) | Party::Host => CapacityError::TenantMemory { limit },
            Party::Strangers(_) => CapacityError::StrangersMemory { limit },
        })
    }
}

/// The memory of one instance, and its last refusal.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    memory: usize,
    table_elements: usize,
    /// The last growth, which the system may yet refuse.
    last: u64,
    account: MemoryAccount,
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
    pub(crate) fn new(limits: &Limits, account: MemoryAccount, meter: Arc<TimeBudget>) -> Self {
        Self {
            memory: limits.memory,
            table_elements: limits.table_elements,
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

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        let used = self.account.used.units().saturating_add(more);
        if used > self.memory as u64 {
            self.refuse(Refused::Limit(LimitKind::Memory));
            return Ok(false);
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if let Err(full) = self.account.set(used) {
            self.refuse(Refused::Crowded(full));
            return Ok(false);
        }
        self.last = more;
        self.refusal = None;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        let undone = std::mem::take(&mut self.last);
        // A smaller size always fits.
        let _ = self.account.set(self.account.used.units() - undone);
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

    const PAGE: usize = 65_536;

    fn quota(limits: &Limits, memory: &PartyMemory) -> MemoryLimiter {
        let chair = Arc::new(CpuTurns::default()).chair(Party::Host);
        let account = memory.account(&Party::Host);
        MemoryLimiter::new(limits, account, Arc::new(TimeBudget::new(limits, chair)))
    }

    fn crowded(quota: &MemoryLimiter, trap: Trap) -> bool {
        matches!(
            quota.cause(&trap.into()),
            Some(EndpointError::Busy(CapacityError::TenantMemory { .. }))
        )
    }

    /// A guest that continues and traps for another reason gets no retryable error.
    #[tokio::test]
    async fn only_the_trap_that_follows_a_refusal_is_told_as_one() {
        let account = PartyMemory::new(PAGE);
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
        let account = PartyMemory::new(3 * PAGE);
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
        assert_eq!(second.account.used.units(), PAGE as u64);
        assert!(second.memory_growing(PAGE, 2 * PAGE, None).unwrap(), "it was given back");
        drop(second);
        assert!(account.used.is_idle());
    }

    #[test]
    fn a_refusal_says_whose_memory_is_used_up() {
        let memory = PartyMemory::new(PAGE);
        let name: model::ids::TenantId = "a".parse().unwrap();
        for (party, want) in [
            (Party::Tenant(name.clone()), CapacityError::TenantMemory { limit: PAGE }),
            (Party::Strangers(name), CapacityError::StrangersMemory { limit: PAGE }),
        ] {
            let mut first = memory.account(&party);
            first.set(PAGE as u64).unwrap();
            assert_eq!(memory.account(&party).set(1).unwrap_err(), want);
        }
    }
}
