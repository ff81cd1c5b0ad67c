//! What every part of the engine works with: ports, figures, pool and cache.

use std::sync::Arc;

use model::account::Account;
use model::caller::{Grant, Scope};
use model::problem::Problem;
use tokio::sync::Notify;

use crate::bound::Filters;
use crate::cache::{Cache, CacheKey};
use crate::couriers::Couriers;
use crate::health::Healths;
use crate::held::Held;
use crate::key::Place;
use crate::lookups::Lookups;
use crate::oauth::bearers::{Bearers, Endpoints};
use crate::oauth::consent::Consents;
use crate::pool::Pool;
use crate::pool::room::Logins;
use crate::ports::Ports;
use crate::problems;
use crate::refusals::Refusals;
use crate::settings::Settings;

/// One for each engine.
#[derive(Debug)]
pub(crate) struct Works {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) pool: Pool,
    /// Who knows what logs in now.
    pub(crate) bearers: Arc<Bearers>,
    /// People on their way to an authorization server and back.
    pub(crate) consents: Consents,
    /// Logins that were refused to those who try accounts.
    pub(crate) refusals: Refusals,
    /// Logins that were refused with one stored password after the other.
    pub(crate) guesses: Arc<Refusals>,
    /// What servers said to logins.
    pub(crate) healths: Arc<Healths>,
    pub(crate) cache: Cache,
    pub(crate) held: Held,
    pub(crate) couriers: Couriers,
    /// Told when a copy of a sent message is to be filed.
    pub(crate) sent: Notify,
    /// What every message of a tenant passes before it is accepted.
    pub(crate) filters: Filters,
    /// How often the network is asked for mail servers.
    pub(crate) lookups: Lookups,
}

impl Works {
    pub(crate) fn new(ports: Ports, settings: Settings) -> Self {
        let healths = Healths::new(Arc::clone(&ports.accounts), Arc::clone(&ports.clock));
        let healths = Arc::new(healths);
        let bearers = Arc::new(Bearers::new(
            Arc::clone(&ports.accounts),
            Arc::clone(&ports.clock),
            Arc::clone(&ports.background),
            Endpoints { servers: Arc::clone(&ports.tokens), own: Arc::clone(&ports.own_tokens) },
            Arc::clone(&ports.authorization),
        ));
        let consents = Consents::new(Arc::clone(&ports.clock), Arc::clone(&ports.entropy));
        let guesses = Arc::new(Refusals::new(Arc::clone(&ports.clock)));
        let logins = Logins {
            bearers: Arc::clone(&bearers),
            healths: Arc::clone(&healths),
            guesses: Arc::clone(&guesses),
        };
        let refusals = Refusals::new(Arc::clone(&ports.clock));
        let pool = Pool::new(ports.clone(), settings.clone(), logins);
        let cache = Cache::new(settings.cache_bytes);
        // What lies in the cache counts, too, and must not use the budget up.
        let held = settings.open_bytes.max(settings.message_bytes);
        let held = Held::new(held.saturating_add(settings.cache_bytes as u64));
        let couriers = Couriers::new(&settings);
        let filters = Filters::default();
        let lookups = Lookups::new(settings.lookups, Arc::clone(&ports.clock));
        Self {
            ports,
            settings,
            pool,
            bearers,
            consents,
            refusals,
            guesses,
            healths,
            cache,
            held,
            couriers,
            sent: Notify::new(),
            filters,
            lookups,
        }
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
