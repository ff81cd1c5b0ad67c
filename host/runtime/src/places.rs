//! Who may have an instance, and how many there are.
//!
//! Exhaustion of wasmtime's pool is an error, not a wait, so a place is taken
//! here first and given back after the store is gone. The `mime` component and
//! filters have places of their own: endpoints wait for them, and filters for
//! `mime`, so sharing could lock all.
//!
//! Invariant: no tenant holds more than its share, waiting requests included.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use model::ids::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::EndpointError;
use crate::limits::Settings;

/// How the instances fared since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Instances begun.
    pub created: u64,
    /// Instances that exist now.
    pub live: u32,
    /// Ended by a trap of their own.
    pub traps: u64,
    /// Ended because they asked for too much.
    pub limits: u64,
    /// Ended because a time budget ran out.
    pub timeouts: u64,
    /// Requests turned away because no instance was free.
    pub busy: u64,
}

/// All places.
#[derive(Debug)]
pub(crate) struct Places {
    endpoints: Arc<Semaphore>,
    mime: Arc<Semaphore>,
    filters: Arc<Semaphore>,
    filter_share: u32,
    share: u32,
    patience: Duration,
    tenants: Mutex<HashMap<Holder, u32>>,
    created: AtomicU64,
    live: AtomicU32,
    traps: AtomicU64,
    limits: AtomicU64,
    timeouts: AtomicU64,
    busy: AtomicU64,
    /// Who moves the epoch; parked while nothing lives.
    pub(crate) ticker: OnceLock<Thread>,
}

/// The right to one instance.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    _permit: Option<OwnedSemaphorePermit>,
    _share: Option<Share>,
}

/// One of a tenant's places.
#[derive(Debug)]
struct Share {
    places: Arc<Places>,
    holder: Holder,
}

/// Whose places, and of which kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Endpoints(TenantId),
    Filters(TenantId),
}

impl Places {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            endpoints: Arc::new(Semaphore::new(settings.instances as usize)),
            mime: Arc::new(Semaphore::new(settings.mime_instances as usize)),
            filters: Arc::new(Semaphore::new(settings.filter_instances as usize)),
            filter_share: settings.filter_share,
            share: settings.tenant_share,
            patience: settings.patience,
            tenants: Mutex::default(),
            created: AtomicU64::new(0),
            live: AtomicU32::new(0),
            traps: AtomicU64::new(0),
            limits: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            ticker: OnceLock::new(),
        }
    }

    /// A place for a tenant's endpoint. A tenant over its share is turned away at once.
    pub(crate) async fn endpoint(
        self: &Arc<Self>,
        tenant: &TenantId,
    ) -> Result<Place, EndpointError> {
        let share = self.share(Holder::Endpoints(tenant.clone()), self.share)?;
        let permit = self.wait(&self.endpoints, self.patience).await?;
        Ok(self.begin(Some(permit), Some(share)))
    }

    /// A place for a tenant's filter, under the same rules.
    pub(crate) async fn filter(
        self: &Arc<Self>,
        tenant: &TenantId,
    ) -> Result<Place, EndpointError> {
        let share = self.share(Holder::Filters(tenant.clone()), self.filter_share)?;
        let permit = self.wait(&self.filters, self.patience).await?;
        Ok(self.begin(Some(permit), Some(share)))
    }

    /// A place for a call of the `mime` component, waiting up to `patience`.
    pub(crate) async fn mime(self: &Arc<Self>, patience: Duration) -> Result<Place, EndpointError> {
        let permit = self.wait(&self.mime, patience).await?;
        Ok(self.begin(Some(permit), None))
    }

    /// A place for `describe`, which the pool keeps room for: deploying is rare and never waits.
    pub(crate) fn describe(self: &Arc<Self>) -> Place {
        self.begin(None, None)
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
            EndpointError::Trapped { .. } | EndpointError::NoAnswer => &self.traps,
            EndpointError::Limit(_) | EndpointError::BodyTooLarge { .. } => &self.limits,
            EndpointError::Timeout { .. } | EndpointError::HostTimeout { .. } => &self.timeouts,
            EndpointError::Busy => &self.busy,
            EndpointError::Declined(_) | EndpointError::Request(_) => return,
        };
        counter.fetch_add(1, Relaxed);
    }

    fn share(self: &Arc<Self>, holder: Holder, most: u32) -> Result<Share, EndpointError> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let held = tenants.entry(holder.clone()).or_insert(0);
        if *held >= most {
            drop(tenants);
            self.note(&EndpointError::Busy);
            return Err(EndpointError::Busy);
        }
        *held += 1;
        Ok(Share { places: Arc::clone(self), holder })
    }

    async fn wait(
        &self,
        semaphore: &Arc<Semaphore>,
        patience: Duration,
    ) -> Result<OwnedSemaphorePermit, EndpointError> {
        if let Ok(permit) = Arc::clone(semaphore).try_acquire_owned() {
            return Ok(permit);
        }
        match timeout(patience, Arc::clone(semaphore).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => {
                self.note(&EndpointError::Busy);
                Err(EndpointError::Busy)
            }
        }
    }

    fn begin(
        self: &Arc<Self>,
        permit: Option<OwnedSemaphorePermit>,
        share: Option<Share>,
    ) -> Place {
        self.created.fetch_add(1, Relaxed);
        if self.live.fetch_add(1, Relaxed) == 0
            && let Some(ticker) = self.ticker.get()
        {
            ticker.unpark();
        }
        Place { places: Arc::clone(self), _permit: permit, _share: share }
    }
}

impl Place {
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.live.fetch_sub(1, Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut tenants = self.places.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = tenants.get_mut(&self.holder) {
            *held -= 1;
            if *held == 0 {
                tenants.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tenant_over_its_share_is_turned_away_and_others_are_not() {
        let settings = Settings { instances: 4, tenant_share: 2, ..Settings::default() };
        let places = Arc::new(Places::new(&settings));
        let (ann, bo) = ("ann".parse().unwrap(), "bo".parse().unwrap());
        let first = places.endpoint(&ann).await.unwrap();
        let _second = places.endpoint(&ann).await.unwrap();
        assert!(matches!(places.endpoint(&ann).await, Err(EndpointError::Busy)));
        let _other = places.endpoint(&bo).await.unwrap();
        drop(first);
        let _again = places.endpoint(&ann).await.unwrap();
        assert_eq!(places.counters().live, 3);
        assert_eq!(places.counters().busy, 1);
    }

    #[tokio::test]
    async fn a_tenant_that_left_leaves_nothing_behind() {
        let places = Arc::new(Places::new(&Settings::default()));
        drop(places.endpoint(&"ann".parse().unwrap()).await.unwrap());
        assert!(places.tenants.lock().unwrap().is_empty());
        assert_eq!(places.counters().live, 0);
    }

    #[tokio::test]
    async fn a_full_house_is_busy_after_its_patience() {
        let settings =
            Settings { instances: 1, patience: Duration::from_millis(1), ..Settings::default() };
        let places = Arc::new(Places::new(&settings));
        let _first = places.endpoint(&"ann".parse().unwrap()).await.unwrap();
        let second = places.endpoint(&"bo".parse().unwrap()).await;
        assert!(matches!(second, Err(EndpointError::Busy)));
        assert!(places.mime(Duration::ZERO).await.is_ok(), "mime has places of its own");
    }
}
