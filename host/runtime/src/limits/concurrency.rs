//! Instance slots: limits of concurrent instances, in total and for each party.
//!
//! Exhaustion of wasmtime's pool is an error, not a wait, so a slot is taken here first and
//! released after the store is gone. Anonymous requests have slots of their own, so that they take
//! none from a tenant's own callers. So have the `mime` component and filters: endpoints wait for
//! them, and filters for `mime`, so sharing could deadlock.
//!
//! Invariant: of each kind no tenant holds more than `shares` admits, whatever it sends.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use model::caller::{Caller, Party};
use model::ids::TenantId;

use crate::error::EndpointError;
use crate::limits::cpu_turns::{CpuTurns, Processor};
use crate::limits::memory::{MemoryAccount, PartyMemory};
use crate::limits::slot_pool::{Slot, SlotPool};
use crate::limits::{Settings, party};

/// Counters of instances since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Instances created.
    pub created: u64,
    /// Instances that exist now.
    pub live: u32,
    /// Ended by a trap of their own.
    pub traps: u64,
    /// Ended because a limit was exceeded.
    pub limits: u64,
    /// Ended because a time budget ran out.
    pub timeouts: u64,
    /// Requests refused because there was no slot or no memory for an instance.
    pub busy: u64,
}

/// The slots of every kind.
#[derive(Debug)]
pub(crate) struct InstanceSlots {
    endpoints: SlotPool,
    strangers: SlotPool,
    mime: SlotPool,
    filters: SlotPool,
    turns: Arc<CpuTurns>,
    patience: Duration,
    created: AtomicU64,
    live: AtomicU32,
    traps: AtomicU64,
    limits: AtomicU64,
    timeouts: AtomicU64,
    busy: AtomicU64,
    /// The thread that advances the epoch; parked while there is no instance.
    pub(crate) ticker: OnceLock<Thread>,
}

/// The right to one instance.
#[derive(Debug)]
pub(crate) struct InstanceSlot {
    places: Arc<InstanceSlots>,
    seat: Option<Slot>,
}

impl InstanceSlots {
    pub(crate) fn new(settings: &Settings) -> Self {
        let tenants = settings.tenants;
        let queued = |places, parties, memory, queue| SlotPool::new(places, parties, memory, queue);
        let pool = |places, parties, memory| queued(places, parties, memory, 0);
        // Endpoints have shares of their own, and each parses a few messages concurrently.
        let parses =
            settings.instances.saturating_add(settings.stranger_instances).saturating_mul(4);
        // For every tenant a party with a token and one without, and the host itself.
        let everybody = tenants.saturating_mul(2).saturating_add(1);
        Self {
            endpoints: pool(settings.instances, tenants, settings.tenant_memory),
            strangers: pool(settings.stranger_instances, tenants, settings.stranger_memory),
            mime: queued(settings.mime_instances, everybody, usize::MAX, parses),
            filters: pool(settings.filter_instances, everybody, settings.tenant_memory),
            turns: Arc::default(),
            patience: settings.patience,
            created: AtomicU64::new(0),
            live: AtomicU32::new(0),
            traps: AtomicU64::new(0),
            limits: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            ticker: OnceLock::new(),
        }
    }

    /// A slot for an endpoint of the caller's tenant.
    pub(crate) async fn endpoint(
        self: &Arc<Self>,
        caller: &Caller,
    ) -> Result<InstanceSlot, EndpointError> {
        let pool = if caller.token.is_some() { &self.endpoints } else { &self.strangers };
        self.take(pool, &Party::of(caller), self.patience).await
    }

    /// A slot for a filter, for the party of this task.
    pub(crate) async fn filter(
        self: &Arc<Self>,
        tenant: &TenantId,
    ) -> Result<InstanceSlot, EndpointError> {
        let party = match party::current() {
            strangers @ Party::Strangers(_) => strangers,
            Party::Tenant(_) | Party::Host => Party::Tenant(tenant.clone()),
        };
        self.take(&self.filters, &party, self.patience).await
    }

    /// A slot for a call of the `mime` component, for the party of this task.
    pub(crate) async fn mime(
        self: &Arc<Self>,
        patience: Duration,
    ) -> Result<InstanceSlot, EndpointError> {
        self.take(&self.mime, &party::current(), patience).await
    }

    /// A slot for `describe`, for which the pool has reserved capacity: deployments are rare and
    /// never wait.
    pub(crate) fn describe(self: &Arc<Self>) -> InstanceSlot {
        self.begin(None)
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            created: self.created.load(Relaxed),
            live: self.live.load(Relaxed),
            traps: self.traps.load(Relaxed),
            limits: self.limits.load(Relaxed),
            timeouts: self.timeouts.load(Relaxed),
            busy: self.busy.load(Relaxed),
        }
    }

    pub(crate) fn live(&self) -> u32 {
        self.live.load(Relaxed)
    }

    /// Counts how an instance ended.
    pub(crate) fn note(&self, error: &EndpointError) {
        let counter = match error {
            EndpointError::Trapped { .. } | EndpointError::NoAnswer | EndpointError::Answer(_) => {
                &self.traps
            }
            EndpointError::Limit(_) | EndpointError::BodyTooLarge { .. } => &self.limits,
            EndpointError::Timeout { .. } | EndpointError::HostTimeout { .. } => &self.timeouts,
            EndpointError::Busy(_) => &self.busy,
            EndpointError::BodyTooSlow { .. }
            | EndpointError::Declined(_)
            | EndpointError::Request(_) => return,
        };
        counter.fetch_add(1, Relaxed);
    }

    async fn take(
        self: &Arc<Self>,
        pool: &SlotPool,
        party: &Party,
        patience: Duration,
    ) -> Result<InstanceSlot, EndpointError> {
        match pool.take(party, patience).await {
            Ok(seat) => Ok(self.begin(Some(seat))),
            Err(full) => {
                let error = EndpointError::Busy(full);
                self.note(&error);
                Err(error)
            }
        }
    }

    fn begin(self: &Arc<Self>, seat: Option<Slot>) -> InstanceSlot {
        self.created.fetch_add(1, Relaxed);
        if self.live.fetch_add(1, Relaxed) == 0
            && let Some(ticker) = self.ticker.get()
        {
            ticker.unpark();
        }
        InstanceSlot { places: Arc::clone(self), seat }
    }
}

impl InstanceSlot {
    pub(crate) fn places(&self) -> &InstanceSlots {
        &self.places
    }

    /// The instance's share of CPU turns.
    pub(crate) fn chair(&self) -> Processor {
        let party = self.seat.as_ref().map_or(Party::Host, |seat| seat.party().clone());
        self.places.turns.chair(party)
    }

    /// The memory account of the instance.
    pub(crate) fn account(&self) -> MemoryAccount {
        let unbounded = || PartyMemory::new(usize::MAX).account(&Party::Host);
        self.seat.as_ref().map_or_else(unbounded, |seat| seat.memory().account(seat.party()))
    }
}

impl Drop for InstanceSlot {
    fn drop(&mut self) {
        self.places.live.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use model::ids::{RequestId, TokenId};

    use super::*;
    use crate::error::CapacityError;

    fn caller(tenant: &str, token: Option<TokenId>) -> Caller {
        Caller {
            tenant: tenant.parse().unwrap(),
            token,
            scopes: Vec::new(),
            accounts: None,
            request: RequestId::generate([2; 10]),
            idempotency_key: None,
            confined: None,
        }
    }

    /// All slots that a caller gets, one after the other.
    async fn flood(
        places: &Arc<InstanceSlots>,
        caller: &Caller,
    ) -> (Vec<InstanceSlot>, CapacityError) {
        let mut held = Vec::new();
        loop {
            match places.endpoint(caller).await {
                Ok(place) => held.push(place),
                Err(EndpointError::Busy(full)) => return (held, full),
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_take_no_place_of_those_who_show_a_token() {
        let settings =
            Settings { instances: 4, stranger_instances: 2, tenants: 2, ..Settings::default() };
        let places = Arc::new(InstanceSlots::new(&settings));
        let token = Some(TokenId::generate([1; 10]));
        let (strangers, full) = flood(&places, &caller("ann", None)).await;
        assert_eq!(strangers.len(), 1);
        assert_eq!(full, CapacityError::Strangers { held: 1, places: 2 });
        let (own, full) = flood(&places, &caller("ann", token)).await;
        assert_eq!(own.len(), 2);
        assert_eq!(full, CapacityError::Tenant { held: 2, places: 4 });
        assert_eq!((places.counters().live, places.counters().busy), (3, 2));
        assert!(places.endpoint(&caller("bo", None)).await.is_ok());
        drop((strangers, own));
        assert_eq!(places.counters().live, 0);
        assert!(places.endpoints.is_empty() && places.strangers.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_that_send_take_no_place_of_a_tenants_filters() {
        let settings = Settings { filter_instances: 5, tenants: 2, ..Settings::default() };
        let places = Arc::new(InstanceSlots::new(&settings));
        let tenant: TenantId = "ann".parse().unwrap();
        let mut held = Vec::new();
        let flood = party::scope(Party::Strangers(tenant.clone()), async {
            while let Ok(place) = places.filter(&tenant).await {
                held.push(place);
            }
        });
        flood.await;
        let own = party::scope(Party::Tenant(tenant.clone()), places.filter(&tenant));
        assert!(own.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_parser_has_places_of_its_own_shared_by_those_who_read() {
        let settings = Settings { mime_instances: 5, tenants: 2, ..Settings::default() };
        let places = Arc::new(InstanceSlots::new(&settings));
        let mut held = Vec::new();
        let ann = Party::Tenant("ann".parse().unwrap());
        let flood = party::scope(ann, async {
            while let Ok(place) = places.mime(Duration::from_secs(1)).await {
                held.push(place);
            }
        });
        flood.await;
        let other = Party::Tenant("bo".parse().unwrap());
        assert!(party::scope(other, places.mime(Duration::ZERO)).await.is_ok());
        assert!(places.mime(Duration::ZERO).await.is_ok(), "what nobody waits for");
    }
}
