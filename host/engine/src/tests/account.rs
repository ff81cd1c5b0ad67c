//! Account store fake, and account fixtures.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use fakes::account::password;
use model::account::{Account, Credentials, Identity};
use model::health::Health;
use model::ids::{AccountId, TenantId};
use model::port::BoxFuture;
use model::port::accounts::{Accounts, CredentialSwap};
use model::port::store_error::StoreError;

/// An account of the tenant `acme`, with both servers.
pub(crate) fn account(id: &str) -> Account {
    let server = |port| Some(fakes::account::server("mail.example", port, id));
    let plain = fakes::account::account(id, &format!("{id}@example.com"));
    let identity = Identity { name: Some("Name".to_owned()), email: plain.email.clone() };
    Account { imap: server(993), smtp: server(465), identities: vec![identity], ..plain }
}

#[derive(Debug, Default)]
pub(crate) struct Shelf(
    pub(crate) Mutex<HashMap<AccountId, Account>>,
    /// Every recorded health, in order.
    pub(crate) Mutex<Vec<(AccountId, Health)>>,
    /// Credentials other than the usual password.
    pub(crate) Mutex<HashMap<AccountId, Credentials>>,
    /// Whether reading an account fails.
    pub(crate) AtomicBool,
);

impl Accounts for Shelf {
    fn create<'a>(
        &'a self,
        account: &'a Account,
        _: &'a Credentials,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.lock().insert(account.id.clone(), account.clone());
        Box::pin(async { Ok(()) })
    }

    fn get<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<Account>, StoreError>> {
        let found = self.0.lock().get(id).filter(|account| account.tenant == *tenant).cloned();
        let fails = self.3.load(Ordering::Relaxed);
        Box::pin(async move { if fails { Err(StoreError::Full) } else { Ok(found) } })
    }

    fn list<'a>(
        &'a self,
        _: &'a TenantId,
        _: Option<&'a AccountId>,
        _: u32,
    ) -> BoxFuture<'a, Result<Vec<Account>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn credentials<'a>(
        &'a self,
        account: &'a Account,
    ) -> BoxFuture<'a, Result<Option<Credentials>, StoreError>> {
        let shelf = self.0.lock();
        let known = shelf.get(&account.id).map(|known| known.generation);
        let renewed = self.2.lock().get(&account.id).cloned();
        let usual = || password("secret");
        let opened = (known == Some(account.generation)).then(|| renewed.unwrap_or_else(usual));
        Box::pin(async { Ok(opened) })
    }

    fn renew<'a>(
        &'a self,
        account: &'a Account,
        _: &'a Credentials,
        after: &'a Credentials,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.2.lock().insert(account.id.clone(), after.clone());
        Box::pin(async { Ok(true) })
    }

    fn update<'a>(
        &'a self,
        _: &'a Account,
        account: &'a Account,
        _: Option<CredentialSwap<'a>>,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.0.lock().insert(account.id.clone(), account.clone());
        Box::pin(async { Ok(true) })
    }

    fn health<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<Health, StoreError>> {
        let notes = self.1.lock();
        let last = notes.iter().rev().find(|(id, _)| *id == account.id);
        let health = last.map(|(_, health)| health.clone()).unwrap_or_default();
        Box::pin(async { Ok(health) })
    }

    fn note<'a>(
        &'a self,
        account: &'a Account,
        health: &'a Health,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.1.lock().push((account.id.clone(), health.clone()));
        Box::pin(async { Ok(()) })
    }

    fn delete<'a>(
        &'a self,
        _: &'a TenantId,
        id: &'a AccountId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let gone = self.0.lock().remove(id).is_some();
        Box::pin(async move { Ok(gone) })
    }
}
