//! Memory limit for JSON request bodies, for each tenant.
//!
//! A JSON body is buffered and checked by the host, outside the limits of any
//! component instance. So its bytes count against the tenant while they are held,
//! and a large body is checked on a blocking thread, two at a time. A body with a
//! tenant's own schema is checked in a child process, which has limits.
//!
//! Invariant: the bodies of one tenant take no memory or time from another, and
//! requests without a token take none from requests with one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::caller::Caller;
use model::ids::TenantId;
use model::problem::{Code, Problem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::openapi::operation::BodySchema;
use crate::schema::child_pool::Asking;

/// Bytes of JSON bodies held at once for one tenant's requests with a token, and as many for those
/// without.
const SHARE_BYTES: usize = 32 << 20;
/// Bytes of one permit.
const UNIT: usize = 1 << 10;
/// The longest wait of a request for other bodies of its tenant.
const WAIT: Duration = Duration::from_secs(5);
/// Bytes of the largest body that is checked on the executor: a thread would cost more.
const SMALL: usize = 64 << 10;
/// Large bodies checked at once, on the whole host.
const CHECKS: usize = 2;

/// The memory limits of all tenants, and the limit of concurrent checks.
#[derive(Debug)]
pub(crate) struct BodyMemory {
    tenants: BTreeMap<TenantId, Shares>,
    checks: Semaphore,
}

/// The permits of one tenant, one for each KiB.
#[derive(Debug)]
struct Shares {
    with_token: Arc<Semaphore>,
    without_token: Arc<Semaphore>,
}

/// Bytes that a body holds; released when dropped.
#[derive(Debug)]
pub(crate) struct BodyMemoryPermit {
    _permit: OwnedSemaphorePermit,
}

impl BodyMemory {
    pub(crate) fn new(tenants: &[TenantId]) -> Self {
        let share = || Arc::new(Semaphore::new(SHARE_BYTES / UNIT));
        let fresh = |tenant: &TenantId| {
            (tenant.clone(), Shares { with_token: share(), without_token: share() })
        };
        Self { tenants: tenants.iter().map(fresh).collect(), checks: Semaphore::new(CHECKS) }
    }

    /// Reserves `bytes` of the tenant's share for requests like the caller's.
    ///
    /// # Errors
    /// `too-many-requests` when they are not free within 5 seconds.
    pub(crate) async fn charge(
        &self,
        caller: &Caller,
        bytes: usize,
    ) -> Result<BodyMemoryPermit, Problem> {
        let busy = || {
            let detail = format!(
                "the JSON bodies of this tenant hold {SHARE_BYTES} bytes, which is the limit: wait, then try again"
            );
            Problem::new(Code::TooManyRequests, detail).with_retry_after(Duration::from_secs(5))
        };
        let units = u32::try_from((bytes / UNIT + 1).min(SHARE_BYTES / UNIT)).unwrap_or(u32::MAX);
        let shares = self.tenants.get(&caller.tenant).ok_or_else(busy)?;
        let share = if caller.token.is_some() { &shares.with_token } else { &shares.without_token };
        match tokio::time::timeout(WAIT, Arc::clone(share).acquire_many_owned(units)).await {
            Ok(Ok(permit)) => Ok(BodyMemoryPermit { _permit: permit }),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
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
    use model::ids::{RequestId, TokenId};

    use super::*;
    use crate::schema::Schema;

    #[tokio::test(start_paused = true)]
    async fn tenants_have_separate_shares_and_so_have_requests_with_and_without_a_token() {
        let (a, b): (TenantId, TenantId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let budget = BodyMemory::new(&[a.clone(), b.clone()]);
        let token = Some(TokenId::generate([1; 10]));
        let (without, with) = (caller(&a, None), caller(&a, token.clone()));
        for (full, others) in
            [(&without, [&with, &caller(&b, None)]), (&with, [&without, &caller(&b, token)])]
        {
            let held = budget.charge(full, SHARE_BYTES).await.unwrap();
            assert_eq!(budget.charge(full, 1).await.unwrap_err().code, Code::TooManyRequests);
            for other in others {
                assert!(budget.charge(other, SHARE_BYTES).await.is_ok(), "{other:?}");
            }
            drop(held);
            assert!(budget.charge(full, 1).await.is_ok());
        }
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
        let (rule, budget) = (BodySchema::Own(Arc::new(schema)), BodyMemory::new(&[]));
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
