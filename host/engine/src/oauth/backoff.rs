//! Exponential back-off of token endpoints that failed.
//!
//! A tenant's `tokenUrl`, or an authorization server of the operator's, is called for every login
//! that needs a token, so one that is down, or that refuses, would be called by every request and
//! every delivery.
//!
//! Invariants: during a pause no request is sent there for that tenant, and a caller that needs a
//! token gets the endpoint's last error and the time of the next request; a tenant has a bounded
//! number of pauses, and none of another's.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use model::ids::TenantId;
use model::port::clock::Clock;
use model::problem::{Code, Problem};
use model::secret::Secret;

use crate::backoff;

/// After the first failure; doubled with each that follows.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Upper limit of a Retry-After.
const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);
/// How long a probe after a pause holds back other requests.
const PROBE: Duration = Duration::from_secs(5);
/// Addresses of one tenant that are recorded.
const MOST: usize = 256;

/// By tenant.
#[derive(Debug)]
pub(crate) struct TokenEndpointBackoff {
    clock: Arc<dyn Clock>,
    tenants: Mutex<HashMap<TenantId, HashMap<Address, Pause>>>,
}

/// An endpoint and a digest of what is sent: with a corrected secret there is no wait.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    url: String,
    secret: u64,
}

#[derive(Debug)]
struct Pause {
    failures: u32,
    /// Monotonic.
    until: Duration,
    code: Code,
    detail: String,
}

impl Address {
    pub(crate) fn new(url: &str, secret: Option<&Secret>) -> Self {
        let mut hasher = DefaultHasher::new();
        secret.map(Secret::reveal).hash(&mut hasher);
        Self { url: url.to_owned(), secret: hasher.finish() }
    }
}

impl TokenEndpointBackoff {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tenants: Mutex::default() }
    }

    /// Whether the endpoint may be called now; after a failure only one caller at a time may.
    pub(crate) fn check(&self, tenant: &TenantId, address: &Address) -> Result<(), Problem> {
        self.check_all(tenant, &[address])
    }

    /// The same for several endpoints that are called together. A caller that may not call one of
    /// them does not hold back the others.
    pub(crate) fn check_all(
        &self,
        tenant: &TenantId,
        addresses: &[&Address],
    ) -> Result<(), Problem> {
        let now = self.clock.monotonic();
        let mut tenants = self.tenants.lock();
        let Some(own) = tenants.get_mut(tenant) else { return Ok(()) };
        for pause in addresses.iter().filter_map(|address| own.get(*address)) {
            if let Some(left) = pause.until.checked_sub(now).filter(|left| !left.is_zero()) {
                return Err(told(pause.code, &pause.detail, left));
            }
        }
        for address in addresses {
            if let Some(pause) = own.get_mut(*address) {
                pause.until = now + PROBE;
            }
        }
        Ok(())
    }

    /// Records a failure: the problem, with the time of the next request. `asked` is the server's
    /// Retry-After.
    pub(crate) fn failed(
        &self,
        tenant: &TenantId,
        address: Address,
        problem: Problem,
        asked: Option<Duration>,
    ) -> Problem {
        let now = self.clock.monotonic();
        let mut tenants = self.tenants.lock();
        let own = tenants.entry(tenant.clone()).or_default();
        if own.len() >= MOST
            && !own.contains_key(&address)
            && let Some(oldest) = own.iter().min_by_key(|(_, pause)| pause.until)
        {
            let oldest = oldest.0.clone();
            own.remove(&oldest);
        }
        let fresh = || Pause {
            failures: 0,
            until: Duration::ZERO,
            code: problem.code,
            detail: String::new(),
        };
        let pause = own.entry(address).or_insert_with(fresh);
        let wait = backoff::doubled(FIRST, LONGEST, pause.failures);
        let wait = wait.max(asked.unwrap_or_default().min(LONGEST_ASKED));
        pause.failures = pause.failures.saturating_add(1);
        pause.until = now + wait;
        pause.code = problem.code;
        pause.detail.clone_from(&problem.detail);
        Problem { detail: sentence(&problem.detail, wait), ..problem }.with_retry_after(wait)
    }

    /// Records that it returned a token.
    pub(crate) fn clear(&self, tenant: &TenantId, address: &Address) {
        let mut tenants = self.tenants.lock();
        let Some(own) = tenants.get_mut(tenant) else { return };
        own.remove(address);
        if own.is_empty() {
            tenants.remove(tenant);
        }
    }
}

fn told(code: Code, detail: &str, left: Duration) -> Problem {
    Problem::new(code, sentence(detail, left)).with_retry_after(left)
}

fn sentence(detail: &str, left: Duration) -> String {
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    format!("{detail}; it is asked again in {seconds} s")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::clock::Owned;

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn refusal() -> Problem {
        Problem::new(Code::AuthorizationUnavailable, "no token now")
    }

    fn address() -> Address {
        Address::new("https://own.test/", None)
    }

    #[test]
    fn pauses_double_to_a_quarter_of_an_hour_and_end_with_a_token() {
        let clock = Arc::new(Owned::default());
        let pauses = TokenEndpointBackoff::new(clock.clone());
        let acme = tenant("acme");
        for want in [5, 10, 20, 40, 80, 160, 320, 640, 900, 900] {
            pauses.check(&acme, &address()).unwrap();
            let told = pauses.failed(&acme, address(), refusal(), None);
            assert_eq!(told.detail, format!("no token now; it is asked again in {want} s"));
            clock.advance(Duration::from_secs(want - 1));
            let told = pauses.check(&acme, &address()).unwrap_err();
            assert_eq!(told.code, Code::AuthorizationUnavailable);
            assert_eq!(told.detail, "no token now; it is asked again in 1 s");
            assert_eq!(told.retry_after, Some(Duration::from_secs(1)));
            clock.advance(Duration::from_secs(1));
        }
        pauses.check(&acme, &address()).unwrap();
        assert!(pauses.check(&acme, &address()).is_err(), "one asks, the others wait for it");
        pauses.clear(&acme, &address());
        assert!(pauses.tenants.lock().is_empty());
        let asked = Some(Duration::from_secs(77));
        let told = pauses.failed(&acme, address(), refusal(), asked);
        assert_eq!(told.retry_after, Some(Duration::from_secs(77)), "as the server asks");
    }

    #[test]
    fn others_and_another_secret_do_not_wait() {
        let pauses = TokenEndpointBackoff::new(Arc::new(Owned::default()));
        let acme = tenant("acme");
        pauses.failed(&acme, address(), refusal(), None);
        assert!(pauses.check(&acme, &address()).is_err());
        assert!(pauses.check(&tenant("globex"), &address()).is_ok());
        let mended = Secret::new("mended".to_owned());
        assert!(pauses.check(&acme, &Address::new("https://own.test/", Some(&mended))).is_ok());
        for at in 0..1000 {
            let address = Address::new(&format!("https://{at}.test/"), None);
            pauses.failed(&acme, address, refusal(), None);
        }
        assert_eq!(pauses.tenants.lock()[&acme].len(), MOST);
    }
}
