//! What bodies may cost before a component exists.
//!
//! A JSON body is collected and checked by the host itself, outside the budgets
//! of any instance. So its bytes are charged to the tenant while they are held,
//! and the check of a large one runs beside the executor, few at a time. Against a
//! tenant's own schema it runs in a child, which has a budget.
//!
//! Invariant: no tenant's bodies take another's memory or time, and those of
//! strangers take none from whoever has a token.

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

/// Of JSON bodies, for those who show a token of the tenant, and as much for those who show none.
const SHARE_BYTES: u64 = 32 << 20;
/// What a body costs beside its bytes.
const OVERHEAD: u64 = 1 << 10;
/// How long a request waits for others of its tenant.
const PATIENCE: Duration = Duration::from_secs(5);
/// Smaller bodies are checked where they are: a thread would cost more.
const SMALL: usize = 64 << 10;
/// Large bodies checked at once.
const CHECKS: usize = 2;

/// The host's memory and time for bodies.
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

    /// Charges `bytes` to the caller's share of its tenant; they are given back with the permit.
    pub(crate) async fn charge(
        &self,
        caller: &Caller,
        bytes: usize,
    ) -> Result<Permit<Party>, Problem> {
        // One that is larger than the share waits until it has all of it.
        let bytes = (bytes as u64).saturating_add(OVERHEAD).min(SHARE_BYTES);
        let expired = self.clock.sleep(PATIENCE);
        self.bytes.take_until(&Party::of(caller), bytes, expired).await.map_err(|_| {
            let detail = format!(
                "JSON bodies of this tenant have the {SHARE_BYTES} bytes that they may have at once: wait, then try again"
            );
            Problem::new(Code::TooManyRequests, detail).with_retry_after(Duration::from_secs(5))
        })
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
    use model::ids::{RequestId, TenantId, TokenId};

    use super::*;
    use crate::os::clock::SystemClock;
    use crate::schema::Schema;

    const ALL: usize = SHARE_BYTES as usize;

    fn budget() -> BodyMemory {
        BodyMemory::new(Arc::new(SystemClock::new()))
    }

    #[tokio::test(start_paused = true)]
    async fn one_tenants_bodies_leave_anothers_alone_and_strangers_leave_tokens_alone() {
        let (a, b): (TenantId, TenantId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let budget = budget();
        let token = Some(TokenId::generate([1; 10]));
        let (stranger, holder) = (caller(&a, None), caller(&a, token.clone()));
        for (full, others) in
            [(&stranger, [&holder, &caller(&b, None)]), (&holder, [&stranger, &caller(&b, token)])]
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
            tokio::time::sleep(PATIENCE / 2).await;
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
