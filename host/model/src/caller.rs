//! Who is calling, and what they may do.
//!
//! Made once by the server, from a token or for want of one; carried by every capability call.
//! Ids are never authority: whoever holds a [`Grant`] was checked.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::ids::{AccountId, RequestId, TenantId, TokenId};
use crate::submission::IdempotencyKey;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// List and fetch.
    Read,
    /// Flag, move, copy and delete.
    Change,
    /// Submit, and see submissions.
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

/// One authenticated request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's tenant, or the address's where there is no token.
    pub tenant: TenantId,
    /// Which token; none for whoever showed none.
    pub token: Option<TokenId>,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// The only accounts it may open; none means every account of the tenant.
    pub accounts: Option<Vec<AccountId>>,
    /// For logs and problems.
    pub request: RequestId,
    /// The Idempotency-Key header.
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
    /// The token has the scope.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// The token may open the account.
    #[must_use]
    pub fn may_open(&self, account: &AccountId) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains(account))
    }
}

/// An account that a caller was allowed to open.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Who.
    pub caller: Arc<Caller>,
    /// Which account.
    pub account: Arc<Account>,
}
