//! Callers.

use model::caller::{Caller, Scope};
use model::ids::{RequestId, TokenId};

/// A caller of this tenant with a token of these scopes, for every account.
///
/// # Panics
/// On an id that is not one.
#[must_use]
pub fn caller(tenant: &str, scopes: &[Scope]) -> Caller {
    Caller {
        tenant: tenant.parse().unwrap(),
        token: Some(TokenId::generate([1; 10])),
        scopes: scopes.to_vec(),
        accounts: None,
        request: RequestId::generate([2; 10]),
        idempotency_key: None,
        confined: None,
    }
}
