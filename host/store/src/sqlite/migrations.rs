//! Schema migrations: an append-only list of steps.
//!
//! A data directory of any earlier release opens: the missing steps are run, each in one
//! transaction with its row in `migration`. A directory of a later release is refused before
//! anything is written.
//!
//! Invariant: a released step is never edited; a change is a new step.

use std::path::Path;

use rusqlite::Connection;

use crate::error::OpenError;

/// `meta.db`: accounts, sealed credentials, tokens.
pub(crate) const META: &[&str] = &["
    -- One sealed word, so that a wrong master key is noticed at the start.
    CREATE TABLE key_check (
        id     INTEGER PRIMARY KEY CHECK (id = 1),
        sealed BLOB NOT NULL
    ) STRICT;
    CREATE TABLE account (
        tenant TEXT NOT NULL,
        id     TEXT NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (tenant, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE credential (
        tenant  TEXT NOT NULL,
        account TEXT NOT NULL,
        field   TEXT NOT NULL,
        sealed  BLOB NOT NULL,
        PRIMARY KEY (tenant, account, field),
        FOREIGN KEY (tenant, account) REFERENCES account (tenant, id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE token (
        id     TEXT PRIMARY KEY,
        tenant TEXT NOT NULL,
        record TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX token_tenant ON token (tenant, id);
", "
    -- What the servers of an account last said to a login; a row of another generation says nothing.
    CREATE TABLE health (
        tenant     TEXT NOT NULL,
        account    TEXT NOT NULL,
        generation INTEGER NOT NULL,
        record     TEXT NOT NULL,
        PRIMARY KEY (tenant, account),
        FOREIGN KEY (tenant, account) REFERENCES account (tenant, id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
"];

/// `outbox.db`: submissions, their recipients and bytes, idempotency keys.
pub(crate) const OUTBOX: &[&str] = &["
    CREATE TABLE submission (
        id                 TEXT PRIMARY KEY,
        tenant             TEXT NOT NULL,
        account            TEXT NOT NULL,
        message_id         TEXT NOT NULL,
        sender             TEXT NOT NULL,
        state              TEXT NOT NULL,
        due                INTEGER NOT NULL,
        attempts           INTEGER NOT NULL DEFAULT 0,
        possible_duplicate INTEGER NOT NULL DEFAULT 0,
        last_error         TEXT,
        created            INTEGER NOT NULL,
        -- The claim. `found` outlives a claim that ran out before its first step.
        owner              TEXT,
        epoch              INTEGER NOT NULL DEFAULT 0,
        lease_until        INTEGER,
        found              TEXT,
        -- The bytes: in `body`, in a file named by the digest, or given up.
        size               INTEGER NOT NULL,
        digest             BLOB NOT NULL,
        place              TEXT NOT NULL CHECK (place IN ('inline', 'file', 'none')),
        -- When somebody may claim it; null for ever once the state is final.
        wake               INTEGER GENERATED ALWAYS AS (CASE
            WHEN state IN ('accepted', 'deferred', 'uncertain') THEN due
            WHEN state IN ('claimed', 'dialing', 'dot-sent') THEN lease_until
        END) VIRTUAL
    ) STRICT;
    CREATE INDEX submission_tenant_wake ON submission (tenant, wake, created, id) WHERE wake IS NOT NULL;
    CREATE INDEX submission_wake ON submission (wake) WHERE wake IS NOT NULL;
    CREATE INDEX submission_newest ON submission (tenant, account, created DESC, id DESC);
    CREATE INDEX submission_file ON submission (digest) WHERE place = 'file';
    CREATE TABLE body (
        submission TEXT PRIMARY KEY REFERENCES submission (id) ON DELETE CASCADE,
        raw        BLOB NOT NULL
    ) STRICT;
    CREATE TABLE recipient (
        submission TEXT NOT NULL REFERENCES submission (id) ON DELETE CASCADE,
        position   INTEGER NOT NULL,
        address    TEXT NOT NULL,
        state      TEXT NOT NULL,
        reply      TEXT,
        at         INTEGER,
        PRIMARY KEY (submission, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE idempotency (
        tenant     TEXT NOT NULL,
        account    TEXT NOT NULL,
        key        TEXT NOT NULL,
        digest     BLOB NOT NULL,
        submission TEXT NOT NULL REFERENCES submission (id),
        created    INTEGER NOT NULL,
        PRIMARY KEY (tenant, account, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX idempotency_created ON idempotency (created);
", "
    -- Whoever makes an account again under an old id inherits nothing. No account has generation 0.
    ALTER TABLE submission ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
    DROP INDEX submission_newest;
    CREATE INDEX submission_newest ON submission (tenant, account, generation, created DESC, id DESC);
    CREATE TABLE idempotency_2 (
        tenant     TEXT NOT NULL,
        account    TEXT NOT NULL,
        generation INTEGER NOT NULL,
        key        TEXT NOT NULL,
        digest     BLOB NOT NULL,
        submission TEXT NOT NULL REFERENCES submission (id),
        created    INTEGER NOT NULL,
        PRIMARY KEY (tenant, account, generation, key)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO idempotency_2 SELECT tenant, account, 0, key, digest, submission, created FROM idempotency;
    DROP TABLE idempotency;
    ALTER TABLE idempotency_2 RENAME TO idempotency;
    CREATE INDEX idempotency_created ON idempotency (created);
", "
    -- Sentences for the receipt, one a line.
    ALTER TABLE submission ADD COLUMN warnings TEXT NOT NULL DEFAULT '';
", "
    -- What waits, account by account: first attempts and retries apart, so that the oldest of both is
    -- found at once, however many wait.
    DROP INDEX submission_tenant_wake;
    CREATE INDEX submission_account_wake
        ON submission (tenant, account, (attempts = 0), wake, created, id) WHERE wake IS NOT NULL;
", "
    -- The copy among the account's sent mail: null where none is wanted, pending, done, given-up.
    ALTER TABLE submission ADD COLUMN sent_copy TEXT;
    ALTER TABLE submission ADD COLUMN copy_due INTEGER;
    ALTER TABLE submission ADD COLUMN copy_tries INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX submission_copy
        ON submission (tenant, account, copy_due, created, id) WHERE sent_copy = 'pending';
    CREATE INDEX submission_copy_due ON submission (copy_due) WHERE sent_copy = 'pending';
", "
    -- What ended is removed after a time, the longest ended first, and counted at the start.
    CREATE INDEX submission_ended ON submission (state, due) WHERE wake IS NULL;
    CREATE INDEX idempotency_submission ON idempotency (submission);
    -- What was removed and has an id that does not tell when it was made; later ids do.
    CREATE TABLE pruned (submission TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    -- What could not be read, as it was; `digest` names a file of bytes.
    CREATE TABLE quarantine (
        submission TEXT PRIMARY KEY,
        at         INTEGER NOT NULL,
        reason     TEXT NOT NULL,
        record     TEXT NOT NULL,
        raw        BLOB,
        digest     BLOB
    ) STRICT;
    CREATE INDEX quarantine_file ON quarantine (digest) WHERE digest IS NOT NULL;
", "
    -- By the host's own time, which passes only while a host runs and follows no wall clock: when a
    -- submission ended. `idempotency.created` is of that time, too.
    ALTER TABLE submission ADD COLUMN ended INTEGER;
    DROP INDEX submission_ended;
    CREATE INDEX submission_ended ON submission (state, ended) WHERE wake IS NULL;
    -- How late it is by that time, written now and then.
    CREATE TABLE uptime (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        at INTEGER NOT NULL
    ) STRICT;
"];

/// Brings the database to the newest step.
pub(crate) fn migrate(conn: &mut Connection, file: &Path, steps: &[&str]) -> Result<(), OpenError> {
    migrate_telling(conn, file, steps, &|_| {})
}

/// As [`migrate`]; `before_commit` is called for each step before its commit.
pub(crate) fn migrate_telling(
    conn: &mut Connection,
    file: &Path,
    steps: &[&str],
    before_commit: &dyn Fn(u32),
) -> Result<(), OpenError> {
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let found = version(conn).map_err(OpenError::database(file))?;
    if found > known {
        return Err(OpenError::Newer { file: file.to_owned(), found, known });
    }
    for (version, step) in (1_u32..).zip(steps).skip(found as usize) {
        let run = |conn: &mut Connection| {
            let tx = conn.transaction()?;
            tx.execute_batch(
                "CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY) STRICT",
            )?;
            tx.execute_batch(step)?;
            tx.execute("INSERT INTO migration (version) VALUES (?1)", [version])?;
            before_commit(version);
            tx.commit()
        };
        run(conn).map_err(OpenError::database(file))?;
    }
    Ok(())
}

/// The newest step that was run.
pub(crate) fn version(conn: &Connection) -> rusqlite::Result<u32> {
    if !conn.table_exists(None, "migration")? {
        return Ok(0);
    }
    conn.query_row("SELECT coalesce(max(version), 0) FROM migration", [], |row| row.get(0))
}
