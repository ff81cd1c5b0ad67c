//! The port of the API token store: digests only. `store` implements it; `server` calls it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::caller::Scope;
use crate::future::BoxFuture;
use crate::ids::{AccountId, TenantId, TokenId};
use crate::instant::Timestamp;
use crate::port::store_error::StoreError;

/// An API token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// May be shown.
    pub id: TokenId,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// The name that an operator gave it.
    pub name: Option<String>,
    /// SHA-256 of the secret, which has 256 random bits: no slow hash is needed.
    pub digest: [u8; 32],
    /// The scopes that it grants.
    pub scopes: Vec<Scope>,
    /// The only accounts it may open; none means every account of the tenant.
    pub accounts: Option<Vec<AccountId>>,
    /// The creation time.
    pub created: Timestamp,
    /// The expiry; none means never.
    pub expires: Option<Timestamp>,
}

/// The tokens of every tenant.
pub trait Tokens: Send + Sync + fmt::Debug {
    /// Stores a token. [`StoreError::Exists`] when the id is taken.
    fn create<'a>(&'a self, token: &'a Token) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Returns a token by id, of any tenant.
    fn get<'a>(&'a self, id: &'a TokenId) -> BoxFuture<'a, Result<Option<Token>, StoreError>>;
    /// Lists a tenant's tokens, by id.
    fn list<'a>(&'a self, tenant: &'a TenantId) -> BoxFuture<'a, Result<Vec<Token>, StoreError>>;
    /// Deletes a token; false when the tenant has no such token.
    fn revoke<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
}
