//! The accounts port over SQLite.
//!
//! An account is one JSON record, since it is only ever read whole; its credentials are in a table
//! of their own, sealed for their tenant and account.
//!
//! Invariant: no secret is ever in a statement, a record or a log in the clear.

use std::sync::Arc;

use model::account::{Account, Credentials};
use model::health::Health;
use model::ids::{AccountId, TenantId};
use model::port::BoxFuture;
use model::port::accounts::{Accounts, CredentialSwap};
use model::port::store_error::StoreError;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::failed;
use crate::keys::credential::{Sealed, is_given_for, is_renewed_for};
use crate::keys::{Keys, credential};
use crate::rules::cursor::LARGEST;
use crate::sqlite::writer::WriteError;
use crate::sqlite::{Inner, Sqlite};

impl Accounts for Sqlite {
    fn create<'a>(
        &'a self,
        account: &'a Account,
        credentials: &'a Credentials,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let record = serde_json::to_string(account).map_err(failed)?;
            let (account, credentials) = (account.clone(), credentials.clone());
            let ring = Arc::clone(&self.inner.ring);
            let create = move |conn: &Connection| {
                let (tenant, id) = (&account.tenant, &account.id);
                let inserted = conn.execute(
                    "INSERT INTO account (tenant, id, record) VALUES (?1, ?2, ?3)
                     ON CONFLICT (tenant, id) DO NOTHING",
                    params![tenant.as_str(), id.as_str(), record],
                )?;
                if inserted == 0 {
                    return Err(StoreError::Exists.into());
                }
                put(conn, &ring.keys(), &account, &credentials)
            };
            self.inner.meta.write(create).await
        })
    }

    fn get<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<Account>, StoreError>> {
        Box::pin(async move {
            let Inner { meta, remembered, .. } = &*self.inner;
            let commits = meta.commits();
            if let Some(account) = remembered.get(tenant, id, commits) {
                return Ok(Some(account));
            }
            let (tenant, id) = (tenant.clone(), id.clone());
            let account = meta.read(move |conn| read(conn, &tenant, &id)).await?;
            if let Some(account) = &account {
                remembered.keep(account, commits);
            }
            Ok(account)
        })
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<&'a AccountId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Account>, StoreError>> {
        let (tenant, after) = (tenant.clone(), after.cloned());
        let limit = limit.min(LARGEST);
        Box::pin(self.inner.meta.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT record FROM account WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            )?;
            // No id sorts before the empty text.
            let after = after.as_ref().map_or("", AccountId::as_str);
            let mut found = statement.query(params![tenant.as_str(), after, limit])?;
            let mut rows = Vec::new();
            while let Some(row) = found.next()? {
                let record: String = row.get(0)?;
                rows.push(serde_json::from_str(&record).map_err(failed)?);
            }
            Ok(rows)
        }))
    }

    fn credentials<'a>(
        &'a self,
        account: &'a Account,
    ) -> BoxFuture<'a, Result<Option<Credentials>, StoreError>> {
        Box::pin(async move {
            // Records that were wrapped again since the keys were looked up are read again.
            loop {
                let keys = self.inner.ring.keys();
                let wanted = account.clone();
                let sealed =
                    self.inner.meta.read(move |conn| held(conn, &wanted, is_given_for)).await?;
                let Some(sealed) = sealed else { return Ok(None) };
                match credential::open(&keys, account, &sealed) {
                    Err(StoreError::Sealed) if self.inner.ring.keys() != keys => {}
                    opened => return opened.map(Some),
                }
            }
        })
    }

    fn renew<'a>(
        &'a self,
        account: &'a Account,
        before: &'a Credentials,
        after: &'a Credentials,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let (account, before, after) = (account.clone(), before.clone(), after.clone());
            let ring = Arc::clone(&self.inner.ring);
            let renew = move |conn: &Connection| {
                let keys = ring.keys();
                let is_before = match held(conn, &account, is_renewed_for)? {
                    Some(sealed) => credential::open(&keys, &account, &sealed)? == before,
                    None => false,
                };
                if is_before {
                    put(conn, &keys, &account, &after)?;
                }
                Ok(is_before)
            };
            self.inner.meta.write(renew).await
        })
    }

    fn update<'a>(
        &'a self,
        before: &'a Account,
        after: &'a Account,
        credentials: Option<CredentialSwap<'a>>,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let record = serde_json::to_string(after).map_err(failed)?;
            let (before, after) = (before.clone(), after.clone());
            let credentials =
                credentials.map(|exchange| (exchange.before.clone(), exchange.after.clone()));
            let ring = Arc::clone(&self.inner.ring);
            let update = move |conn: &Connection| {
                if read(conn, &before.tenant, &before.id)?.as_ref() != Some(&before) {
                    return Ok(false);
                }
                let keys = ring.keys();
                if let Some((old, _)) = &credentials {
                    let sealed = held(conn, &before, is_given_for)?;
                    let there = sealed
                        .map(|sealed| credential::open(&keys, &before, &sealed))
                        .transpose()?;
                    if there.as_ref() != Some(old) {
                        return Ok(false);
                    }
                }
                conn.execute(
                    "UPDATE account SET record = ?3 WHERE tenant = ?1 AND id = ?2",
                    params![after.tenant.as_str(), after.id.as_str(), record],
                )?;
                if let Some((_, new)) = credentials {
                    put(conn, &keys, &after, &new)?;
                }
                Ok(true)
            };
            self.inner.meta.write(update).await
        })
    }

    fn health<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<Health, StoreError>> {
        let (tenant, id) = (account.tenant.clone(), account.id.clone());
        let generation = account.generation;
        Box::pin(self.inner.meta.read(move |conn| {
            let record: Option<String> = conn
                .prepare_cached(
                    "SELECT record FROM health WHERE tenant = ?1 AND account = ?2 AND generation = ?3",
                )?
                .query_row(params![tenant.as_str(), id.as_str(), generation], |row| row.get(0))
                .optional()?;
            let health = record.map(|record| serde_json::from_str(&record).map_err(failed));
            Ok(health.transpose()?.unwrap_or_default())
        }))
    }

    fn note<'a>(
        &'a self,
        account: &'a Account,
        health: &'a Health,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let record = serde_json::to_string(health).map_err(failed)?;
            let (tenant, id) = (account.tenant.clone(), account.id.clone());
            let generation = account.generation;
            let note = move |conn: &rusqlite::Connection| {
                conn.execute(
                    "INSERT INTO health (tenant, account, generation, record)
                     SELECT tenant, id, ?3, ?4 FROM account
                     WHERE tenant = ?1 AND id = ?2 AND record ->> 'generation' = ?3
                     ON CONFLICT (tenant, account)
                     DO UPDATE SET generation = excluded.generation, record = excluded.record",
                    params![tenant.as_str(), id.as_str(), generation, record],
                )?;
                Ok(())
            };
            self.inner.meta.write(note).await
        })
    }

    fn delete<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a AccountId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (tenant, id) = (tenant.clone(), id.clone());
        Box::pin(self.inner.meta.write(move |conn| {
            let deleted = conn.execute(
                "DELETE FROM account WHERE tenant = ?1 AND id = ?2",
                [tenant.as_str(), id.as_str()],
            )?;
            Ok(deleted > 0)
        }))
    }
}

fn read(
    conn: &Connection,
    tenant: &TenantId,
    id: &AccountId,
) -> Result<Option<Account>, WriteError> {
    let record: Option<String> = conn
        .prepare_cached("SELECT record FROM account WHERE tenant = ?1 AND id = ?2")?
        .query_row([tenant.as_str(), id.as_str()], |row| row.get(0))
        .optional()?;
    Ok(record.map(|record| serde_json::from_str(&record).map_err(failed)).transpose()?)
}

/// The credentials of an account, if it is still the one that they were stored for.
fn held(
    conn: &Connection,
    account: &Account,
    is_for: impl Fn(&Account, &Account) -> bool,
) -> Result<Option<Sealed>, WriteError> {
    let known = read(conn, &account.tenant, &account.id)?;
    if known.is_none_or(|known| !is_for(&known, account)) {
        return Ok(None);
    }
    let sealed = conn
        .prepare_cached("SELECT field, sealed FROM credential WHERE tenant = ?1 AND account = ?2")?
        .query_row([account.tenant.as_str(), account.id.as_str()], |row| {
            Ok(Sealed { field: row.get(0)?, record: row.get(1)? })
        })
        .optional()?;
    Ok(sealed)
}

/// On the writer, where nothing comes between looking up the key and writing the sealed record.
fn put(
    conn: &Connection,
    keys: &Keys,
    account: &Account,
    credentials: &Credentials,
) -> Result<(), WriteError> {
    let (tenant, id) = (account.tenant.as_str(), account.id.as_str());
    let Sealed { field, record } = credential::seal(keys, account, credentials)?;
    conn.execute("DELETE FROM credential WHERE tenant = ?1 AND account = ?2", [tenant, id])?;
    conn.execute(
        "INSERT INTO credential (tenant, account, field, sealed) VALUES (?1, ?2, ?3, ?4)",
        params![tenant, id, field, record],
    )?;
    Ok(())
}
