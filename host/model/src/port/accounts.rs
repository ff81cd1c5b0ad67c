//! The port of the account store. `store` implements it and encrypts the credentials.

use std::fmt;

use crate::account::{Account, Credentials};
use crate::future::BoxFuture;
use crate::health::Health;
use crate::ids::{AccountId, TenantId};
use crate::port::store_error::StoreError;

/// A compare-and-swap of credentials.
#[derive(Clone, Copy, Debug)]
pub struct CredentialSwap<'a> {
    /// The expected credentials.
    pub before: &'a Credentials,
    /// The new credentials.
    pub after: &'a Credentials,
}

/// The accounts of every tenant.
pub trait Accounts: Send + Sync + fmt::Debug {
    /// Stores a new account. [`StoreError::Exists`] when the tenant has the id already.
    fn create<'a>(
        &'a self,
        account: &'a Account,
        credentials: &'a Credentials,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Returns one account.
    fn get<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<Account>, StoreError>>;
    /// Lists accounts by id, from the first one after `after`; at most a thousand.
    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<&'a AccountId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Account>, StoreError>>;
    /// The decrypted credentials; none when the account is gone, or has another generation, or
    /// other hosts, ports or pins by now: a password is never sent to a server that it was not
    /// stored for.
    fn credentials<'a>(
        &'a self,
        account: &'a Account,
    ) -> BoxFuture<'a, Result<Option<Credentials>, StoreError>>;
    /// Replaces `before` by new credentials; durable on return. False when other credentials are
    /// stored by now, or the account is gone, of another generation, or at other hosts.
    fn renew<'a>(
        &'a self,
        account: &'a Account,
        before: &'a Credentials,
        after: &'a Credentials,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// Replaces account `before` by `after`, with new credentials or the old ones, atomically.
    /// False when the account or its credentials differ from those before: it was changed or
    /// deleted meanwhile.
    fn update<'a>(
        &'a self,
        before: &'a Account,
        after: &'a Account,
        credentials: Option<CredentialSwap<'a>>,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// The recorded health; empty when the account is gone, or of another generation.
    fn health<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<Health, StoreError>>;
    /// Records health; dropped when the account is gone, or of another generation.
    fn note<'a>(
        &'a self,
        account: &'a Account,
        health: &'a Health,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Deletes account and credentials; false when there was no such account.
    fn delete<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a AccountId,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
}
