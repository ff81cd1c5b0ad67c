//! Memory limit for JSON request bodies, for each tenant.
//!
//! A JSON body is buffered and checked by the host, outside the limits of any
//! component instance. So its bytes count against the tenant while they are held,
//! and a large body is checked on a blocking thread, two at a time. A body with a
//! tenant's own schema is checked in a child process, which has limits.
//!
//! Invariant: the bodies of one tenant take no memory or time from another, and
//! requests without a token take none from requests with one.

use std::sync::Arc;
use std::time::Duration;

use model::caller::{Caller, Party};
use model::limit::shares::Rule;
use model::limit::tenant_limiter::{Permit, TenantLimiter};
use model::port::clock::Clock;
use model::problem::{Code, Problem};
use tokio::sync::Semaphore;

use crate::openapi::operation::BodySchema;
use crate::schema::child_pool::Asking;

/// Bytes of JSON bodies held at once for one tenant's requests with a token, and as many for those
/// without.
const SHARE_BYTES: u64 = 32 << 20;
/// Bytes that are charged for a body in addition to its own.
const OVERHEAD: u64 = 1 << 10;
/// The longest wait of a request for other bodies of its tenant.
const WAIT: Duration = Duration::from_secs(5);
/// Bytes of the largest body that is checked on the executor: a thread would cost more.
const SMALL: usize = 64 << 10;
/// Large bodies checked at once, on the whole host.
const CHECKS: usize = 2;

/// The memory limits of all tenants, and the limit of concurrent checks.
#[derive(Debug)]
pub(crate) struct BodyMemory {
    bytes: TenantLimiter<Party>,
    clock: Arc<dyn Clock>,
    checks: Semaphore,
}

impl BodyMemory {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let bytes = TenantLimiter::new(Rule::Each(SHARE_BYTES), u64::MAX);
        Self { bytes, clock, checks: Semaphore::new(CHECKS) }
    }

    /// Reserves `bytes` of the tenant's share for requests like the caller's, until the permit is dropped.
    ///
    /// # Errors
    /// `too-many-requests` when they are not free within 5 seconds.
    pub(crate) async fn charge(
        &self,
        caller: &Caller,
        bytes: usize,
    ) -> Result<Permit<Party>, Problem> {
        // A body larger than the share waits for all of it.
        let bytes = (bytes as u64).saturating_add(OVERHEAD).min(SHARE_BYTES);
        let expired = self.clock.sleep(WAIT);
        self.bytes.take_until(&Party::of(caller), bytes, expired).await.map_err(|_| {
            let detail = format!(
                "the JSON bodies of this tenant hold {SHARE_BYTES} bytes, which is the limit: wait, then try again"
            );
            Problem::new(Code::TooManyRequests, detail).with_retry_after(Duration::from_secs(5))
        })
    }

    /// Checks a body against its JSON schema.
    ///
    /// # Errors
    /// The problem of a body that does not match, or `unavailable` when it could not be checked.
    pub(crate) async fn check(
        &self,
        asking: Asking<'_>,
        rule: &BodySchema,
        body: &bytes::Bytes,
    ) -> Result<(), Problem> {
        let schema = match rule {
            BodySchema::Own(schema) => schema,
            BodySchema::Foreign(schema, checkers) => {
                return checkers.body(asking, schema, body).await;
            }
        };
        if body.len() <= SMALL {
            return schema.check(body).map(drop);
        }
        let failed = || Problem::new(Code::Unavailable, "the body could not be checked now");
        let _turn = self.checks.acquire().await.map_err(|_| failed())?;
        let (schema, body) = (Arc::clone(schema), body.clone());
        tokio::task::spawn_blocking(move || schema.check(&body).map(drop))
            .await
            .map_err(|_| failed())?
    }
}

#[cfg(test)]
mod tests {
    use model::ids::{RequestId, TenantId, TokenId};

    use super::*;
    use crate::os::clock::SystemClock;
    use crate::schema::Schema;

    const ALL: usize = SHARE_BYTES as usize;

    fn budget() -> BodyMemory {
        BodyMemory::new(Arc::new(SystemClock::new()))
    }

    #[tokio::test(start_paused = true)]
    async fn tenants_have_separate_shares_and_so_have_requests_with_and_without_a_token() {
        let (a, b): (TenantId, TenantId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let budget = budget();
        let token = Some(TokenId::generate([1; 10]));
        let (without, with) = (caller(&a, None), caller(&a, token.clone()));
        for (full, others) in
            [(&without, [&with, &caller(&b, None)]), (&with, [&without, &caller(&b, token)])]
        {
            let held = budget.charge(full, ALL).await.unwrap();
            assert_eq!(budget.charge(full, 1).await.unwrap_err().code, Code::TooManyRequests);
            for other in others {
                assert!(budget.charge(other, ALL).await.is_ok(), "{other:?}");
            }
            drop(held);
            assert!(budget.charge(full, 1).await.is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_wait_for_others_of_their_tenant_and_the_largest_for_all_of_them() {
        let budget = budget();
        let caller = caller(&"a".parse().unwrap(), None);
        let held = budget.charge(&caller, ALL / 2).await.unwrap();
        let given_back = async {
            tokio::time::sleep(WAIT / 2).await;
            drop(held);
        };
        let (largest, ()) = tokio::join!(budget.charge(&caller, 2 * ALL), given_back);
        assert!(largest.is_ok());
        assert!(budget.charge(&caller, 0).await.is_err());
    }

    fn caller(tenant: &TenantId, token: Option<TokenId>) -> Caller {
        Caller {
            tenant: tenant.clone(),
            token,
            scopes: Vec::new(),
            accounts: None,
            request: RequestId::generate([2; 10]),
            idempotency_key: None,
            confined: None,
        }
    }

    #[tokio::test]
    async fn a_large_body_is_checked_like_a_small_one() {
        let schema = Schema::compile(r#"{"type": "array", "items": {"type": "integer"}}"#).unwrap();
        let (rule, budget) = (BodySchema::Own(Arc::new(schema)), budget());
        let caller = caller(&"a".parse().unwrap(), None);
        let asking = Asking { caller: &caller, component: "own" };
        let large = |last: &str| bytes::Bytes::from(format!("[{}{last}]", "1,".repeat(SMALL)));
        assert!(budget.check(asking, &rule, &large("1")).await.is_ok());
        assert_eq!(
            budget.check(asking, &rule, &large("\"x\"")).await.unwrap_err().code,
            Code::InvalidBody
        );
    }
}
