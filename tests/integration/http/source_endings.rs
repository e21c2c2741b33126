//! How runs of sources end: held by guards, failed in words, cancelled, tried again, and followed by a training.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::Jobs;
use crate::support::retraining::finish;
use crate::support::shop::Shop;

/// Reads three days of ten orders each; the next day has none yet.
async fn three_days(shop: &Shop, source: i64) {
    for day in 0..3 {
        let orders: Vec<(String, String)> = (0..10).map(|n| (format!("u{n}"), format!("i{}", n + day))).collect();
        let orders: Vec<(&str, &str)> = orders.iter().map(|(user, item)| (user.as_str(), item.as_str())).collect();
        shop.orders(60, &orders).await;
        assert_eq!(shop.run(source).await["state"], "succeeded");
        shop.advance(TimeDelta::days(1)).await;
    }
    // The first window has no length to compare with.
    shop.orders(60, &[("u0", "i0"), ("u1", "i1"), ("u2", "i2"), ("u3", "i3"), ("u4", "i4"), ("u5", "i5"), ("u6", "i6")]).await;
    assert_eq!(shop.run(source).await["state"], "succeeded");
    shop.advance(TimeDelta::days(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_with_few_rows_is_held_until_it_is_accepted() {
    let shop = Shop::start().await;
    let source = shop.source(json!({})).await;
    three_days(&shop, source).await;
    shop.orders(60, &[("u0", "i0"), ("u1", "i1")]).await;
    let held = shop.run(source).await;
    assert_eq!(held["state"], "held", "{held}");
    assert!(held["problems"][0].as_str().unwrap().starts_with("2 rows came, 80 % fewer"), "{held}");
    assert_eq!(held["report"]["compared"][0]["median"], 10.0);
    assert_eq!(shop.rows_in_use().await, 37, "what is held is not used");
    let told = "SELECT count(*) FROM outbox WHERE topic = 'source.held'";
    assert_eq!(shop.app.count(told).await, 1);

    let path = format!("source_run/{}/", held["id"]);
    let accepted = shop.owner.post(&format!("{path}accept/"), json!({})).await.expect(200).body;
    assert_eq!(accepted["state"], "succeeded");
    shop.app.idle().await;
    assert_eq!(shop.rows_in_use().await, 39);
    let again = shop.owner.post(&format!("{path}accept/"), json!({})).await.expect(409).body;
    assert_eq!(again["code"], "wrong_state");
    shop.owner.post(&format!("{path}discard/"), json!({})).await.expect(409);
    let shown = shop.owner.get(&format!("data_source/{source}/")).await.body;
    assert_eq!(shown["position"]["next_from"], held["window_to"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_held_night_come_with_the_next_one() {
    let shop = Shop::start().await;
    let source = shop.source(json!({ "guards": { "min_rows": 3 } })).await;
    shop.orders(60, &[("ada", "lamp"), ("bob", "chair")]).await;
    let held = shop.run(source).await;
    assert_eq!(
        (&held["state"], held["problems"][0].as_str()),
        (&json!("held"), Some("2 rows came; the source expects at least 3 (min_rows)."))
    );
    shop.advance(TimeDelta::days(1)).await;
    shop.orders(60, &[("eve", "desk")]).await;
    let next = shop.run(source).await;
    assert_eq!((&next["state"], &next["rows_read"]), (&json!("succeeded"), &json!(3)), "{next}");
    let overtaken = shop.owner.get(&format!("source_run/{}/", held["id"])).await.body;
    assert_eq!((&overtaken["state"], &overtaken["training_data"]), (&json!("discarded"), &Value::Null));
    assert_eq!(shop.rows_in_use().await, 3);

    shop.advance(TimeDelta::days(1)).await;
    let empty = shop.run(source).await;
    assert_eq!((&empty["state"], &empty["rows_read"]), (&json!("held"), &json!(0)), "{empty}");
    let discarded = shop.owner.post(&format!("source_run/{}/discard/", empty["id"]), json!({})).await.expect(200).body;
    assert_eq!(discarded["state"], "discarded");
    let shown = shop.owner.get(&format!("data_source/{source}/")).await.body;
    assert_eq!(shown["position"]["next_from"], next["window_to"], "its window is read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_changes_holds_a_run_and_one_that_is_gone_fails_it() {
    let shop = Shop::start().await;
    let source = shop.source(json!({})).await;
    shop.orders(60, &[("ada", "1"), ("bob", "2")]).await;
    shop.run(source).await;
    shop.app.execute("ALTER TABLE shop.orders ALTER COLUMN sku TYPE integer USING sku::integer, ADD COLUMN note TEXT").await;
    shop.advance(TimeDelta::days(1)).await;
    shop.orders(60, &[("eve", "3"), ("eve", "1")]).await;
    let held = shop.run(source).await;
    assert_eq!(held["problems"], json!(["The column sku was text and is integer."]), "{held}");
    shop.owner.post(&format!("source_run/{}/accept/", held["id"]), json!({})).await.expect(200);
    shop.app.idle().await;

    shop.advance(TimeDelta::days(1)).await;
    shop.orders(60, &[("max", "2")]).await;
    shop.app.execute("ALTER TABLE shop.orders RENAME COLUMN sku TO article").await;
    let failed = shop.run(source).await;
    assert_eq!((&failed["state"], &failed["error_code"]), (&json!("failed"), &json!("no_such_column")), "{failed}");
    assert!(failed["error"].as_str().unwrap().contains("sku"), "{failed}");
    assert_eq!(shop.app.count("SELECT count(*) FROM outbox WHERE topic = 'source.failed'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_the_right_to_read_fails_and_is_tried_again() {
    let shop = Shop::start().await;
    let source = shop.source(json!({})).await;
    shop.orders(60, &[("ada", "lamp"), ("bob", "chair")]).await;
    shop.app.execute(&format!("REVOKE SELECT ON shop.orders FROM {}", shop.role)).await;
    let failed = shop.run(source).await;
    assert_eq!((&failed["state"], &failed["error_code"]), (&json!("failed"), &json!("permission_denied")), "{failed}");
    shop.app.execute(&format!("GRANT SELECT ON shop.orders TO {}", shop.role)).await;
    let path = format!("source_run/{}/", failed["id"]);
    let again = shop.owner.post(&format!("{path}retry/"), json!({})).await.expect(200).body;
    assert_eq!((&again["state"], &again["attempt"], &again["error"]), (&json!("queued"), &json!(2), &Value::Null));
    let done = shop.over(failed["id"].as_i64().unwrap()).await;
    assert_eq!((&done["state"], &done["rows_kept"]), (&json!("succeeded"), &json!(2)), "{done}");
    shop.owner.post(&format!("{path}retry/"), json!({})).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_be_reached_is_tried_several_times() {
    let shop = Shop::start().await;
    let source = shop.source(json!({})).await;
    shop.orders(60, &[("ada", "lamp"), ("bob", "chair")]).await;
    shop.open(false);
    let run = shop.owner.post(&format!("data_source/{source}/run/"), json!({})).await.expect(201).id();
    let noted = |run: &Value| run["error_code"].is_string() && run["state"] == "running";
    shop.owner.wait_for(&format!("source_run/{run}/"), noted).await;
    shop.open(true);
    let done = shop.over(run).await;
    assert_eq!((&done["state"], &done["rows_read"]), (&json!("succeeded"), &json!(2)), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cancelled_leaves_nothing_behind() {
    let shop = Shop::start_with(Jobs::Stay, |_| {}).await;
    shop.orders(60, &[("ada", "lamp"), ("bob", "chair")]).await;
    let source = shop.source(json!({})).await;
    let run = shop.owner.post(&format!("data_source/{source}/run/"), json!({})).await.expect(201).id();
    let cancelled = shop.owner.post(&format!("source_run/{run}/cancel/"), json!({})).await.expect(200).body;
    assert_eq!(cancelled["state"], "cancelled");
    shop.owner.post(&format!("source_run/{run}/cancel/"), json!({})).await.expect(409);
    shop.app.work();
    shop.app.idle().await;
    assert_eq!(shop.app.count("SELECT count(*) FROM training_data").await, 0);
    shop.owner.post(&format!("source_run/{run}/retry/"), json!({})).await.expect(200);
    assert_eq!(shop.over(run).await["state"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_reset_reads_everything_again_in_place_of_all_it_has_read() {
    let shop = Shop::start().await;
    let source = shop.source(json!({})).await;
    let path = format!("data_source/{source}/");
    shop.owner.post(&format!("{path}backfill/"), json!({ "from": "2026-01-01", "to": "2026-01-02" })).await.expect(409);
    for day in ["lamp", "chair", "desk"] {
        shop.orders(60, &[("ada", day), ("bob", day)]).await;
        shop.run(source).await;
        shop.advance(TimeDelta::days(1)).await;
    }
    assert_eq!(shop.rows_in_use().await, 6);
    shop.owner.post(&format!("{path}backfill/"), json!({ "from": "2026-01-02", "to": "2026-01-01" })).await.fault("to");
    shop.owner.post(&format!("{path}reset/"), json!({})).await.expect(204);
    let whole = shop.run(source).await;
    assert_eq!((&whole["rows_read"], &whole["window_from"]), (&json!(6), &Value::Null), "{whole}");
    assert_eq!(
        (shop.rows_in_use().await, shop.app.count("SELECT count(*) FROM training_data WHERE standing = 'in_use'").await),
        (6, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_brings_rows_is_followed_by_a_training_on_all_windows_but_held_ones() {
    let shop = Shop::start().await;
    let configuration = json!({ "project": shop.project, "name": "c", "recommender_class_name": "TopPopRecommender" });
    let configuration = shop.owner.post("model_configuration/", configuration).await.expect(201).id();
    let schedule =
        json!({ "project": shop.project, "is_enabled": true, "data_source": "all", "model_configuration": configuration });
    let schedule = shop.owner.post("retraining_schedule/", schedule).await.expect(201).id();
    let source = shop.source(json!({ "then": "retrain", "retraining_schedule": schedule, "guards": { "min_rows": 2 } })).await;
    shop.orders(60, &[("ada", "lamp"), ("bob", "chair")]).await;
    let first = shop.run(source).await;
    let training = finish(&shop.app, &shop.owner, schedule, 1).await;
    assert_eq!((&training["status"], &training["cause"]), (&json!("COMPLETED"), &json!("source")), "{training}");
    assert_eq!(first["retraining_run"], training["id"]);

    shop.advance(TimeDelta::days(1)).await;
    shop.orders(60, &[("eve", "desk"), ("eve", "lamp")]).await;
    shop.run(source).await;
    let training = finish(&shop.app, &shop.owner, schedule, 2).await;
    assert_eq!((&training["status"], &training["data_rows_at_trigger"]), (&json!("COMPLETED"), &json!(4)), "{training}");

    shop.advance(TimeDelta::days(1)).await;
    shop.orders(60, &[("max", "desk")]).await;
    let held = shop.run(source).await;
    assert_eq!((&held["state"], &held["retraining_run"]), (&json!("held"), &Value::Null), "{held}");
    shop.owner.post(&format!("retraining_schedule/{schedule}/trigger/"), json!({})).await.expect(202);
    let training = finish(&shop.app, &shop.owner, schedule, 3).await;
    assert_eq!(training["data_rows_at_trigger"], 4, "{training}");
}
