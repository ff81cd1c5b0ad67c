//! Parties: the units of fair sharing of slots, memory and computing time.
//!
//! Anonymous requests are a party of their own beside those of their tenant with a token: any
//! client can send them.

use std::future::Future;

use model::caller::Caller;
use model::ids::TenantId;

/// A party with a share of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Party {
    /// Requests with a token of the tenant, and work on their behalf.
    Tenant(TenantId),
    /// Anonymous requests to the tenant, and work on their behalf.
    Strangers(TenantId),
    /// Work that no request waits for: deliveries, and descriptions of components.
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

    /// The party of this task: a guest's host call may need another instance.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or(Self::Host)
    }

    /// Runs `work` for this party: [`Party::current`] returns it within.
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
