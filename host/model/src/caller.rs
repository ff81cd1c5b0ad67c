//! The caller of a request: authenticated identity and scopes.
//!
//! Created once by the server, from a token or for an anonymous request; carried by every
//! capability call. Ids carry no authority: a [`Grant`] exists only after a check.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::ids::{AccountId, RequestId, TenantId, TokenId};
use crate::submission::IdempotencyKey;

/// One permission of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// List and fetch messages.
    Read,
    /// Set flags; move, copy and delete messages.
    Change,
    /// Submit messages, and read submissions.
    Send,
    /// Manage accounts.
    Accounts,
    /// Manage tokens and tenants.
    Operate,
}

impl Scope {
    /// Every scope.
    pub const EVERY: [Self; 5] =
        [Self::Read, Self::Change, Self::Send, Self::Accounts, Self::Operate];

    /// As written in tokens and manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Change => "change",
            Self::Send => "send",
            Self::Accounts => "accounts",
            Self::Operate => "operate",
        }
    }

    /// Reads what [`Scope::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|scope| scope.as_str() == text)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The caller of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's tenant; of an anonymous request, the tenant of the address.
    pub tenant: TenantId,
    /// The token; none for an anonymous request.
    pub token: Option<TokenId>,
    /// What the caller may do.
    pub scopes: Vec<Scope>,
    /// The only accounts it may open; none means every account of the tenant.
    pub accounts: Option<Vec<AccountId>>,
    /// Correlates log lines and problems.
    pub request: RequestId,
    /// The value of the Idempotency-Key field.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The component that acts for it, where the manifest withholds something.
    pub confined: Option<Confinement>,
}

/// What the table `[component.X.tool.postlet]` of a manifest withholds; for problems, which name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// The component's id.
    pub component: String,
    /// Scopes that the token has, or would have to have, and the component does not get.
    pub scopes: Vec<Scope>,
    /// Not every account of the token can be opened.
    pub accounts: bool,
}

impl Caller {
    /// Whether the scope was granted.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether the account may be opened.
    #[must_use]
    pub fn may_open(&self, account: &AccountId) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains(account))
    }
}

/// The unit of fair sharing of slots, memory, CPU time and disk.
///
/// Anonymous requests to a tenant are a separate party from those with its token: any client can send
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// Requests with a token of the tenant, and work on their behalf.
    Tenant(TenantId),
    /// Anonymous requests to the tenant, and work on their behalf.
    Strangers(TenantId),
    /// Work that no request waits for: deliveries, and descriptions of components.
    Host,
}

impl Party {
    /// The party of a request.
    #[must_use]
    pub fn of(caller: &Caller) -> Self {
        let tenant = caller.tenant.clone();
        if caller.token.is_some() { Self::Tenant(tenant) } else { Self::Strangers(tenant) }
    }
}

/// Authority over one account: proof that a caller was allowed to open it.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The caller that was checked.
    pub caller: Arc<Caller>,
    /// The account that was opened.
    pub account: Arc<Account>,
}
