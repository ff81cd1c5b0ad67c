//! Account identity within the host: tenant and account id.

use model::account::Account;
use model::ids::{AccountId, TenantId};

/// Key of the state kept for one account: sessions, delivery slots, health.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AccountRef {
    pub(crate) tenant: TenantId,
    pub(crate) account: AccountId,
}

impl AccountRef {
    pub(crate) fn of(account: &Account) -> Self {
        Self { tenant: account.tenant.clone(), account: account.id.clone() }
    }
}
