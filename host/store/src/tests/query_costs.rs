//! Costs of the frequent queries, counted in instructions of SQLite's virtual machine: they do not
//! grow with the outbox.

use rusqlite::types::Value;
use rusqlite::{Connection, StatementStatus, params, params_from_iter};

use crate::sqlite::database::connect;
use crate::sqlite::outbox::frequent;
use crate::tests::fixture::{START, sqlite};

#[tokio::test]
async fn frequent_queries_use_an_index() {
    let bench = sqlite();
    let conn = Connection::open(bench.store.file("outbox.db")).unwrap();
    for (sql, values) in frequent(START) {
        let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps: Vec<String> = plan
            .query_map(params_from_iter(values), |row| row.get("detail"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let all = steps.join("; ");
        assert!(!all.contains("TEMP B-TREE"), "{sql}: {all}");
        assert!(!steps.iter().any(|one| one.starts_with("SCAN submission")), "{sql}: {all}");
        assert!(!steps.iter().any(|one| one.starts_with("SCAN i ")), "{sql}: {all}");
    }
}

/// A plan that names an index may read all of it: a comparison of row values begins at what is
/// equal, and everything here is of one account and due at one time.
#[tokio::test]
async fn frequent_queries_cost_the_same_in_a_long_queue() {
    let (short, long) = (costs(100).await, costs(2_000).await);
    for ((sql, few), (_, many)) in short.into_iter().zip(long) {
        assert!(many <= few + few / 4 + 20, "{many} instructions after {few}: {sql}");
    }
}

/// The instructions of each query where so many submissions wait, and as many copies and keys.
async fn costs(count: i64) -> Vec<(String, i32)> {
    let bench = sqlite();
    let conn = Connection::open(bench.store.file("outbox.db")).unwrap();
    let all = conn.unchecked_transaction().unwrap();
    for number in 0..count {
        let id = format!("sub_{number:08}");
        all.prepare_cached(
            "INSERT INTO submission (id, tenant, account, generation, message_id, sender, state, due,
                 attempts, created, size, digest, place, sent_copy, copy_due)
             VALUES (?1, 't', 'anna', 3, 'm', 's', 'deferred', ?2, ?3, ?2, 1, x'07', 'inline', 'pending', ?2)",
        )
        .unwrap()
        .execute(params![id, START, number % 2])
        .unwrap();
        all.prepare_cached(
            "INSERT INTO idempotency (tenant, account, generation, key, digest, submission, created)
             VALUES ('t', 'anna', 3, ?1, x'07', ?1, ?2)",
        )
        .unwrap()
        .execute(params![id, START])
        .unwrap();
    }
    all.commit().unwrap();
    let cost = |(sql, values): (String, Vec<_>)| {
        let mut statement = conn.prepare(&sql).unwrap();
        let mut rows = statement.query(params_from_iter(values)).unwrap();
        while rows.next().unwrap().is_some() {}
        drop(rows);
        (sql, statement.get_status(StatementStatus::VmStep))
    };
    frequent(START).into_iter().map(cost).collect()
}

/// With the values that it is executed with.
#[tokio::test]
async fn a_statement_is_not_prepared_again_for_other_values() {
    let bench = sqlite();
    let conn = connect(&bench.store.file("outbox.db")).unwrap();
    for (sql, values) in frequent(START) {
        let mut statement = conn.prepare(&sql).unwrap();
        for more in 0..3 {
            let other = |value: &Value| match value {
                Value::Integer(number) => Value::Integer(number.saturating_sub(more)),
                Value::Text(text) if text != "[]" => Value::Text(format!("{text}{more}")),
                same @ (Value::Null | Value::Real(_) | Value::Text(_) | Value::Blob(_)) => {
                    same.clone()
                }
            };
            let mut rows = statement.query(params_from_iter(values.iter().map(other))).unwrap();
            while rows.next().unwrap().is_some() {}
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
    }
}
