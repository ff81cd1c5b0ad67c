//! Counts of submissions by state, maintained incrementally.
//!
//! The counts are in temporary tables of the writer's connection, maintained by triggers: they use
//! no disk space, follow every transaction and savepoint, and are read without scanning the
//! submissions. They are computed at each start, from indexes.

use model::instant::Timestamp;
use model::port::maintenance::OutboxCounts;
use model::submission::State;
use rusqlite::{Connection, OptionalExtension};

use crate::sqlite::writer::WriteError;

/// Starts counting. For the writer's connection only.
pub(crate) fn begin(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(
        "CREATE TEMP TABLE tally (state TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
         -- In the order in which they were accepted.
         CREATE TEMP TABLE waiting (number INTEGER PRIMARY KEY, created INTEGER NOT NULL) STRICT;
         INSERT INTO tally SELECT state, count(*) FROM submission WHERE wake IS NULL GROUP BY state;
         INSERT INTO tally SELECT state, count(*) FROM submission WHERE wake IS NOT NULL GROUP BY state;
         INSERT INTO waiting SELECT rowid, created FROM submission WHERE wake IS NOT NULL;
         CREATE TEMP TRIGGER counted_in AFTER INSERT ON main.submission BEGIN
             INSERT INTO tally VALUES (NEW.state, 1)
                 ON CONFLICT (state) DO UPDATE SET count = count + 1;
             INSERT INTO waiting SELECT NEW.rowid, NEW.created WHERE NEW.wake IS NOT NULL;
         END;
         CREATE TEMP TRIGGER counted_again AFTER UPDATE OF state ON main.submission
         WHEN OLD.state <> NEW.state BEGIN
             UPDATE tally SET count = count - 1 WHERE state = OLD.state;
             INSERT INTO tally VALUES (NEW.state, 1)
                 ON CONFLICT (state) DO UPDATE SET count = count + 1;
             DELETE FROM waiting WHERE number = NEW.rowid AND NEW.wake IS NULL;
         END;
         CREATE TEMP TRIGGER counted_out AFTER DELETE ON main.submission BEGIN
             UPDATE tally SET count = count - 1 WHERE state = OLD.state;
             DELETE FROM waiting WHERE number = OLD.rowid;
         END;",
    )
}

/// The current counts.
pub(crate) fn figures(conn: &Connection) -> Result<OutboxCounts, WriteError> {
    let mut statement = conn.prepare_cached("SELECT state, count FROM tally WHERE count > 0")?;
    let mut rows = statement.query([])?;
    let mut states = Vec::new();
    while let Some(row) = rows.next()? {
        // Damaged states are not counted.
        if let Some(state) = State::parse(&row.get::<_, String>(0)?) {
            states.push((state, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0)));
        }
    }
    states.sort_by_key(|(state, _)| State::EVERY.iter().position(|known| known == state));
    let oldest: Option<i64> = conn
        .prepare_cached("SELECT created FROM waiting ORDER BY number LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(OutboxCounts { states, oldest: oldest.map(Timestamp::from_millis) })
}
