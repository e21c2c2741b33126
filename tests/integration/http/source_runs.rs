//! Runs of sources: windows, late rows, cursors, snapshots, and workers that die.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::Jobs;
use crate::support::shop::Shop;

fn moment(value: &Value) -> chrono::DateTime<chrono::Utc> {
    value.as_str().unwrap_or_else(|| panic!("no moment: {value}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_reads_on_from_where_the_last_one_ended() {
    let shop = Shop::start().await;
    let source = shop.source(json!({})).await;
    shop.orders(60, &[("ada", "lamp"), ("bob", "chair")]).await;
    let end = shop.now() - TimeDelta::minutes(10);
    // On the bound, and after it: the next window begins with them.
    shop.orders_at(end, &[("eve", "lamp"), ("eve", "chair"), ("eve", "desk")]).await;
    let first = shop.run(source).await;
    assert_eq!(
        (&first["state"], &first["rows_read"], &first["rows_kept"]),
        (&json!("succeeded"), &json!(2), &json!(2)),
        "{first}"
    );
    assert_eq!((&first["window_from"], moment(&first["window_to"])), (&Value::Null, end));
    let stages: Vec<&str> = first["stages"].as_array().unwrap().iter().filter_map(|stage| stage["name"].as_str()).collect();
    assert_eq!(stages, ["counting", "reading", "preparing", "checking"]);
    let data = shop.owner.get(&format!("training_data/{}/", first["training_data"])).await.expect(200).body;
    let origin = json!({ "source": source, "run": first["id"], "from": null, "to": first["window_to"] });
    assert_eq!((&data["origin"], &data["standing"], &data["status"]), (&origin, &json!("in_use"), &json!("ready")));
    let columns: Vec<&str> =
        first["report"]["columns"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(columns, ["id", "customer", "sku", "written"]);

    shop.advance(TimeDelta::minutes(20)).await;
    let second = shop.run(source).await;
    assert_eq!((&second["rows_read"], &second["window_from"]), (&json!(3), &first["window_to"]), "{second}");
    let none = shop.run(source).await;
    assert_eq!((&none["state"], &none["window_to"], &none["training_data"]), (&json!("nothing_new"), &Value::Null, &Value::Null));
    shop.advance(TimeDelta::minutes(5)).await;
    let empty = shop.run(source).await;
    assert_eq!(
        (&empty["state"], &empty["window_from"], &empty["rows_read"]),
        (&json!("nothing_new"), &second["window_to"], &json!(0))
    );
    let shown = shop.owner.get(&format!("data_source/{source}/")).await.body;
    assert_eq!(shown["position"]["next_from"], empty["window_to"], "an empty window moves the position");
    assert_eq!(shop.rows_in_use().await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_committed_late_is_read_by_the_next_run() {
    let shop = Shop::start().await;
    let source = shop.source(json!({})).await;
    shop.orders(30, &[("ada", "lamp"), ("bob", "chair")]).await;
    let stamped = shop.now() - TimeDelta::minutes(3);
    shop.run(source).await;
    // Stamped before the run and committed after it, by less than the settle time.
    shop.advance(TimeDelta::minutes(4)).await;
    shop.orders_at(stamped, &[("late", "lamp")]).await;
    shop.advance(TimeDelta::minutes(10)).await;
    let next = shop.run(source).await;
    assert_eq!((&next["state"], &next["rows_read"]), (&json!("succeeded"), &json!(1)), "{next}");
    assert_eq!(shop.rows_in_use().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_in_which_rows_come_even_later_is_read_again_in_place_of_the_first_reading() {
    let shop = Shop::start().await;
    let source = shop.source(json!({})).await;
    shop.orders(60, &[("ada", "lamp"), ("bob", "chair")]).await;
    let first = shop.run(source).await;
    shop.orders(50, &[("late", "lamp"), ("later", "chair")]).await;
    shop.advance(TimeDelta::hours(1)).await;
    shop.orders(30, &[("eve", "lamp")]).await;
    shop.run(source).await;
    let runs = shop.runs(source).await;
    let causes: Vec<&str> = runs.iter().filter_map(|run| run["cause"].as_str()).collect();
    assert_eq!(causes, ["recheck", "manual", "manual"]);
    let again = &runs[0];
    assert_eq!(
        (&again["state"], &again["rows_read"], &again["window_to"]),
        (&json!("succeeded"), &json!(4), &first["window_to"]),
        "{again}"
    );
    let note = again["report"]["notes"][0].as_str().unwrap();
    assert!(note.starts_with("2 late rows in the window up to") && note.ends_with("were recovered."), "{note}");
    assert_eq!(shop.rows_in_use().await, 5);
    let former = shop.owner.get(&format!("training_data/{}/", first["training_data"])).await.expect(200).body;
    assert_eq!(former["standing"], "superseded");
    shop.advance(TimeDelta::hours(1)).await;
    shop.run(source).await;
    assert_eq!(shop.runs(source).await.len(), 4, "every window has the rows that were read of it");
    shop.owner.get(&format!("training_data/{}/", first["training_data"])).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_cursor_are_counted_or_read_as_the_source_says() {
    let shop = Shop::start().await;
    shop.orders(60, &[("ada", "lamp"), ("bob", "chair")]).await;
    shop.app.execute("INSERT INTO shop.orders (customer, sku) VALUES ('eve', 'desk')").await;
    let skipped = shop.run(shop.source(json!({})).await).await;
    assert_eq!((&skipped["rows_read"], &skipped["report"]["null_cursors"]), (&json!(2), &json!(1)), "{skipped}");
    let read = shop.run(shop.source(json!({ "null_cursor": "with_every_run" })).await).await;
    assert_eq!((&read["state"], &read["rows_read"]), (&json!("succeeded"), &json!(3)), "{read}");
    let held = shop.source(json!({ "guards": { "max_null_percent": 20 } })).await;
    let held = shop.run(held).await;
    assert_eq!(held["state"], "held", "{held}");
    assert!(held["problems"][0].as_str().unwrap().contains("max_null_percent"), "{held}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_integers_ends_after_the_newest_row() {
    let shop = Shop::start().await;
    let source = shop.source(json!({ "cursor_column": "id", "cursor_kind": "integer" })).await;
    let nothing = shop.run(source).await;
    assert_eq!(nothing["state"], "nothing_new", "{nothing}");
    shop.orders(0, &[("ada", "lamp"), ("bob", "chair")]).await;
    let first = shop.run(source).await;
    assert_eq!((&first["rows_read"], &first["window_to"]), (&json!(2), &json!("3")), "{first}");
    shop.orders(0, &[("eve", "desk")]).await;
    let second = shop.run(source).await;
    assert_eq!((&second["rows_read"], &second["window_from"], &second["window_to"]), (&json!(1), &json!("3"), &json!("4")));
    let backfill = shop.owner.post(&format!("data_source/{source}/backfill/"), json!({ "from": 3, "to": 4 })).await.expect(201);
    let again = shop.over(backfill.id()).await;
    assert_eq!((&again["cause"], &again["rows_read"], &again["state"]), (&json!("backfill"), &json!(1), &json!("succeeded")));
    assert_eq!(shop.rows_in_use().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_replaces_the_one_before_and_an_unchanged_one_is_nothing_new() {
    let shop = Shop::start().await;
    let source = shop.source(json!({ "mode": "snapshot", "cursor_column": null })).await;
    shop.orders(60, &[("ada", "lamp"), ("bob", "chair")]).await;
    assert_eq!(shop.run(source).await["state"], "succeeded");
    assert_eq!(shop.run(source).await["state"], "nothing_new");
    assert_eq!(shop.rows_in_use().await, 2);
    shop.orders(60, &[("eve", "desk")]).await;
    let changed = shop.run(source).await;
    assert_eq!((&changed["rows_read"], &changed["window_to"]), (&json!(3), &Value::Null), "{changed}");
    assert_eq!(shop.rows_in_use().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_read_with_all_their_columns() {
    let shop = Shop::start().await;
    shop.app.execute("INSERT INTO shop.products VALUES ('lamp', 'A lamp', 20), ('chair', 'A chair', 50)").await;
    let query = json!({ "table": "shop.products", "columns": { "item": "sku" } });
    let source = json!({ "target": "items", "mode": "snapshot", "cursor_column": null, "query": query });
    let run = shop.run(shop.source(source).await).await;
    assert_eq!((&run["state"], &run["rows_kept"]), (&json!("succeeded"), &json!(2)), "{run}");
    let items = shop.owner.get(&format!("item_meta_data/{}/", run["item_meta_data"])).await.expect(200).body;
    assert_eq!((&items["status"], &items["standing"]), (&json!("ready"), &json!("in_use")));
    assert_eq!(items["valid_columns_list_json"], json!(["title", "price"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_where_a_killed_worker_left_it() {
    let shop = Shop::start_with(Jobs::Stay, |_| {}).await;
    shop.orders(60, &[("ada", "lamp"), ("bob", "chair")]).await;
    let source = shop.source(json!({})).await;
    let run = shop.owner.post(&format!("data_source/{source}/run/"), json!({})).await.expect(201).id();
    // Its worker had fixed the window and begun to read; the clock has moved since.
    let end = (shop.now() - TimeDelta::minutes(10)).timestamp_micros();
    shop.app.execute(&format!("UPDATE source_runs SET state = 'running', window_hi = {end} WHERE id = {run}")).await;
    shop.advance(TimeDelta::hours(1)).await;
    shop.orders(30, &[("eve", "desk")]).await;
    shop.app.work();
    let done = shop.over(run).await;
    assert_eq!((&done["state"], &done["rows_read"]), (&json!("succeeded"), &json!(2)), "{done}");
    assert_eq!(moment(&done["window_to"]).timestamp_micros(), end);
    // The same job once more, as after a worker that was wrongly believed dead, changes nothing.
    shop.app.execute("UPDATE jobs SET state = 'available', finished_at = NULL WHERE kind = 'pull_source'").await;
    shop.app.idle().await;
    assert_eq!(shop.app.count("SELECT count(*) FROM training_data").await, 1);
    assert_eq!((shop.run(source).await["rows_read"].clone(), shop.rows_in_use().await), (json!(1), 3));
}
