//! The party of a task: the unit of fair sharing of slots, memory and computing time.

use std::future::Future;

use model::caller::Party;

tokio::task_local! {
    static CURRENT: Party;
}

/// The party of this task: a guest's host call may need another instance.
pub(crate) fn current() -> Party {
    CURRENT.try_with(Clone::clone).unwrap_or(Party::Host)
}

/// Runs `work` for a party: [`current`] returns it within.
pub(crate) async fn scope<T>(party: Party, work: impl Future<Output = T>) -> T {
    CURRENT.scope(party, work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_done_within_a_guests_call_is_done_for_its_caller() {
        let tenant = Party::Tenant("acme".parse().unwrap());
        assert_eq!(scope(tenant.clone(), async { current() }).await, tenant);
        assert_eq!(current(), Party::Host);
    }
}
