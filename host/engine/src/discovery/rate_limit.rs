//! Rate limit of discovery over the network.
//!
//! One search sends about ten queries to name servers and web servers that a caller chooses:
//! without a limit any client that may call a component could use this host to send them. Results
//! from a table or the cache are free.
//!
//! Invariant: each tenant has a quota of its own, and its anonymous requests have another, so that
//! anonymous clients use up only theirs.

use std::sync::Arc;

use model::caller::{Caller, Party};
use model::limit::rate::{Rate, RateLimiter};
use model::port::clock::Clock;
use model::problem::{Code, Problem};

/// The remaining quota of every tenant.
#[derive(Debug)]
pub(crate) struct LookupLimiter(RateLimiter<Party>);

impl LookupLimiter {
    pub(crate) fn new(rate: Rate, clock: Arc<dyn Clock>) -> Self {
        Self(RateLimiter::new(rate, clock))
    }

    /// Takes one search from the quota.
    pub(crate) fn take(&self, caller: &Caller) -> Result<(), Problem> {
        self.0.take(Party::of(caller)).map_err(|left| {
            let who = match caller.token {
                Some(_) => "for this tenant",
                None => "without a token of this tenant",
            };
            let detail = format!(
                "{who} mail servers were looked up more than {} times a minute: wait, then try again",
                self.0.rate().per_minute
            );
            Problem::new(Code::TooManyRequests, detail).with_retry_after(left)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::caller::Scope;
    use model::ids::{RequestId, TokenId};
    use model::port::capabilities::Providers;

    use super::*;
    use crate::tests::clock::Owned;
    use crate::tests::host::{Host, caller, refused};

    #[test]
    fn each_tenant_and_its_strangers_have_a_rate_of_their_own() {
        let clock = Arc::new(Owned::default());
        let lookups = LookupLimiter::new(Rate { per_minute: 6, burst: 3 }, clock.clone());
        for _ in 0..3 {
            check(&lookups, "a", None, None);
        }
        check(&lookups, "a", None, Some(10));
        let token = Some(TokenId::generate([1; 10]));
        check(&lookups, "a", token.clone(), None);
        check(&lookups, "b", token, None);
        clock.advance(Duration::from_secs(4));
        check(&lookups, "a", None, Some(6));
        clock.advance(Duration::from_secs(6));
        check(&lookups, "a", None, None);
        check(&lookups, "a", None, Some(10));
    }

    #[tokio::test]
    async fn looking_servers_up_needs_the_scope_read() {
        let host = Host::new();
        let known = "gmail.com";
        let without = caller(&[Scope::Send, Scope::Change, Scope::Accounts], None);
        refused(host.engine.discover(&without, known).await, Code::Forbidden);
        // Account creation discovers servers, independent of the scopes for discovery.
        assert!(host.engine.find_servers(&without, known).await.unwrap().profile.is_some());
        let found = host.engine.discover(&caller(&[Scope::Read], None), known).await.unwrap();
        assert!(found.profile.is_some());
    }

    #[track_caller]
    fn check(lookups: &LookupLimiter, tenant: &str, token: Option<TokenId>, want: Option<u64>) {
        let caller = Caller {
            tenant: tenant.parse().unwrap(),
            token,
            scopes: Vec::new(),
            accounts: None,
            request: RequestId::generate([2; 10]),
            idempotency_key: None,
            confined: None,
        };
        let after = lookups.take(&caller).err().map(|problem| {
            assert_eq!(problem.code, Code::TooManyRequests);
            problem.retry_after.unwrap()
        });
        assert_eq!(after, want.map(Duration::from_secs));
    }
}
