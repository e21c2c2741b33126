//! Windows of a cursor: every row is in exactly one of those that follow each other.

use chrono::{DateTime, TimeDelta, Utc};
use recotem::connectors::{Aggregate, Count, CursorKind, Mapped, Query, Window};
use serde_json::json;

use super::{events, pull, table};
use crate::support::TestDatabase;
use crate::support::source::Source;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

async fn shop(tables: &str) -> (TestDatabase, Source) {
    let database = TestDatabase::new().await;
    database.execute(&format!("CREATE SCHEMA shop; {tables}")).await;
    let source = Source::before(&database.db).await;
    (database, source)
}

#[tokio::test]
async fn equal_times_at_a_boundary_are_read_once() {
    let (_database, source) = shop(
        "CREATE TABLE shop.events (who int, what int, at timestamptz);
         INSERT INTO shop.events SELECT n, 1, '2026-11-28 12:00+00' FROM generate_series(1, 10000) n;
         INSERT INTO shop.events VALUES (10001, 1, '2026-11-28 11:59:59.999999+00'), (10002, 1, '2026-11-28 12:00:00.000001+00'),
                (10003, 1, NULL), (10004, 1, 'infinity'), (10005, 1, '-infinity')",
    )
    .await;
    let connector = source.connector(json!({}));
    let noon = at("2026-11-28T12:00:00Z");
    let mut sizes = Vec::new();
    let mut lines = Vec::new();
    let bounds = [
        None,
        Some(noon - TimeDelta::hours(1)),
        Some(noon),
        Some(noon + TimeDelta::microseconds(1)),
        Some(noon + TimeDelta::hours(1)),
    ];
    for pair in bounds.windows(2) {
        let window = Window::of_times(pair[0], pair[1].expect("an end"));
        let (pulled, found) = pull(&connector, &events(), Some(window)).await.unwrap();
        let count = connector.count(&events(), Some(window)).await.unwrap();
        assert_eq!(count, Count { rows: i64::try_from(pulled.rows).unwrap(), null_cursors: 1 });
        assert_eq!(pulled.null_cursors, 1);
        sizes.push(pulled.rows);
        lines.extend(found);
    }
    assert_eq!(sizes, [1, 1, 10_000, 1], "the row before all time, then one, all at noon, and one");
    let all = lines.len();
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), all, "no row twice");
    let mut query = events();
    query.cursor.as_mut().unwrap().with_nulls = true;
    let (_, with_nulls) =
        pull(&connector, &query, Some(Window::of_times(Some(noon + TimeDelta::hours(5)), noon + TimeDelta::hours(6))))
            .await
            .unwrap();
    assert_eq!(with_nulls, ["10003,1,"]);
}

#[tokio::test]
async fn integers_are_read_up_to_a_bound() {
    let (_database, source) = shop(
        "CREATE TABLE shop.events (who text, what int, at bigint); INSERT INTO shop.events SELECT 'u', n, n FROM generate_series(1, 20) n",
    )
    .await;
    let connector = source.connector(json!({}));
    let mut query = events();
    query.cursor.as_mut().unwrap().kind = CursorKind::Integer;
    assert_eq!(connector.newest(&query).await.unwrap(), Some(20));
    let (_, lines) = pull(&connector, &query, Some(Window { lo: Some(18), hi: 20 })).await.unwrap();
    assert_eq!(lines, ["u,18,18", "u,19,19"]);
    let empty = Query { columns: Vec::new(), ..query };
    let (pulled, lines) = pull(&connector, &empty, Some(Window { lo: Some(100), hi: 200 })).await.unwrap();
    assert_eq!((pulled.rows, lines.len()), (0, 0));
}

#[tokio::test]
async fn times_without_a_zone_are_those_of_the_place_even_when_clocks_are_set_back() {
    let (_database, source) = shop(
        "CREATE TABLE shop.events (who text, what text, at timestamp);
         INSERT INTO shop.events SELECT 'u', n::text, '2026-10-25 00:00'::timestamp + n * '7 minutes'::interval FROM generate_series(0, 60) n",
    )
    .await;
    let utc = source.connector(json!({}));
    let (_, lines) = pull(&utc, &events(), Some(Window::of_times(Some(at("2026-10-25T00:07:00Z")), at("2026-10-25T00:08:00Z"))))
        .await
        .unwrap();
    assert_eq!(lines, ["u,1,2026-10-25 00:07:00"]);
    let berlin = source.connector(json!({"time_zone": "Europe/Berlin"}));
    let (_, lines) = pull(&berlin, &events(), Some(Window::of_times(None, at("2026-10-24T22:08:00Z")))).await.unwrap();
    assert_eq!(lines, ["u,0,2026-10-24 22:00:00+00", "u,1,2026-10-24 22:07:00+00"]);
    let mut numbers = Vec::new();
    let (mut lo, mut step) = (at("2026-10-24T22:00:00Z"), 0);
    while lo < at("2026-10-25T08:00:00Z") {
        step += 11;
        let hi = lo + TimeDelta::minutes(1 + step % 50);
        let (_, lines) = pull(&berlin, &events(), Some(Window::of_times(Some(lo), hi))).await.unwrap();
        numbers.extend(lines.iter().map(|line| line.split(',').nth(1).unwrap().parse::<u32>().unwrap()));
        lo = hi;
    }
    assert_eq!(numbers, (0..=60).collect::<Vec<_>>(), "every row once, in order");
}

#[tokio::test]
async fn the_server_aggregates_pairs_of_the_last_days() {
    let (_database, source) = shop(
        "CREATE TABLE shop.events (who text, what text, at timestamptz, amount numeric);
         INSERT INTO shop.events SELECT 'u' || n % 2, 'i', now() - n * '1 day'::interval, n FROM generate_series(0, 9) n",
    )
    .await;
    let connector = source.connector(json!({}));
    let mut query = events();
    query.columns.push(Mapped { column: "amount".to_owned(), named: "weight".to_owned() });
    query.aggregate = Some(Aggregate {
        latest: vec!["time".to_owned()],
        sums: vec!["weight".to_owned()],
        count_as: Some("times".to_owned()),
        last_days: Some(5),
    });
    let (pulled, mut lines) = pull(&connector, &query, None).await.unwrap();
    lines.sort();
    let cells: Vec<Vec<&str>> = lines.iter().map(|line| line.split(',').collect()).collect();
    assert_eq!(pulled.rows, 2);
    assert_eq!((cells[0][0], cells[0][3], cells[0][4]), ("u0", "6", "3"), "0, 2 and 4 days ago");
    assert_eq!((cells[1][0], cells[1][3], cells[1][4]), ("u1", "4", "2"), "1 and 3 days ago; 5 is a moment too long");
    assert_eq!(connector.count(&query, None).await.unwrap().rows, 5, "rows before the aggregation");
    let plain = Query { cursor: None, aggregate: None, ..Query::of_table(table("events")) };
    assert_eq!(connector.count(&plain, None).await.unwrap().rows, 10);
}
