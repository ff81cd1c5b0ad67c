//! Master key rotation while the store is in use.
//!
//! Records are wrapped again in small batches on the writer, between other writes; until the last
//! one both keys open. An interrupted rotation, by a crash or a full disk, is completed when the
//! store is opened next.
//!
//! Invariant: the old key is dropped only after a pass over the whole table that began when the new
//! key was in use, and whose last batch is durable.

use std::path::Path;
use std::sync::Arc;

use model::port::store_error::StoreError;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::OpenError;
use crate::keys::Keys;
use crate::keys::seal::{MasterKey, Place};
use crate::sqlite::Sqlite;
use crate::sqlite::writer::WriteError;

/// Records of one batch.
const BATCH: u32 = 100;

/// A sealed record that detects a wrong master key before the first password is read.
const CHECK: Place<'static> = Place { tenant: "", account: "", field: "key-check" };
const WORD: &[u8] = b"postlet";

/// The progress of a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pass {
    tenant: String,
    account: String,
    field: String,
    wrapped: u64,
}

impl Sqlite {
    /// Wraps every record with `new`, which the caller must have made durable before; returns how
    /// many there were. Called again with the same key it continues an interrupted rotation.
    ///
    /// # Errors
    /// [`StoreError::Failed`]: the disk is full or broken, or a rotation to another key has not
    /// ended. Both keys are needed then.
    pub async fn rotate(&self, new: MasterKey) -> Result<u64, StoreError> {
        let _turn = self.inner.turning.lock().await;
        self.inner.ring.begin(new)?;
        let mut pass = Some(Pass::default());
        let mut wrapped = 0;
        while let Some(at) = pass {
            let (next, count) = self.wrap_batch(at, BATCH).await?;
            (pass, wrapped) = (next, count);
        }
        self.wrap_check().await?;
        self.inner.ring.finish();
        Ok(wrapped)
    }

    /// One batch; where the next one begins, none at the end, and how many were wrapped so far.
    pub(crate) async fn wrap_batch(
        &self,
        at: Pass,
        most: u32,
    ) -> Result<(Option<Pass>, u64), StoreError> {
        let ring = Arc::clone(&self.inner.ring);
        self.inner.meta.write(move |conn| batch(conn, &ring.keys(), at, most)).await
    }

    pub(crate) async fn wrap_check(&self) -> Result<(), StoreError> {
        let ring = Arc::clone(&self.inner.ring);
        self.inner.meta.write(move |conn| check(conn, &ring.keys())).await
    }

    /// Blocks the one reader until `release` sends.
    #[cfg(test)]
    pub(crate) async fn hold_reader(&self, release: std::sync::mpsc::Receiver<()>) {
        let held = self.inner.meta.read(move |_| {
            release.recv().unwrap();
            Ok(())
        });
        held.await.unwrap();
    }

    /// The first step of a rotation.
    #[cfg(test)]
    pub(crate) fn begin_rotation(&self, new: MasterKey) {
        self.inner.ring.begin(new).unwrap();
    }
}

/// Completes a rotation before the store is used: the keys must be those of this directory, and
/// afterwards only the current one is needed.
pub(crate) fn settle(
    conn: &Connection,
    file: &Path,
    dir: &Path,
    keys: &Keys,
) -> Result<(), OpenError> {
    let all = || -> Result<(), WriteError> {
        let tx = conn.unchecked_transaction()?;
        check(&tx, keys)?;
        let mut pass = keys.previous().map(|_| Pass::default());
        while let Some(at) = pass {
            (pass, _) = batch(&tx, keys, at, BATCH)?;
        }
        Ok(tx.commit()?)
    };
    all().map_err(|trouble| match trouble {
        WriteError::Store(StoreError::Sealed) => OpenError::WrongKey { dir: dir.to_owned() },
        WriteError::Sqlite(error) => OpenError::database(file)(error),
        WriteError::Store(error) => {
            OpenError::Database { file: file.to_owned(), source: Box::new(error) }
        }
    })
}

/// Whether the keys open the directory's records; also true when there are none yet.
pub(crate) fn opens(conn: &Connection, keys: &Keys) -> rusqlite::Result<bool> {
    let sealed: Option<Vec<u8>> =
        conn.query_row("SELECT sealed FROM key_check", [], |row| row.get(0)).optional()?;
    Ok(sealed.is_none_or(|sealed| keys.open(&CHECK, &sealed).is_ok()))
}

fn check(conn: &Connection, keys: &Keys) -> Result<(), WriteError> {
    let sealed: Option<Vec<u8>> =
        conn.query_row("SELECT sealed FROM key_check", [], |row| row.get(0)).optional()?;
    let renewed = match sealed {
        Some(sealed) => keys.rewrap(&CHECK, &sealed)?,
        None => Some(keys.seal(&CHECK, WORD)?),
    };
    if let Some(sealed) = renewed {
        conn.execute("INSERT OR REPLACE INTO key_check (id, sealed) VALUES (1, ?1)", [sealed])?;
    }
    Ok(())
}

fn batch(
    conn: &Connection,
    keys: &Keys,
    at: Pass,
    most: u32,
) -> Result<(Option<Pass>, u64), WriteError> {
    let rows: Vec<(String, String, String, Vec<u8>)> = conn
        .prepare_cached(
            "SELECT tenant, account, field, sealed FROM credential
             WHERE (tenant, account, field) > (?1, ?2, ?3)
             ORDER BY tenant, account, field LIMIT ?4",
        )?
        .query_map(params![at.tenant, at.account, at.field, most], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<Result<_, _>>()?;
    let full = rows.len() == most as usize;
    let mut at = at;
    for (tenant, account, field, sealed) in rows {
        let place = Place { tenant: &tenant, account: &account, field: &field };
        match keys.rewrap(&place, &sealed) {
            Ok(Some(renewed)) => {
                conn.prepare_cached(
                    "UPDATE credential SET sealed = ?4
                     WHERE tenant = ?1 AND account = ?2 AND field = ?3",
                )?
                .execute(params![tenant, account, field, renewed])?;
                at.wrapped += 1;
            }
            Ok(None) => {}
            // It opened with neither key, and will not with the new one: nothing is lost by
            // continuing.
            Err(StoreError::Sealed) => {
                tracing::error!(tenant, account, "a sealed record does not open: it was damaged");
            }
            Err(error) => return Err(error.into()),
        }
        (at.tenant, at.account, at.field) = (tenant, account, field);
    }
    let wrapped = at.wrapped;
    Ok((full.then_some(at), wrapped))
}
