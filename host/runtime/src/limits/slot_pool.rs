//! A pool of slots shared by parties, and the linear memory of each party's instances.

use std::time::Duration;

use model::caller::Party;
use model::limit::shares::{Bound, Rule};
use model::limit::tenant_limiter::{Full, Permit, TenantLimiter};

use crate::error::CapacityError;
use crate::limits::memory::PartyMemory;

/// Slots of one kind.
#[derive(Debug)]
pub(crate) struct SlotPool {
    places: u32,
    slots: TenantLimiter<Party>,
    memory: PartyMemory,
}

/// One slot of a party; released on drop.
#[derive(Debug)]
pub(crate) struct Slot {
    permit: Permit<Party>,
    memory: PartyMemory,
}

impl SlotPool {
    /// `parties` is their maximum number; `memory` the limit of each; `queue` how many requests of
    /// a party may wait at least, however few slots there are.
    pub(crate) fn new(places: u32, parties: u32, memory: usize, queue: u32) -> Self {
        let rule = Rule::Fair { parties: parties.into(), queue: queue.into() };
        let slots = TenantLimiter::new(rule, places.into());
        Self { places, slots, memory: PartyMemory::new(memory) }
    }

    /// Takes a slot, at once or within `patience`.
    pub(crate) async fn take(
        &self,
        party: &Party,
        patience: Duration,
    ) -> Result<Slot, CapacityError> {
        let expired = async { tokio::time::sleep(patience).await };
        match self.slots.take_until(party, 1, expired).await {
            Ok(permit) => Ok(Slot { permit, memory: self.memory.clone() }),
            Err(full) => Err(self.full(party, full)),
        }
    }

    /// The limit that prevents one more slot for the party.
    fn full(&self, party: &Party, full: Full) -> CapacityError {
        let places = self.places;
        let held = u32::try_from(full.held).unwrap_or(u32::MAX);
        match (full.bound, party) {
            (Bound::Own, Party::Tenant(_)) => CapacityError::Tenant { held, places },
            (Bound::Own, Party::Strangers(_)) => CapacityError::Strangers { held, places },
            (Bound::Own, Party::Host) | (Bound::Whole, _) => CapacityError::Host { places },
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_idle()
    }
}

impl Slot {
    pub(crate) fn party(&self) -> &Party {
        self.permit.party()
    }

    pub(crate) fn memory(&self) -> &PartyMemory {
        &self.memory
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

    /// As many as the party gets at once.
    fn flood(pool: &SlotPool, party: &Party) -> Vec<Slot> {
        std::iter::from_fn(|| pool.take(party, PATIENCE).now_or_never()?.ok()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_that_was_met_is_named() {
        let pool = SlotPool::new(8, 3, 1 << 20, 0);
        let strangers = Party::Strangers("a".parse().unwrap());
        let held =
            [flood(&pool, &tenant("a")), flood(&pool, &strangers), flood(&pool, &Party::Host)];
        assert_eq!(held.each_ref().map(Vec::len), [4, 2, 2]);
        for (party, want) in [
            (tenant("a"), CapacityError::Tenant { held: 4, places: 8 }),
            (strangers, CapacityError::Strangers { held: 2, places: 8 }),
            (Party::Host, CapacityError::Host { places: 8 }),
            (tenant("b"), CapacityError::Host { places: 8 }),
        ] {
            assert_eq!(pool.take(&party, PATIENCE).await.unwrap_err(), want);
        }
        drop(held);
        assert!(pool.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_as_long_as_it_says() {
        let pool = SlotPool::new(1, 2, 1 << 20, 0);
        let held = flood(&pool, &tenant("a"));
        let b = tenant("b");
        let mut waits = Box::pin(pool.take(&b, PATIENCE));
        assert!((&mut waits).now_or_never().is_none());
        tokio::time::advance(PATIENCE / 2).await;
        assert!((&mut waits).now_or_never().is_none());
        assert_eq!(waits.await.unwrap_err(), CapacityError::Host { places: 1 });
        let mut waits = Box::pin(pool.take(&b, PATIENCE));
        assert!((&mut waits).now_or_never().is_none());
        drop(held);
        assert!(waits.await.is_ok());
        assert!(pool.is_empty());
    }
}
