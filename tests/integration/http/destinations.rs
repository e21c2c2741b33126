//! Destinations and their deliveries.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use chrono::{DateTime, TimeDelta, Utc};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use recotem::features::destinations::fire_due;
use recotem::features::projects::sweep;
use serde_json::{Value, json};

use crate::support::prepared::{Prepared, prepare};
use crate::support::slots::give_file;
use crate::support::{Caller, TestApp};

/// Items with their scores, by user or item.
type Lists = BTreeMap<String, Vec<(String, f64)>>;

/// Returns a project with a trained model, and the id of that.
async fn trained(app: &TestApp, name: &str, algorithm: &str) -> (Prepared, i64) {
    let prepared = prepare(app.user(name).await, "P", algorithm).await;
    let model = prepared.train().await;
    assert_eq!(model["status"], "COMPLETED", "{model}");
    (prepared, model["id"].as_i64().unwrap())
}

/// Returns a project with a model whose training stays in the queue, but which has a file.
async fn with_model(app: &TestApp) -> (Prepared, i64) {
    let prepared = prepare(app.user("ann").await, "P", "TopPop").await;
    let body = json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
    let model = prepared.user.post("trained_model/", body).await.expect(201).id();
    give_file(app, model).await;
    app.leaves_jobs_behind("the training and the deliveries");
    (prepared, model)
}

/// Keeps deliveries in the queue until jobs are woken.
async fn hold_deliveries(app: &TestApp) {
    let later =
        "CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.run_at := ''2100-01-01''; RETURN NEW; END'";
    app.execute(later).await;
    let hold =
        "CREATE TRIGGER later BEFORE INSERT ON jobs FOR EACH ROW WHEN (NEW.kind = 'deliver_lists') EXECUTE FUNCTION later()";
    app.execute(hold).await;
}

/// Creates a destination.
async fn destination(prepared: &Prepared, fields: Value) -> i64 {
    let mut body = json!({ "project": prepared.project, "name": "nightly", "cutoff": 3 });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    prepared.user.post("destination/", body).await.expect(201).id()
}

async fn run(user: &Caller, destination: i64) -> i64 {
    user.post(&format!("destination/{destination}/run/"), json!({})).await.expect(201).id()
}

/// Runs a destination, waits for the end, and returns the delivery and its file.
async fn delivered(user: &Caller, destination: i64) -> (Value, Vec<u8>) {
    let id = run(user, destination).await;
    let ended = |delivery: &Value| !matches!(delivery["state"].as_str(), Some("queued" | "running"));
    let delivery = user.wait_for(&format!("delivery/{id}/"), ended).await;
    assert_eq!(delivery["state"], "succeeded", "{delivery}");
    let file = user.get(&format!("delivery/{id}/download/")).await.expect(200);
    assert_eq!(delivery["bytes"].as_u64(), Some(file.bytes.len() as u64));
    (delivery, file.bytes)
}

/// Reads JSON Lines; `names` are those of the list's owner and of its items.
fn from_lines(bytes: &[u8], [owner, item]: [&str; 2]) -> Lists {
    let entry = |entry: &Value| (entry[item].as_str().unwrap().to_owned(), entry["score"].as_f64().unwrap());
    let list = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        (line[owner].as_str().unwrap().to_owned(), line["items"].as_array().unwrap().iter().map(entry).collect())
    };
    std::str::from_utf8(bytes).unwrap().lines().map(list).collect()
}

/// Reads CSV with the columns user, rank, item and score.
fn from_csv(bytes: &[u8]) -> Lists {
    let mut lists = Lists::new();
    for row in csv::Reader::from_reader(bytes).records() {
        let row = row.unwrap();
        let list = lists.entry(row[0].to_owned()).or_default();
        list.push((row[2].to_owned(), row[3].parse().unwrap()));
        assert_eq!(row[1].parse(), Ok(list.len()));
    }
    lists
}

fn from_parquet(bytes: Vec<u8>) -> Lists {
    let mut lists = Lists::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let texts = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
        let (users, items) = (texts("user_id"), texts("item_id"));
        let scores = batch.column_by_name("score").unwrap().as_primitive::<Float32Type>().clone();
        for at in 0..batch.num_rows() {
            let entry = (items.value(at).to_owned(), f64::from(scores.value(at)));
            lists.entry(users.value(at).to_owned()).or_default().push(entry);
        }
    }
    lists
}

/// Asks for each list by itself.
async fn one_by_one(user: &Caller, address: &str, of: &[&str]) -> Lists {
    let mut lists = Lists::new();
    for id in of {
        let encoded: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        let answer = user.get(&format!("{address}{encoded}&cutoff=3")).await.expect(200).body;
        let entry = |entry: &Value| (entry["item_id"].as_str().unwrap().to_owned(), entry["score"].as_f64().unwrap());
        lists.insert((*id).to_owned(), answer.as_array().unwrap().iter().map(entry).collect());
    }
    lists
}

fn close(lists: &Lists, others: &Lists) -> bool {
    let same = |(a, b): (&(String, f64), &(String, f64))| a.0 == b.0 && (a.1 - b.1).abs() <= 1e-6 * a.1.abs().max(1e-3);
    let both = |((a, list), (b, other)): ((&String, &Vec<_>), (&String, &Vec<_>))| {
        a == b && list.len() == other.len() && list.iter().zip(other).all(same)
    };
    lists.len() == others.len() && lists.iter().zip(others).all(both)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_has_the_lists_of_single_predictions() {
    let app = TestApp::start_with_worker().await;
    for (name, algorithm) in [("ann", "IALS"), ("bob", "CosineKNN")] {
        let (prepared, model) = trained(&app, name, algorithm).await;
        let user = &prepared.user;
        let users = ["007", "7", "Sigur Rós", "a/b c"];
        let wanted = one_by_one(user, &format!("trained_model/{model}/recommendation/?user_id="), &users).await;
        let of_users = destination(&prepared, json!({ "model": model })).await;
        let (delivery, parquet) = delivered(user, of_users).await;
        let rows: usize = wanted.values().map(Vec::len).sum();
        assert_eq!((&delivery["lists"], &delivery["rows"], &delivery["progress"]), (&json!(4), &json!(rows), &json!(1.0)));
        assert_eq!((&delivery["model"], &delivery["cause"]), (&json!(model), &json!("manual")));
        assert!(close(&from_parquet(parquet), &wanted), "{algorithm}: {wanted:?}");
        for format in ["csv", "jsonl"] {
            user.patch(&format!("destination/{of_users}/"), json!({ "format": format })).await.expect(200);
            let (_, file) = delivered(user, of_users).await;
            let lists = if format == "csv" { from_csv(&file) } else { from_lines(&file, ["user_id", "item_id"]) };
            assert!(close(&lists, &wanted), "{algorithm} {format}: {lists:?} {wanted:?}");
        }
        let items = ["007", "a/b c", "x", "Ágætis byrjun"];
        let wanted = one_by_one(user, &format!("trained_model/{model}/similar/?item_id="), &items).await;
        let of_items = destination(&prepared, json!({ "model": model, "lists": "items", "format": "jsonl" })).await;
        let (_, file) = delivered(user, of_items).await;
        let lists = from_lines(&file, ["item_id", "related_item_id"]);
        assert!(close(&lists, &wanted), "{algorithm}: {lists:?} {wanted:?}");
        let newest = user.get(&format!("destination/{of_items}/")).await.expect(200).body["last_run"]["state"].clone();
        assert_eq!(newest, "succeeded");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_gives_its_present_model_and_old_files_make_room() {
    let app = TestApp::start_with_worker().await;
    let (prepared, model) = trained(&app, "ann", "TopPop").await;
    let user = &prepared.user;
    let slot = json!({ "project": prepared.project, "name": "A", "trained_model": model });
    let slot = user.post("deployment_slot/", slot).await.expect(201).id();
    let nightly = destination(&prepared, json!({ "slot": slot, "format": "csv" })).await;
    let first = delivered(user, nightly).await.0;
    assert_eq!(first["model"], model);
    let other = prepared.train().await["id"].clone();
    user.patch(&format!("deployment_slot/{slot}/"), json!({ "trained_model": other })).await.expect(200);
    for _ in 0..3 {
        assert_eq!(delivered(user, nightly).await.0["model"], other);
    }
    let deliveries = user.get(&format!("delivery/?destination={nightly}")).await.expect(200).body;
    let files: Vec<bool> = deliveries["results"].as_array().unwrap().iter().map(|one| one["has_file"] == true).collect();
    assert_eq!(files, [true, true, true, false]);
    user.get(&format!("delivery/{}/download/", first["id"])).await.expect(404);
    let stored = || app.files().iter().filter(|key| key.starts_with("deliveries/")).count();
    assert_eq!(stored(), 3);
    let told = "SELECT count(*) FROM outbox WHERE topic = 'delivery.succeeded'";
    assert_eq!(app.count(told).await, 4);
    user.delete(&format!("destination/{nightly}/")).await.expect(204);
    assert_eq!(stored(), 0, "the files go with the destination");
    user.get(&format!("delivery/{}/", first["id"])).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_complete_before_an_interruption_is_not_computed_again() {
    let app = TestApp::start_with_worker().await;
    let (prepared, model) = trained(&app, "ann", "TopPop").await;
    hold_deliveries(&app).await;
    let user = &prepared.user;
    let nightly = destination(&prepared, json!({ "model": model, "format": "csv" })).await;
    let delivery = run(user, nightly).await;
    app.execute(&format!("UPDATE deliveries SET part_lists = 1 WHERE id = {delivery}")).await;
    let first = "user_id,rank,item_id,score\nkept,1,x,1\n";
    app.services.blobs.write(&format!("deliveries/{delivery}.part-0-1"), first.as_bytes()).unwrap();
    // A part behind a gap is computed again.
    app.services.blobs.write(&format!("deliveries/{delivery}.part-2-1"), b"lost,1,x,1\n").unwrap();
    // The sweep keeps the parts of a delivery in progress, however old.
    app.date_files();
    app.services.clock.advance(TimeDelta::days(2));
    sweep(&app.services).await.unwrap();
    app.wake().await;
    // Tokens expire as the clock advances.
    let user = &app.log_in("ann").await;
    let ended = user.wait_for(&format!("delivery/{delivery}/"), |one| one["state"] == "succeeded").await;
    let file = user.get(&format!("delivery/{delivery}/download/")).await.expect(200).bytes;
    let lists = from_csv(&file);
    assert!(lists.contains_key("kept") && !lists.contains_key("lost"), "{lists:?}");
    assert_eq!(ended["rows"].as_u64(), Some(lists.values().map(|list| list.len() as u64).sum()));
    assert_eq!(app.files().iter().filter(|key| key.contains(".part-")).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_cancelled_and_tried_again() {
    let app = TestApp::start_with_worker().await;
    let (prepared, model) = trained(&app, "ann", "TopPop").await;
    hold_deliveries(&app).await;
    let user = &prepared.user;
    let nightly = destination(&prepared, json!({ "model": model })).await;
    let delivery = run(user, nightly).await;
    user.post(&format!("destination/{nightly}/run/"), json!({})).await.expect(409);
    user.delete(&format!("trained_model/{model}/")).await.expect(409);
    let path = format!("delivery/{delivery}/");
    user.post(&format!("{path}retry/"), json!({})).await.expect(409);
    assert_eq!(user.post(&format!("{path}cancel/"), json!({})).await.expect(200).body["state"], "cancelled");
    user.post(&format!("{path}cancel/"), json!({})).await.expect(409);
    user.get(&format!("{path}download/")).await.expect(404);
    let again = user.post(&format!("{path}retry/"), json!({})).await.expect(200).body;
    assert_eq!((&again["state"], &again["error"]), (&json!("queued"), &Value::Null));
    app.wake().await;
    user.wait_for(&path, |one| one["state"] == "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_is_delivered_when_it_is_due() {
    let app = TestApp::start_without_worker().await;
    let (prepared, model) = with_model(&app).await;
    let user = &prepared.user;
    let slot = json!({ "project": prepared.project, "name": "A", "trained_model": model });
    let slot = user.post("deployment_slot/", slot).await.expect(201).id();
    let times = json!({ "slot": slot, "cron_expression": "30 4 * * *", "time_zone": "Asia/Tokyo" });
    let nightly = destination(&prepared, times).await;
    let path = format!("destination/{nightly}/");
    // Tokens expire as the clock advances.
    let shown = async || app.log_in("ann").await.get(&path).await.expect(200).body;
    let next = async || -> DateTime<Utc> { shown().await["next_run_at"].as_str().unwrap().parse().unwrap() };
    let due = next().await;
    assert_eq!(due.format("%H:%M").to_string(), "19:30");
    assert_eq!(fire_due(&app.services).await.unwrap(), 0);
    app.services.clock.advance(due - app.services.clock.now());
    assert_eq!(fire_due(&app.services).await.unwrap(), 1);
    assert_eq!(fire_due(&app.services).await.unwrap(), 0, "once");
    assert_eq!(next().await, due + TimeDelta::days(1));
    let newest = shown().await["last_run"].clone();
    assert_eq!((&newest["cause"], &newest["state"]), (&json!("schedule"), &json!("queued")));

    // One that is under way is not joined by another; without a model, what was due is recorded as failed.
    app.services.clock.advance(TimeDelta::days(1));
    assert_eq!(fire_due(&app.services).await.unwrap(), 1);
    let user = app.log_in("ann").await;
    assert_eq!(user.get("delivery/").await.expect(200).body["count"], 1);
    user.post(&format!("delivery/{}/cancel/", newest["id"]), json!({})).await.expect(200);
    user.delete(&format!("deployment_slot/{slot}/")).await.expect(204);
    app.services.clock.advance(TimeDelta::days(1));
    fire_due(&app.services).await.unwrap();
    let failed = shown().await["last_run"].clone();
    assert_eq!(failed["state"], "failed");
    assert!(failed["error"].as_str().unwrap().contains("Choose another one"), "{failed}");
    let disabled = app.log_in("ann").await.patch(&path, json!({ "is_enabled": false, "model": model })).await.expect(200).body;
    assert_eq!(disabled["next_run_at"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_or_belongs_to_others_is_refused_on_its_field() {
    let app = TestApp::start_without_worker().await;
    let (prepared, model) = with_model(&app).await;
    let sibling = prepare(prepared.user.clone(), "Q", "TopPop").await;
    let foreign = app.user("friedrich").await;
    let wrong = [
        (json!({}), "model"),
        (json!({ "model": model, "slot": 1 }), "model"),
        (json!({ "model": 999 }), "model"),
        (json!({ "slot": 999 }), "slot"),
        (json!({ "model": model, "cutoff": 0 }), "cutoff"),
        (json!({ "model": model, "cutoff": 1001 }), "cutoff"),
        (json!({ "model": model, "diversity": 1.5 }), "diversity"),
        (json!({ "model": model, "format": "xlsx" }), "format"),
        (json!({ "model": model, "lists": "shops" }), "lists"),
        (json!({ "model": model, "cron_expression": "0 2 * *" }), "cron_expression"),
        (json!({ "model": model, "cron_expression": "0 0 30 2 *" }), "cron_expression"),
        (json!({ "model": model, "time_zone": "Middle/Earth" }), "time_zone"),
        (json!({ "model": model, "name": "" }), "name"),
    ];
    for (fields, field) in wrong {
        let mut body = json!({ "project": prepared.project, "name": "n" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        prepared.user.post("destination/", body).await.expect(400).fault(field);
    }
    let elsewhere = json!({ "project": sibling.project, "name": "n", "model": model });
    prepared.user.post("destination/", elsewhere).await.expect(400).fault("model");
    let theirs = json!({ "project": prepared.project, "name": "n", "model": model });
    foreign.post("destination/", theirs).await.expect(400).fault("project");
    let nightly = destination(&prepared, json!({ "model": model, "cutoff": 1000 })).await;
    let moved = json!({ "project": sibling.project });
    prepared.user.patch(&format!("destination/{nightly}/"), moved).await.expect(400).fault("project");
    for path in ["", "run/"] {
        let method = if path.is_empty() { reqwest::Method::GET } else { reqwest::Method::POST };
        foreign.call(method, &format!("destination/{nightly}/{path}"), None).await.expect(404);
    }
    // A model without a file has no lists.
    let body = json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
    let untrained = prepared.user.post("trained_model/", body).await.expect(201).id();
    let early = destination(&prepared, json!({ "model": untrained })).await;
    prepared.user.post(&format!("destination/{early}/run/"), json!({})).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_deliveries_go_with_their_project() {
    let app = TestApp::start_with_worker().await;
    let (prepared, model) = trained(&app, "ann", "TopPop").await;
    let nightly = destination(&prepared, json!({ "model": model })).await;
    delivered(&prepared.user, nightly).await;
    prepared.user.delete(&format!("project/{}/", prepared.project)).await.expect(204);
    assert_eq!(app.files().iter().filter(|key| key.starts_with("deliveries/")).count(), 0);
}
