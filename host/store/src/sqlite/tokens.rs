//! The tokens port over SQLite.
//!
//! A token's secret is not stored: only its digest is.

use model::ids::{TenantId, TokenId};
use model::port::BoxFuture;
use model::port::store_error::StoreError;
use model::port::tokens::{Token, Tokens};
use rusqlite::OptionalExtension;

use crate::error::failed;
use crate::sqlite::Sqlite;

impl Tokens for Sqlite {
    fn create<'a>(&'a self, token: &'a Token) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let record = serde_json::to_string(token).map_err(failed)?;
            let (id, tenant) = (token.id.clone(), token.tenant.clone());
            let create = move |conn: &rusqlite::Connection| {
                let inserted = conn.execute(
                    "INSERT INTO token (id, tenant, record) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING",
                    [id.as_str(), tenant.as_str(), &record],
                )?;
                if inserted == 0 { Err(StoreError::Exists.into()) } else { Ok(()) }
            };
            self.inner.meta.write(create).await
        })
    }

    fn get<'a>(&'a self, id: &'a TokenId) -> BoxFuture<'a, Result<Option<Token>, StoreError>> {
        let id = id.clone();
        Box::pin(self.inner.meta.read(move |conn| {
            let record: Option<String> = conn
                .prepare_cached("SELECT record FROM token WHERE id = ?1")?
                .query_row([id.as_str()], |row| row.get(0))
                .optional()?;
            Ok(record.map(|record| serde_json::from_str(&record).map_err(failed)).transpose()?)
        }))
    }

    fn list<'a>(&'a self, tenant: &'a TenantId) -> BoxFuture<'a, Result<Vec<Token>, StoreError>> {
        let tenant = tenant.clone();
        Box::pin(self.inner.meta.read(move |conn| {
            let mut statement =
                conn.prepare_cached("SELECT record FROM token WHERE tenant = ?1 ORDER BY id")?;
            let mut found = statement.query([tenant.as_str()])?;
            let mut rows = Vec::new();
            while let Some(row) = found.next()? {
                let record: String = row.get(0)?;
                rows.push(serde_json::from_str(&record).map_err(failed)?);
            }
            Ok(rows)
        }))
    }

    fn revoke<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (tenant, id) = (tenant.clone(), id.clone());
        Box::pin(self.inner.meta.write(move |conn| {
            let deleted = conn.execute(
                "DELETE FROM token WHERE tenant = ?1 AND id = ?2",
                [tenant.as_str(), id.as_str()],
            )?;
            Ok(deleted > 0)
        }))
    }
}
