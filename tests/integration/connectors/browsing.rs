//! Schemas, tables and columns; samples; estimates.

use chrono::{TimeDelta, Utc};
use recotem::connectors::{Count, Entry, EntryKind, Mapped, Query};
use serde_json::json;

use super::{events, sql, table};
use crate::support::TestDatabase;
use crate::support::source::Source;

const TABLES: &str = r#"
    CREATE SCHEMA shop;
    CREATE TABLE shop.events (who text, what int, at timestamptz, note text);
    INSERT INTO shop.events SELECT 'u' || n % 100, n % 7, now(), CASE WHEN n % 4 = 0 THEN 'x' END FROM generate_series(1, 1000) n;
    CREATE VIEW shop.seen AS SELECT * FROM shop.events;
    CREATE TABLE shop."we""ird. NAME" ("a ""b" int);
    CREATE TABLE shop.by_month (at date) PARTITION BY RANGE (at);
    CREATE TABLE shop.by_month_1 PARTITION OF shop.by_month FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    INSERT INTO shop.by_month VALUES ('2026-01-05'), ('2026-01-06');
    ANALYZE shop.events; ANALYZE shop.by_month"#;

async fn shop() -> (TestDatabase, Source) {
    let database = TestDatabase::new().await;
    database.execute(TABLES).await;
    let source = Source::before(&database.db).await;
    (database, source)
}

fn path(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

fn named<'a>(entries: &'a [Entry], name: &str) -> &'a Entry {
    entries.iter().find(|entry| entry.name == name).unwrap_or_else(|| panic!("{name} in {entries:?}"))
}

#[tokio::test]
async fn what_a_server_holds_is_listed_from_its_catalogue() {
    let (_database, source) = shop().await;
    let connector = source.connector(json!({}));
    let schemas = connector.browse(&[]).await.unwrap().entries;
    assert_eq!(named(&schemas, "shop").kind, EntryKind::Schema);
    assert!(schemas.iter().all(|entry| !entry.name.starts_with("pg_") && entry.name != "information_schema"));
    let tables = connector.browse(&path(&["shop"])).await.unwrap().entries;
    let names: Vec<&str> = tables.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["by_month", "events", "seen", "we\"ird. NAME"], "without the parts of a table");
    let events = named(&tables, "events");
    assert_eq!((events.kind, events.rows, events.bytes > Some(8_000)), (EntryKind::Table, Some(1_000), true));
    assert_eq!(named(&tables, "by_month").rows, Some(2));
    assert_eq!((named(&tables, "seen").kind, named(&tables, "seen").rows), (EntryKind::View, None));
    assert_eq!(named(&tables, "we\"ird. NAME").rows, None, "it was never analysed");
    let columns = connector.browse(&path(&["shop", "events"])).await.unwrap().entries;
    let (who, note) = (named(&columns, "who"), named(&columns, "note"));
    assert_eq!((who.data_type.as_deref(), who.null_share, who.distinct), (Some("text"), Some(0.0), Some(100)));
    assert_eq!((note.null_share, note.distinct), (Some(0.75), Some(1)));
    assert_eq!(named(&columns, "at").data_type.as_deref(), Some("timestamp with time zone"));
    let weird = connector.browse(&path(&["shop", "we\"ird. NAME"])).await.unwrap().entries;
    assert_eq!(weird[0].name, "a \"b");
    assert!(connector.browse(&path(&["nowhere"])).await.unwrap().entries.is_empty());
    assert_eq!(connector.browse(&path(&["shop", "nothing"])).await.unwrap_err().code(), "no_such_table");
    assert_eq!(connector.browse(&path(&["a", "b", "c"])).await.unwrap_err().code(), "bad_query");
}

#[tokio::test]
async fn a_sample_shows_short_cells_under_the_names_of_the_result() {
    let (database, source) = shop().await;
    database.execute(r#"INSERT INTO shop."we""ird. NAME" VALUES (7); UPDATE shop.events SET note = repeat('é', 1000)"#).await;
    let connector = source.connector(json!({}));
    let weird = connector.sample(&Query::of_table(table("we\"ird. NAME")), 50).await.unwrap();
    assert_eq!((weird.columns, weird.rows), (vec!["a \"b".to_owned()], vec![vec![Some("7".to_owned())]]));
    let all = connector.sample(&Query::of_table(table("events")), 50).await.unwrap();
    assert_eq!((all.columns.len(), all.rows.len()), (4, 50));
    assert!(all.rows.iter().all(|row| row[3].as_ref().is_some_and(|cell| cell.chars().count() == 200)));
    let mut query = events();
    query.columns.push(Mapped { column: "who".to_owned(), named: "again".to_owned() });
    let mapped = connector.sample(&query, 3).await.unwrap();
    assert_eq!(mapped.columns, ["user_id", "item_id", "time", "again"]);
    let of_sql = connector.sample(&sql("SELECT 1 AS a, NULL AS a, 'x' -- the end"), 5).await.unwrap();
    assert_eq!(of_sql.rows, [vec![Some("1".to_owned()), None, Some("x".to_owned())]]);
}

#[tokio::test]
async fn estimates_and_counts_are_of_the_rows_of_a_window() {
    let (database, source) = shop().await;
    database.execute("INSERT INTO shop.events SELECT 'late', 1, NULL FROM generate_series(1, 5); ANALYZE shop.events").await;
    let connector = source.connector(json!({}));
    let all = connector.estimate(&events(), None).await.unwrap();
    let rows = all.rows.expect("an estimate");
    assert!((900..1_100).contains(&rows) && all.bytes > rows, "{all:?}");
    assert_eq!(connector.count(&events(), None).await.unwrap(), Count { rows: 1_005, null_cursors: 5 });
    let now = connector.now().await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "compared with the clock of the server, which is the machine's")]
    let machine = Utc::now();
    assert!((machine - now).abs() < TimeDelta::minutes(1), "{now}");
}
