//! Accounts at rest. `store` implements it and seals the credentials.

use std::fmt;

use crate::account::{Account, Credentials};
use crate::future::BoxFuture;
use crate::health::Health;
use crate::ids::{AccountId, TenantId};
use crate::mail::message::Page;
use crate::port::store_error::StoreError;

/// Credentials that are to take the place of others.
#[derive(Clone, Copy, Debug)]
pub struct CredentialSwap<'a> {
    /// What has to be there.
    pub before: &'a Credentials,
    /// What is there afterwards.
    pub after: &'a Credentials,
}

/// The accounts of every tenant.
pub trait Accounts: Send + Sync + fmt::Debug {
    /// [`StoreError::Exists`] when the tenant has the id already.
    fn create<'a>(
        &'a self,
        account: &'a Account,
        credentials: &'a Credentials,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// One account.
    fn get<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<Account>, StoreError>>;
    /// By id; the cursor is the last id of the page before.
    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page<Account>, StoreError>>;
    /// The sealed credentials, opened; none when the account is gone, or is of another generation or
    /// at other hosts, ports or pins by now: a password never goes to a server that it was not given for.
    fn credentials<'a>(
        &'a self,
        account: &'a Account,
    ) -> BoxFuture<'a, Result<Option<Credentials>, StoreError>>;
    /// Puts credentials in the place of those `before`; on disk when it answers. False when others are
    /// there by now, or the account is gone, of another generation, or at other hosts.
    fn renew<'a>(
        &'a self,
        account: &'a Account,
        before: &'a Credentials,
        after: &'a Credentials,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// Puts `after` in the place of `before`, with new credentials or the old ones; in one step. False
    /// when the account, or what logs in to it, is not as it was before: it was changed or deleted
    /// meanwhile.
    fn update<'a>(
        &'a self,
        before: &'a Account,
        after: &'a Account,
        credentials: Option<CredentialSwap<'a>>,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// What its servers last said; nothing when the account is gone, or of another generation.
    fn health<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<Health, StoreError>>;
    /// Keeps what its servers said; forgotten at once when the account is gone, or of another
    /// generation.
    fn note<'a>(
        &'a self,
        account: &'a Account,
        health: &'a Health,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Account and sealed data are gone afterwards; false when there was none.
    fn delete<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a AccountId,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
}
