//! Sources: their fields, what they would read, and when they are due.

use chrono::TimeDelta;
use recotem::features::data_sources::{MOST_SOURCES, fire_due};
use serde_json::{Value, json};

use crate::support::Jobs;
use crate::support::shop::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_made_shown_changed_and_deleted() {
    let shop = Shop::start_with(Jobs::None, |_| {}).await;
    let made = shop.send(json!({ "cron_expression": "0 3 * * *", "time_zone": "Asia/Tokyo" })).await.expect(201);
    for (field, expected) in [
        ("project", json!(shop.project)),
        ("connection", json!(shop.connection)),
        ("target", json!("interactions")),
        ("mode", json!("incremental")),
        ("cursor_kind", json!("time")),
        ("settle_seconds", json!(600)),
        ("null_cursor", json!("skip")),
        ("then", json!("nothing")),
        ("position", json!({ "next_from": null })),
        ("last_run", Value::Null),
        ("next_run_at", json!("2026-05-13T18:00:00Z")),
    ] {
        if field != "next_run_at" || std::env::var_os("RECOTEM_TEST_NOW").is_none() {
            assert_eq!(made.body[field], expected, "{field}");
        }
    }
    assert_eq!(made.body["guards"]["max_drop_percent"], 50.0);
    let path = format!("data_source/{}/", made.id());
    assert_eq!(shop.owner.get(&format!("data_source/?project={}", shop.project)).await.body["results"], json!([made.body]));
    let changed = shop.owner.patch(&path, json!({ "is_enabled": false, "settle_seconds": 0 })).await.expect(200).body;
    assert_eq!((&changed["next_run_at"], &changed["settle_seconds"]), (&Value::Null, &json!(0)));
    let used = shop.owner.delete(&format!("data_connection/{}/", shop.connection)).await.expect(409).body;
    assert_eq!(used["dependents"][0]["resource"], "data_source");
    shop.owner.delete(&path).await.expect(204);
    shop.owner.get(&path).await.expect(404);
    shop.owner.delete(&format!("data_connection/{}/", shop.connection)).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_or_is_of_others_is_refused_on_its_field() {
    let shop = Shop::start_with(Jobs::None, |_| {}).await;
    let stranger = shop.app.user("stranger").await;
    let theirs = stranger.post("project/", json!({ "name": "T", "user_column": "u", "item_column": "i" })).await.expect(201).body;
    let settings = json!({ "host": "db.example.com", "database": "d", "username": "u" });
    let connection = json!({ "organisation": theirs["organisation"], "name": "c", "kind": "postgresql", "settings": settings });
    let foreign = stranger.post("data_connection/", connection).await.expect(201).id();
    let columns = json!({ "user": "customer", "item": "sku" });
    let wrong = [
        (json!({ "connection": foreign }), "connection"),
        (json!({ "connection": 999_999 }), "connection"),
        (json!({ "project": theirs["id"] }), "project"),
        (json!({ "query": { "columns": columns } }), "query"),
        (json!({ "query": { "table": "shop.orders", "columns": { "user": "customer" } } }), "query"),
        (json!({ "query": { "table": "shop.orders", "columns": columns, "where": "x" } }), "query"),
        (json!({ "cursor_column": null }), "cursor_column"),
        (json!({ "mode": "files" }), "query"),
        (json!({ "target": "items" }), "mode"),
        (json!({ "settle_seconds": -1 }), "settle_seconds"),
        (json!({ "settle_seconds": 604_801 }), "settle_seconds"),
        (json!({ "guards": { "max_drop_percent": 101 } }), "guards"),
        (json!({ "cron_expression": "99 99 * * *" }), "cron_expression"),
        (json!({ "time_zone": "Middle/Earth" }), "time_zone"),
        (json!({ "then": "retrain" }), "retraining_schedule"),
    ];
    for (body, field) in wrong {
        shop.send(body).await.fault(field);
    }
    shop.send(json!({ "settle_seconds": 604_800 })).await.expect(201);
    let schedule = json!({ "project": shop.project, "is_enabled": true });
    let schedule = shop.owner.post("retraining_schedule/", schedule).await.expect(201).id();
    let follow = json!({ "then": "retrain", "retraining_schedule": schedule });
    assert!(shop.send(follow.clone()).await.fault("retraining_schedule").contains("data_source to all"));
    shop.owner.patch(&format!("retraining_schedule/{schedule}/"), json!({ "data_source": "all" })).await.expect(200);
    shop.send(follow).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_would_read_is_shown_and_not_stored() {
    let shop = Shop::start_with(Jobs::None, |_| {}).await;
    shop.orders(30, &[("ada", "lamp"), ("bob", "lamp"), ("bob", "chair")]).await;
    let path = format!("data_source/{}/", shop.source(json!({})).await);
    let preview = shop.owner.post(&format!("{path}preview/"), json!({})).await.expect(200).body;
    assert_eq!(preview["rows"].as_array().map(Vec::len), Some(3), "{preview}");
    let mut columns: Vec<&str> = preview["columns"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    columns.sort_unstable();
    assert_eq!(columns, ["item", "user"]);
    let dry = shop.owner.post(&format!("{path}dry_run/"), json!({})).await.expect(200).body;
    assert_eq!((&dry["rows_read"], &dry["report"]["rows_kept"]), (&json!(3), &json!(3)), "{dry}");
    assert_eq!(shop.app.count("SELECT count(*) FROM training_data").await, 0);
    let wrong = json!({ "query": { "table": "shop.orders", "columns": { "user": "customer", "item": "nothing" } } });
    shop.owner.patch(&path, wrong).await.expect(200);
    let refused = shop.owner.post(&format!("{path}preview/"), json!({})).await.expect(400).body;
    assert_eq!(refused["code"], "no_such_column", "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_due_runs_once_however_many_times_were_missed() {
    let shop = Shop::start().await;
    shop.orders(30, &[("ada", "lamp"), ("bob", "chair")]).await;
    let source = shop.source(json!({ "cron_expression": "0 3 * * *" })).await;
    let services = &shop.app.services;
    assert_eq!(fire_due(services).await.unwrap(), 0);
    shop.advance(TimeDelta::days(3)).await;
    assert_eq!(fire_due(services).await.unwrap(), 1);
    assert_eq!(fire_due(services).await.unwrap(), 0);
    let runs = shop.runs(source).await;
    let run = shop.over(runs[0]["id"].as_i64().unwrap()).await;
    assert_eq!((runs.len(), &run["cause"], &run["state"]), (1, &json!("schedule"), &json!("succeeded")), "{run}");
    shop.advance(TimeDelta::days(1)).await;
    shop.owner.patch(&format!("data_source/{source}/"), json!({ "is_enabled": false })).await.expect(200);
    assert_eq!(fire_due(services).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_may_be_so_many_sources_and_no_more() {
    let shop = Shop::start_with(Jobs::None, |_| {}).await;
    shop.source(json!({})).await;
    shop.app
        .execute(&format!(
            "INSERT INTO data_sources (project_id, connection_id, name, target, query, mode, cursor_kind, settle_seconds, null_cursor,
                 guards, time_zone, is_enabled, follow_up)
             SELECT project_id, connection_id, name, target, query, mode, cursor_kind, settle_seconds, null_cursor, guards, time_zone,
                 is_enabled, follow_up FROM data_sources, generate_series(3, {MOST_SOURCES})"
        ))
        .await;
    shop.send(json!({})).await.expect(201);
    shop.send(json!({})).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_runs_a_source_and_cannot_say_what_it_reads() {
    let shop = Shop::start_with(Jobs::Stay, |_| {}).await;
    let path = format!("data_source/{}/", shop.source(json!({})).await);
    let key = json!({ "project": shop.project, "name": "k", "scopes": ["read", "write"] });
    let key = shop.owner.post("api_keys/", key).await.expect(201).body["key"].as_str().unwrap().to_owned();
    let program = shop.owner.with_key(&key);
    program.get(&path).await.expect(200);
    program.patch(&path, json!({ "name": "x" })).await.expect(403);
    program.get(&format!("data_connection/{}/", shop.connection)).await.expect(404);
    program.get("data_connection/").await.expect(403);
    program.post(&format!("{path}run/"), json!({})).await.expect(201);
    let again = program.post(&format!("{path}run/"), json!({})).await.expect(409).body;
    assert_eq!(again["code"], "run_under_way");
    shop.owner.patch(&path, json!({ "name": "x" })).await.expect(200);
    shop.owner.patch(&path, json!({ "cursor_column": "id", "cursor_kind": "integer" })).await.expect(409);
    shop.owner.delete(&path).await.expect(409);
    shop.owner.delete(&format!("project/{}/", shop.project)).await.expect(409);
}
