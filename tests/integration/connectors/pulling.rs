//! Rows into a file: as they are, within limits, and without changing the server.

use recotem::connectors::{PullLimits, Query, Stop};
use serde_json::json;

use super::{Written, events, pull, pull_with, refusal, sql, table};
use crate::support::TestDatabase;
use crate::support::source::Source;

async fn shop(tables: &str) -> (TestDatabase, Source) {
    let database = TestDatabase::new().await;
    database.execute(&format!("CREATE SCHEMA shop; {tables}")).await;
    let source = Source::before(&database.db).await;
    (database, source)
}

const TWO: &str = "CREATE TABLE shop.events (who text, what text, at timestamptz);
    INSERT INTO shop.events VALUES ('a,\"b\"', E'c\\nd', '2026-11-28 12:00:00.5+09'), ('', NULL, NULL)";

#[tokio::test]
async fn text_stays_as_it_is() {
    let (_database, source) = shop(TWO).await;
    let written = Written::default();
    let connector = source.connector(json!({}));
    let limits = PullLimits::default();
    let pulled = connector.pull(&events(), None, Box::new(written.clone()), &limits, &|_, _| {}, &Stop::default()).await.unwrap();
    let text = written.lines().join("\n");
    assert_eq!(text, "user_id,item_id,time\n\"a,\"\"b\"\"\",\"c\nd\",2026-11-28 03:00:00.5+00\n\"\",,");
    assert_eq!((pulled.rows, pulled.bytes, pulled.null_cursors, pulled.rejected), (2, text.len() as u64 + 1, 1, 0));
}

#[tokio::test]
async fn limits_hold_and_what_is_within_them_is_read() {
    let (database, source) = shop(TWO).await;
    let connector = source.connector(json!({}));
    let (pulled, _) = pull(&connector, &events(), None).await.unwrap();
    let within = |max_bytes| PullLimits { max_bytes, ..PullLimits::default() };
    assert!(pull_with(&connector, &events(), None, &within(pulled.bytes)).await.is_ok());
    let error = pull_with(&connector, &events(), None, &within(pulled.bytes - 1)).await.unwrap_err();
    assert_eq!(error.code(), "too_large");
    database.execute("INSERT INTO shop.events VALUES (repeat('x', 100), repeat('y', 100)), (repeat('x', 101), 'y')").await;
    let limits = PullLimits { max_cell: 100, ..PullLimits::default() };
    let (pulled, lines) = pull_with(&connector, &events(), None, &limits).await.unwrap();
    assert_eq!((pulled.rows, pulled.rejected), (3, 1));
    assert!(lines.iter().any(|line| line.starts_with(&"x".repeat(100))));
    let (pulled, _) =
        pull_with(&connector, &events(), None, &PullLimits { max_rows: Some(2), ..PullLimits::default() }).await.unwrap();
    assert_eq!(pulled.rows, 2);
}

#[tokio::test]
async fn what_does_not_exist_or_may_not_be_read_is_said() {
    let (database, source) = shop(TWO).await;
    database.execute("CREATE ROLE pulling_stranger LOGIN; GRANT USAGE ON SCHEMA shop TO pulling_stranger").await;
    let connector = source.connector(json!({}));
    assert_eq!(refusal(&connector, &Query::of_table(table("nothing"))).await, "no_such_table");
    let mut query = events();
    query.columns[0].column = "dropped".to_owned();
    assert_eq!(refusal(&connector, &query).await, "no_such_column");
    assert_eq!(refusal(&source.connector(json!({"username": "pulling_stranger"})), &events()).await, "permission_denied");
    assert_eq!(refusal(&connector, &sql("SELECT 1 / 0 AS a")).await, "bad_sql");
    assert_eq!(refusal(&connector, &sql("SELECT * FROM")).await, "bad_sql");
}

#[tokio::test]
async fn statements_only_read_and_cannot_leave_their_brackets() {
    let (database, source) = shop(TWO).await;
    let connector = source.connector(json!({}));
    let (_, lines) =
        pull(&connector, &sql("WITH x AS (SELECT who FROM shop.events) SELECT upper(who) AS \"USER\" FROM x; -- done"), None)
            .await
            .unwrap();
    assert_eq!(lines.len(), 2);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proof").display().to_string();
    for (text, code) in [
        ("DELETE FROM shop.events RETURNING *", "bad_query"),
        ("WITH x AS (DELETE FROM shop.events RETURNING *) SELECT * FROM x", "bad_sql"),
        ("SELECT 1; DELETE FROM shop.events", "bad_sql"),
        ("SELECT 1 AS a) AS s; DELETE FROM shop.events; --", "bad_sql"),
        (&format!("SELECT 1 AS a) AS s) TO PROGRAM 'touch {file}' --"), "bad_sql"),
        ("SELECT 1 AS a /*", "bad_sql"),
        ("SELECT * INTO shop.copied FROM shop.events", "bad_sql"),
        ("SELECT nextval('shop.numbers')", "writes"),
        ("SELECT set_config('transaction_read_only', 'off', false)", "writes"),
    ] {
        if text.contains("nextval") {
            database.execute("CREATE SEQUENCE shop.numbers").await;
        }
        assert_eq!(refusal(&connector, &sql(text)).await, code, "{text}");
    }
    assert!(!std::path::Path::new(&file).exists());
    assert_eq!(connector.count(&events(), None).await.unwrap().rows, 2, "nothing was deleted");
}

#[tokio::test]
async fn a_pull_is_stopped_at_the_source_too() {
    let (_database, source) =
        shop("CREATE TABLE shop.events AS SELECT n AS who, n AS what, now() AS at FROM generate_series(1, 3) n").await;
    let connector = source.connector(json!({}));
    let (stop, limits) = (Stop::default(), PullLimits::default());
    let endless = sql("SELECT generate_series(1, 1000000000) AS a");
    let seen = |rows: u64, _: u64| {
        if rows > 0 {
            stop.stop();
        }
    };
    let error = connector.pull(&endless, None, Box::new(Written::default()), &limits, &seen, &stop).await.unwrap_err();
    assert_eq!(error.code(), "stopped");
    // A sequence of a billion rows would go on for minutes: the server has been told to stop, or finds the connection closed.
    let working = sql(
        "SELECT 1 AS a FROM pg_stat_activity WHERE query LIKE 'COPY (SELECT * FROM (SELECT generate_series(%' AND state = 'active'",
    );
    while connector.count(&working, None).await.unwrap().rows > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_by_the_server() {
    let (_database, source) = shop("").await;
    let limits = PullLimits { statement: std::time::Duration::from_millis(50), ..PullLimits::default() };
    let error =
        pull_with(&source.connector(json!({})), &sql("SELECT pg_sleep(3600)::text AS a"), None, &limits).await.unwrap_err();
    assert_eq!(error.code(), "statement_timed_out");
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_no_complete_file() {
    let (_database, source) =
        shop("CREATE TABLE shop.events AS SELECT n AS who, n AS what, now() AS at FROM generate_series(1, 50000) n").await;
    source.break_after(1 << 20);
    let written = Written::default();
    let connector = source.connector(json!({}));
    let limits = PullLimits::default();
    let error =
        connector.pull(&events(), None, Box::new(written.clone()), &limits, &|_, _| {}, &Stop::default()).await.unwrap_err();
    assert_eq!((error.code(), error.is_temporary()), ("interrupted", true), "{error}");
    let bytes = written.0.lock().unwrap().clone();
    assert!(bytes.is_empty() || zstd::decode_all(&bytes[..]).is_err());
}
