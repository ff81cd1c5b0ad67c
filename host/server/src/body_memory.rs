//! What bodies may cost before a component exists.
//!
//! A JSON body is collected and checked by the host itself, outside the budgets
//! of any instance. So its bytes are charged to the tenant while they are held,
//! and the check of a large one runs beside the executor, few at a time. Against a
//! tenant's own schema it runs in a child, which has a budget.
//!
//! Invariant: no tenant's bodies take another's memory or time, and those of
//! strangers take none from whoever has a token.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::caller::Caller;
use model::ids::TenantId;
use model::problem::{Code, Problem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::openapi::operation::BodySchema;
use crate::schema::child_pool::Asking;

/// Of JSON bodies, for those who show a token of the tenant, and as much for those who show none.
const SHARE_BYTES: usize = 32 << 20;
const UNIT: usize = 1 << 10;
/// How long a request waits for others of its tenant.
const PATIENCE: Duration = Duration::from_secs(5);
/// Smaller bodies are checked where they are: a thread would cost more.
const SMALL: usize = 64 << 10;
/// Large bodies checked at once.
const CHECKS: usize = 2;

/// The host's memory and time for bodies.
#[derive(Debug)]
pub(crate) struct BodyMemory {
    tenants: BTreeMap<TenantId, Shares>,
    checks: Semaphore,
}

/// What is left for one tenant.
#[derive(Debug)]
struct Shares {
    tokens: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

/// Bytes that are held; given back when dropped.
#[derive(Debug)]
pub(crate) struct BodyMemoryPermit {
    _permit: OwnedSemaphorePermit,
}

impl BodyMemory {
    pub(crate) fn new(tenants: &[TenantId]) -> Self {
        let share = || Arc::new(Semaphore::new(SHARE_BYTES / UNIT));
        let fresh =
            |tenant: &TenantId| (tenant.clone(), Shares { tokens: share(), strangers: share() });
        Self { tenants: tenants.iter().map(fresh).collect(), checks: Semaphore::new(CHECKS) }
    }

    /// Charges `bytes` to the caller's share of its tenant.
    pub(crate) async fn charge(
        &self,
        caller: &Caller,
        bytes: usize,
    ) -> Result<BodyMemoryPermit, Problem> {
        let busy = || {
            let detail = format!(
                "JSON bodies of this tenant have the {SHARE_BYTES} bytes that they may have at once: wait, then try again"
            );
            Problem::new(Code::TooManyRequests, detail).with_retry_after(Duration::from_secs(5))
        };
        let units = u32::try_from((bytes / UNIT + 1).min(SHARE_BYTES / UNIT)).unwrap_or(u32::MAX);
        let shares = self.tenants.get(&caller.tenant).ok_or_else(busy)?;
        let share = if caller.token.is_some() { &shares.tokens } else { &shares.strangers };
        match tokio::time::timeout(PATIENCE, Arc::clone(share).acquire_many_owned(units)).await {
            Ok(Ok(permit)) => Ok(BodyMemoryPermit { _permit: permit }),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    /// Checks a body against its schema.
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
    async fn one_tenants_bodies_leave_anothers_alone_and_strangers_leave_tokens_alone() {
        let (a, b): (TenantId, TenantId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let budget = BodyMemory::new(&[a.clone(), b.clone()]);
        let token = Some(TokenId::generate([1; 10]));
        let (stranger, holder) = (caller(&a, None), caller(&a, token.clone()));
        for (full, others) in
            [(&stranger, [&holder, &caller(&b, None)]), (&holder, [&stranger, &caller(&b, token)])]
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
