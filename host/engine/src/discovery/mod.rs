//! Server discovery: from a domain to its mail servers.
//!
//! The tenant's own files, then the built-in table, then all remote sources at once: the table by
//! mail exchanger, the domain's own files over https, the operator's database, SRV records,
//! Autodiscover. The strongest source with an answer wins; a faster weaker one waits for it.
//! Nothing is guessed.
//!
//! Invariant: no search takes longer than its limit, and every step is reported with its duration
//! and reason, used or not.
//!
//! Standards: RFC 6186, RFC 8314 §5.1 (SRV), draft-ietf-mailmaint-autoconfig.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{self, Either};
use futures_util::stream::{FuturesUnordered, StreamExt};
use model::discovery::{DiscoveryResult, Outcome, Source, Step};
use model::ids::TenantId;
use model::limit::shares::Rule;
use model::limit::tenant_limiter::TenantLimiter;
use model::port::clock::Clock;
use model::provider::Localised;

use crate::discovery::cache::DiscoveryCache;
use crate::discovery::search::{Network, REMOTE, Search, SourceResult, late};
use crate::providers::{Profiles, domain};

mod same_owner;
mod offer;
pub mod xml;
mod autoconfig;
mod autodiscover;
mod srv;
pub mod ispdb;
mod cache;
mod recommendation;
pub mod search;
pub(crate) mod rate_limit;
#[cfg(test)]
mod tests;

/// Maximum number of concurrent searches, over all tenants and of one tenant.
const SEARCHES: u64 = 32;
const SEARCHES_OF_TENANT: u64 = 8;

/// Finds the servers of a domain.
pub struct Discovery {
    profiles: Arc<Profiles>,
    /// Provider files of tenants.
    tenants: HashMap<TenantId, Profiles>,
    network: Option<Network>,
    clock: Arc<dyn Clock>,
    memory: DiscoveryCache,
    /// So that a tenant's slow domains do not delay other tenants.
    searches: TenantLimiter<TenantId>,
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery").field("network", &self.network).finish_non_exhaustive()
    }
}

impl Discovery {
    /// Uses the host's table and those of tenants. Without a network only tables are consulted.
    #[must_use]
    pub fn new(
        profiles: Arc<Profiles>,
        tenants: HashMap<TenantId, Profiles>,
        network: Option<Network>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            profiles,
            tenants,
            network,
            clock,
            memory: DiscoveryCache::default(),
            searches: TenantLimiter::new(Rule::Each(SEARCHES_OF_TENANT), SEARCHES),
        }
    }

    /// Finds the servers of a domain. A text that is not a domain has no result.
    pub async fn find(&self, tenant: &TenantId, domain: &str) -> DiscoveryResult {
        let mut found = self.look(tenant, domain).await;
        if let Some(profile) = &mut found.profile {
            found.recommendation = recommendation::recommendation(profile);
            if profile.hints.is_empty() {
                profile.hints = recommendation::hints(profile);
            }
        }
        found
    }

    /// Whether the network would be queried: neither a table nor the cache has the domain.
    pub(crate) fn asks(&self, tenant: &TenantId, domain: &str) -> bool {
        let Some(domain) = domain::normalise(domain) else { return false };
        let own = self.tenants.get(tenant);
        let listed =
            own.into_iter().chain([&*self.profiles]).any(|t| t.by_domain(&domain).is_some());
        let key = memory_key(tenant, own, &domain);
        self.network.is_some() && !listed && self.memory.get(&key, self.clock.monotonic()).is_none()
    }

    /// The login requirements of the domain's service, from the tables alone: one text in each
    /// language, and the service's help page.
    pub(crate) fn help(&self, tenant: &TenantId, domain: &str) -> (Vec<Localised>, Option<String>) {
        let own = self.tenants.get(tenant).and_then(|table| table.by_domain(domain));
        match own.or_else(|| self.profiles.by_domain(domain)) {
            Some(profile) => (recommendation::help(profile), profile.hint_url.clone()),
            None => (Vec::new(), None),
        }
    }

    async fn look(&self, tenant: &TenantId, domain: &str) -> DiscoveryResult {
        let Some(domain) = domain::normalise(domain) else { return DiscoveryResult::default() };
        let own = self.tenants.get(tenant);
        let mut steps = Vec::with_capacity(8);
        let tables = [(Source::Tenant, own), (Source::Table, Some(&*self.profiles))];
        for (source, table) in tables {
            let profile = table.and_then(|table| table.by_domain(&domain));
            let (outcome, reason) = match (table, profile) {
                (None, _) => (Outcome::Off, "the tenant has no files of its own".to_owned()),
                (Some(_), None) => (Outcome::Nothing, "it does not list the domain".to_owned()),
                (Some(_), Some(profile)) => {
                    (Outcome::Used, format!("the domain belongs to {}", profile.name))
                }
            };
            steps.push(step(source, &domain, Duration::ZERO, outcome, reason));
            if let Some(profile) = profile {
                let weaker = [Source::Table].into_iter().filter(|_| source == Source::Tenant);
                steps.extend(weaker.chain(REMOTE).map(|weaker| not_asked(weaker, &domain)));
                return DiscoveryResult {
                    profile: Some(profile.clone()),
                    steps,
                    ..DiscoveryResult::default()
                };
            }
        }
        let Some(network) = &self.network else {
            return DiscoveryResult { steps, ..DiscoveryResult::default() };
        };

        let key = memory_key(tenant, own, &domain);
        if let Some((found, age)) = self.memory.get(&key, self.clock.monotonic()) {
            let reason = format!("what follows was found {} seconds ago", age.as_secs());
            steps.push(step(Source::Cache, &domain, Duration::ZERO, Outcome::Used, reason));
            steps.extend(found.steps);
            return DiscoveryResult { steps, ..found };
        }
        let tables = own.into_iter().chain([&*self.profiles]).collect();
        let found = self.ask(network, tables, tenant, &domain).await;
        self.memory.put(&key, found.clone(), self.clock.monotonic());
        steps.extend(found.steps);
        DiscoveryResult { steps, ..found }
    }

    async fn ask(
        &self,
        network: &Network,
        tables: Vec<&Profiles>,
        tenant: &TenantId,
        domain: &str,
    ) -> DiscoveryResult {
        let began = self.clock.monotonic();
        let mut deadline = self.clock.sleep(network.limit);
        let mut told: BTreeMap<Source, SourceResult> = BTreeMap::new();
        let search = Search::new(network, tables, &*self.clock, domain);
        // Waiting for a permit counts within the limit.
        if let Ok(_turn) = self.searches.take_until(tenant, 1, &mut deadline).await {
            let mut questions: FuturesUnordered<_> = search.questions().into_iter().collect();
            while !settled(&told) {
                match future::select(questions.next(), &mut deadline).await {
                    Either::Left((Some(answer), _)) => drop(told.insert(answer.source, answer)),
                    Either::Left((None, _)) | Either::Right(_) => break,
                }
            }
        }
        let waited = self.clock.monotonic().saturating_sub(began);
        let winner = REMOTE
            .into_iter()
            .find(|source| told.get(source).is_some_and(|told| told.profile.is_some()));
        let mut found = DiscoveryResult::default();
        for source in REMOTE {
            let Some(told) = told.remove(&source) else {
                let (outcome, reason) = match winner {
                    Some(winner) if winner < source => (Outcome::Unused, WEAKER.to_owned()),
                    Some(_) | None => (Outcome::Failed, late(network.limit)),
                };
                found.steps.push(step(source, &search.asked(source), waited, outcome, reason));
                continue;
            };
            let SourceResult { asked, took, mut outcome, mut reason, profile, .. } = told;
            if winner == Some(source) {
                outcome = Outcome::Used;
                found.confirm = source != Source::Mx
                    && profile.as_ref().is_some_and(|profile| search.is_strange(profile));
                found.profile = profile;
            } else if profile.is_some() {
                reason = format!("{reason}; a stronger source had an answer");
            }
            found.steps.push(Step { source, asked, took, outcome, reason });
        }
        found
    }
}

/// Results that depend on a tenant's own files are cached for that tenant only.
fn memory_key(tenant: &TenantId, own: Option<&Profiles>, domain: &str) -> String {
    own.map_or_else(|| domain.to_owned(), |_| format!("{} {domain}", tenant.as_str()))
}

const WEAKER: &str = "not waited for: a stronger source had an answer";

/// Whether no pending source is stronger than a result already received.
fn settled(told: &BTreeMap<Source, SourceResult>) -> bool {
    for source in REMOTE {
        match told.get(&source) {
            Some(told) if told.profile.is_some() => return true,
            Some(_) => {}
            None => return false,
        }
    }
    true
}

fn step(source: Source, asked: &str, took: Duration, outcome: Outcome, reason: String) -> Step {
    Step { source, asked: asked.to_owned(), took, outcome, reason }
}

fn not_asked(source: Source, domain: &str) -> Step {
    let reason = "not asked: a stronger source has the answer".to_owned();
    step(source, domain, Duration::ZERO, Outcome::Unused, reason)
}
