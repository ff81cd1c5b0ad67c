//! What every part of the engine works with: ports, figures, pool and cache.

use model::account::Account;
use model::caller::{Grant, Scope};
use model::problem::Problem;
use tokio::sync::Notify;

use crate::cache::{Cache, CacheKey};
use crate::couriers::Couriers;
use crate::held::Held;
use crate::key::Place;
use crate::pool::Pool;
use crate::ports::Ports;
use crate::problems;
use crate::settings::Settings;

/// One for each engine.
#[derive(Debug)]
pub(crate) struct Works {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) pool: Pool,
    pub(crate) cache: Cache,
    pub(crate) held: Held,
    pub(crate) couriers: Couriers,
    /// Told when something was accepted for sending.
    pub(crate) accepted: Notify,
}

impl Works {
    pub(crate) fn new(ports: Ports, settings: Settings) -> Self {
        let pool = Pool::new(ports.clone(), settings.clone());
        let cache = Cache::new(settings.cache_bytes);
        // What lies in the cache counts, too, and must not use the budget up.
        let held = settings.open_bytes.max(settings.message_bytes);
        let held = Held::new(held.saturating_add(settings.cache_bytes as u64));
        let couriers = Couriers::new(settings.deliveries, settings.deliveries_per_account);
        Self { ports, settings, pool, cache, held, couriers, accepted: Notify::new() }
    }

    /// The place as the parser of now sees it.
    pub(crate) fn cache_key(&self, place: Place) -> CacheKey {
        CacheKey { place, digest: self.ports.mime.digest() }
    }
}

/// The granted account, when the token has the scope.
pub(crate) fn allow(grant: &Grant, scope: Scope) -> Result<&Account, Problem> {
    if grant.caller.may(scope) { Ok(&grant.account) } else { Err(problems::forbidden(scope)) }
}
