//! The accounts port of the in-memory store.

use model::account::{Account, Credentials};
use model::health::Health;
use model::ids::{AccountId, TenantId};
use model::port::BoxFuture;
use model::port::accounts::{Accounts, CredentialSwap};
use model::port::store_error::StoreError;

use crate::keys::credential;
use crate::keys::credential::{is_given_for, is_renewed_for};
use crate::memory::Memory;
use crate::rules::cursor::LARGEST;

impl Accounts for Memory {
    fn create<'a>(
        &'a self,
        account: &'a Account,
        credentials: &'a Credentials,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut tables = self.tables();
            let sealed = credential::seal(&self.ring.keys(), account, credentials)?;
            let at = (account.tenant.clone(), account.id.clone());
            if tables.accounts.contains_key(&at) {
                return Err(StoreError::Exists);
            }
            tables.accounts.insert(at, (account.clone(), sealed));
            Ok(())
        })
    }

    fn get<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<Account>, StoreError>> {
        Box::pin(async move {
            let tables = self.tables();
            let row = tables.accounts.get(&(tenant.clone(), id.clone()));
            Ok(row.map(|(account, _)| account.clone()))
        })
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<&'a AccountId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Account>, StoreError>> {
        Box::pin(async move {
            let tables = self.tables();
            let rows = tables.accounts.values().map(|(account, _)| account);
            let rows = rows
                .filter(|account| account.tenant == *tenant)
                .filter(|account| after.is_none_or(|after| account.id > *after))
                .take(limit.min(LARGEST) as usize)
                .cloned();
            Ok(rows.collect())
        })
    }

    fn credentials<'a>(
        &'a self,
        account: &'a Account,
    ) -> BoxFuture<'a, Result<Option<Credentials>, StoreError>> {
        Box::pin(async move {
            let tables = self.tables();
            let row = tables.accounts.get(&(account.tenant.clone(), account.id.clone()));
            let row = row.filter(|(known, _)| is_given_for(known, account));
            let keys = self.ring.keys();
            row.map(|(_, sealed)| credential::open(&keys, account, sealed)).transpose()
        })
    }

    fn renew<'a>(
        &'a self,
        account: &'a Account,
        before: &'a Credentials,
        after: &'a Credentials,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut tables = self.tables();
            let keys = self.ring.keys();
            let renewed = credential::seal(&keys, account, after)?;
            let row = tables.accounts.get_mut(&(account.tenant.clone(), account.id.clone()));
            let row = row.filter(|(known, _)| is_renewed_for(known, account));
            let Some((_, sealed)) = row else { return Ok(false) };
            let is_before = credential::open(&keys, account, sealed)? == *before;
            if is_before {
                *sealed = renewed;
            }
            Ok(is_before)
        })
    }

    fn update<'a>(
        &'a self,
        before: &'a Account,
        after: &'a Account,
        credentials: Option<CredentialSwap<'a>>,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut tables = self.tables();
            let keys = self.ring.keys();
            let seal =
                |exchange: &CredentialSwap<'_>| credential::seal(&keys, after, exchange.after);
            let sealed = credentials.as_ref().map(seal).transpose()?;
            let row = tables.accounts.get_mut(&(before.tenant.clone(), before.id.clone()));
            let Some(row) = row.filter(|(known, _)| known == before) else { return Ok(false) };
            if let Some(exchange) = credentials
                && credential::open(&keys, before, &row.1)? != *exchange.before
            {
                return Ok(false);
            }
            row.0 = after.clone();
            if let Some(sealed) = sealed {
                row.1 = sealed;
            }
            Ok(true)
        })
    }

    fn health<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<Health, StoreError>> {
        let at = (account.tenant.clone(), account.id.clone());
        let tables = self.tables();
        let found = tables.health.get(&at).filter(|(of, _)| *of == account.generation);
        let found = found.map(|(_, health)| health.clone());
        Box::pin(async { Ok(found.unwrap_or_default()) })
    }

    fn note<'a>(
        &'a self,
        account: &'a Account,
        health: &'a Health,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (mut tables, generation) = (self.tables(), account.generation);
        let at = (account.tenant.clone(), account.id.clone());
        if tables.accounts.get(&at).is_some_and(|(known, _)| known.generation == generation) {
            tables.health.insert(at, (generation, health.clone()));
        }
        Box::pin(async { Ok(()) })
    }

    fn delete<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a AccountId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let (mut tables, at) = (self.tables(), (tenant.clone(), id.clone()));
            tables.health.remove(&at);
            Ok(tables.accounts.remove(&at).is_some())
        })
    }
}
