//! On whose behalf an instance runs: what shares of places, memory and computing time are kept by.
//!
//! Requests that show no token are a party of their own beside those of their tenant that show one:
//! anybody can send them.

use std::future::Future;

use model::caller::Caller;
use model::ids::TenantId;

/// Who has shares.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Party {
    /// Requests with a token of the tenant, and what is done for them.
    Tenant(TenantId),
    /// Requests to the tenant that show no token, and what is done for them.
    Strangers(TenantId),
    /// What no request waits for: deliveries, and the describing of components.
    Host,
}

tokio::task_local! {
    static CURRENT: Party;
}

impl Party {
    pub(crate) fn of(caller: &Caller) -> Self {
        let tenant = caller.tenant.clone();
        if caller.token.is_some() { Self::Tenant(tenant) } else { Self::Strangers(tenant) }
    }

    /// Whose guest this task runs: a guest's host call may need an instance in its turn.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or(Self::Host)
    }

    /// Whoever asks within `work` is told that it runs for this party.
    pub(crate) async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_done_within_a_guests_call_is_done_for_its_caller() {
        let tenant = Party::Tenant("acme".parse().unwrap());
        assert_eq!(tenant.clone().scope(async { Party::current() }).await, tenant);
        assert_eq!(Party::current(), Party::Host);
    }
}
