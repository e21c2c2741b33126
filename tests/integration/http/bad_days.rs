//! Invalid requests, and a server in trouble: it continues to answer from memory, loses nothing silently, and never answers with
//! a 500.

use chrono::TimeDelta;
use reqwest::{Method, multipart};
use serde_json::{Value, json};

use crate::support::prepared::{Prepared, prepare};
use crate::support::slots;
use crate::support::{Caller, FrozenNetwork, TestApp};

/// A project with a deployed model, item metadata, and a program with its key.
struct Stage {
    prepared: Prepared,
    program: Caller,
    model: i64,
    slot: i64,
    path: String,
    by_slot: String,
}

impl Stage {
    async fn open(app: &TestApp) -> Self {
        let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
        let model = prepared.train().await["id"].as_i64().expect("a model");
        let slot = slots::make(&prepared, model, json!({ "name": "main" })).await.expect(201).id();
        let part = multipart::Part::bytes("item,price\nx,1\n007,2\n".as_bytes()).file_name("items.csv");
        let form = multipart::Form::new().part("file", part).text("project", prepared.project.to_string());
        prepared.user.send_form(Method::POST, "item_meta_data/", form).await.expect(201);
        let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
        let (path, by_slot) = (format!("/inference/predict/{model}"), format!("/inference/predict/project/{}", prepared.project));
        let stage = Self { prepared, program, model, slot, path, by_slot };
        app.soon("the model answers", async || stage.status(&stage.by_slot).await == 200).await;
        let filtered = json!({ "user_id": "007", "filter": { "field": "price", "op": "eq", "value": 3 } });
        app.soon("items can be filtered", async || stage.program.post(&stage.path, filtered.clone()).await.status == 200).await;
        stage
    }

    /// Returns the status of a good request.
    async fn status(&self, path: &str) -> u16 {
        self.program.post(path, json!({ "user_id": "007" })).await.status.as_u16()
    }

    fn event(&self) -> Value {
        json!({ "project": self.prepared.project, "deployment_slot": self.slot, "user_id": "007", "event_type": "click" })
    }
}

/// Expected content of a response: a pointer into it, and the value there.
type Holds = (&'static str, Value);

/// Returns bodies, the path below which they are sent, their status and the content of the response.
fn bodies() -> Vec<(Value, &'static str, u16, Holds)> {
    let filter = |field: &str| json!({ "user_id": "007", "filter": { "field": field, "op": "eq", "value": 3 } });
    let fault = |kind: &str| ("/detail/0/type", json!(kind));
    vec![
        (json!({ "user_id": "007", "cutoff": 0 }), "", 422, fault("greater_than_equal")),
        (json!({ "user_id": "007", "cutoff": -1 }), "", 422, fault("greater_than_equal")),
        (json!({ "user_id": "007", "cutoff": 1_000_000_000 }), "", 422, fault("less_than_equal")),
        (json!({ "user_ids": ["007"], "cutoff": 1_000_000_000 }), "/batch", 422, fault("less_than_equal")),
        (json!({ "user_id": "007", "cutoff": 1e300 }), "", 422, fault("less_than_equal")),
        (json!({ "user_id": "007", "cutoff": 1000 }), "", 200, ("/strategy", json!("personal"))),
        (json!({ "user_ids": [] }), "/batch", 200, ("/results", json!([]))),
        (json!({ "user_ids": vec!["007"; 100] }), "/batch", 200, ("/results/99/strategy", json!("personal"))),
        (json!({ "user_ids": vec!["007"; 101] }), "/batch", 400, ("/detail", json!("Maximum 100 users per batch"))),
        (json!({ "user_ids": [null] }), "/batch", 422, fault("string_type")),
        (filter("no such field"), "", 422, fault("unknown_field")),
        (filter("price"), "", 200, ("/items", json!([]))),
        (json!({ "user_id": "x".repeat(10 << 10) }), "", 200, ("/strategy", json!("popular"))),
        (json!({ "user_id": "" }), "", 200, ("/strategy", json!("popular"))),
        (json!({ "user_id": "\u{0}\u{202e}" }), "", 200, ("/strategy", json!("popular"))),
        (json!({ "user_id": "007", "more": "x".repeat(1_000_000) }), "", 200, ("/strategy", json!("personal"))),
        (json!({ "user_id": "007", "more": "x".repeat(1 << 20) }), "", 413, ("/detail", json!("Payload Too Large."))),
        (json!({ "user_id": "007", "interactions": vec!["x"; 10_001] }), "", 422, fault("too_long")),
        (json!({ "user_id": "007", "allow": [] }), "", 200, ("/items", json!([]))),
        (json!(["007"]), "", 422, fault("model_attributes_type")),
        (json!("007"), "", 422, fault("model_attributes_type")),
        (json!(7), "", 422, fault("model_attributes_type")),
        (Value::Null, "", 422, fault("missing")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_has_an_answer_that_says_what_to_do() {
    let app = TestApp::start_with_worker().await;
    let stage = Stage::open(&app).await;
    for (body, below, status, (pointer, held)) in bodies() {
        let answer = stage.program.post(&format!("{}{below}", stage.path), body.clone()).await;
        let sent: String = body.to_string().chars().take(80).collect();
        assert_eq!(answer.status.as_u16(), status, "{sent}: {}", answer.body);
        assert_eq!(answer.body.pointer(pointer), Some(&held), "{sent}: {}", answer.body);
    }
    for (kind, bytes) in [
        ("application/x-www-form-urlencoded", b"user_id=007".as_slice()),
        ("text/plain", b"{\"user_id\": \"007\"}"),
        ("application/json", b"{\"user_id\": \"\xff\xfe\"}"),
        ("application/json", b"{\"user_id\": "),
        ("application/json", b""),
    ] {
        let answer = stage.program.raw(Method::POST, &stage.path, &[("content-type", kind)], bytes).await;
        assert_eq!(answer.status.as_u16(), 422, "{kind} {bytes:?}: {}", answer.body);
        assert!(answer.body["detail"][0]["msg"].is_string(), "{}", answer.body);
    }
    let stranger = prepare(stage.prepared.user.clone(), "Q", "TopPop").await;
    let stranger = app.anonymous().with_key(&stranger.key("stranger", "predict").await);
    for path in [&stage.path, &stage.by_slot] {
        stranger.post(path, json!({ "user_id": "007" })).await.expect(403);
    }
    assert_eq!(stage.status(&stage.path).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_deleted_while_it_answers_is_missed_by_nobody_else() {
    let app = TestApp::start_with_worker().await;
    let stage = Stage::open(&app).await;
    let other = stage.prepared.train().await["id"].as_i64().expect("a model");
    let by_id = format!("/inference/predict/{other}");
    assert_eq!(stage.status(&by_id).await, 200);
    let asking = async {
        let mut heard = Vec::new();
        while heard.last() != Some(&404) {
            heard.push(stage.status(&by_id).await);
            assert_eq!(stage.status(&stage.by_slot).await, 200);
        }
        heard
    };
    let deleting = async { stage.prepared.user.delete(&format!("trained_model/{other}/")).await.expect(204) };
    let (heard, _) = tokio::join!(asking, deleting);
    assert!(heard.iter().all(|status| matches!(status, 200 | 404)), "{heard:?}");
    let loaded = app.anonymous().get("/inference/models").await.expect(200).body;
    assert_eq!(loaded["models"], json!([stage.model]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_file_store_what_is_in_memory_goes_on() {
    let app = TestApp::start_with_worker().await;
    let stage = Stage::open(&app).await;
    let files = app.services.settings.data_dir.join("files");
    std::fs::rename(&files, files.with_extension("gone")).expect("a folder");
    for path in [&stage.path, &stage.by_slot] {
        assert_eq!(stage.status(path).await, 200);
    }
    let refused = stage.prepared.user.upload(stage.prepared.project, "a.csv", "user,item\n1,2\n").await.expect(503);
    assert_eq!(refused.body["code"], "temporarily_unavailable", "{}", refused.body);
    std::fs::rename(files.with_extension("gone"), &files).expect("a folder");
    stage.prepared.user.upload(stage.prepared.project, "a.csv", "user,item\n1,2\n").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_predictions_go_on_and_events_are_refused_in_words() {
    let app = TestApp::start_with_worker().await;
    let stage = Stage::open(&app).await;
    assert_eq!(stage.status(&stage.path).await, 200);
    // A change just before is no reason to forget the owner of a key.
    let rename = format!("UPDATE deployment_slots SET name = 'renamed' WHERE id = {}", stage.slot);
    app.execute(&rename).await;
    let renamed = async || stage.program.post(&stage.by_slot, json!({ "user_id": "007" })).await.body["slot_name"] == "renamed";
    app.soon("the change is known", renamed).await;
    app.execute(&rename).await;
    app.database().vanish().await;
    for _ in 0..3 {
        assert_eq!((stage.status(&stage.path).await, stage.status(&stage.by_slot).await), (200, 200));
        for (path, body) in
            [("conversion_event/", stage.event()), ("conversion_event/batch/", json!({ "events": [stage.event()] }))]
        {
            let refused = stage.program.post(path, body).await.expect(503);
            assert_eq!(refused.body["code"], "temporarily_unavailable");
            assert!(!refused.header("retry-after").is_empty());
        }
    }
    app.database().come_back().await;
    let accepted = async || stage.program.post("conversion_event/", stage.event()).await.status.as_u16() == 201;
    app.soon("events are accepted again", accepted).await;
    // Refused events were not stored: those answered with 201 are all there are.
    assert_eq!(app.count("SELECT count(*) AS count FROM conversion_events").await, 1);
    assert_eq!((stage.status(&stage.path).await, stage.status(&stage.by_slot).await), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_hangs_clicks_that_are_known_count_and_later_ones_do_when_it_answers_again() {
    let app = TestApp::start_with_worker().await;
    let stage = Stage::open(&app).await;
    let network = FrozenNetwork::before(&app.services.db);
    let replica = app.replica(|services| services.db = network.database.clone().with_clock(services.clock.clone()));
    let program = replica.with_key(&stage.prepared.key("replica", "predict").await);
    let strategy = async |user: &str| program.post(&stage.path, json!({ "user_id": user })).await.body["strategy"].clone();
    let click = async |user: &str| {
        let event = json!({ "project": stage.prepared.project, "deployment_slot": stage.slot, "user_id": user, "item_id": "x",
            "event_type": "click" });
        stage.program.post("conversion_event/", event).await.expect(201);
    };
    assert_eq!(strategy("early").await, "popular");
    click("early").await;
    app.soon("the click is known", async || strategy("early").await == "fold_in").await;
    network.freeze();
    click("late").await;
    for _ in 0..3 {
        assert_eq!((strategy("early").await, strategy("late").await), (json!("fold_in"), json!("popular")));
    }
    network.thaw();
    app.soon("later clicks are known", async || strategy("late").await == "fold_in").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_stops_nobody() {
    let app = TestApp::start_with_worker().await;
    let stage = Stage::open(&app).await;
    for jump in [TimeDelta::days(3_650), TimeDelta::days(-7_300), TimeDelta::days(3_650), TimeDelta::seconds(-1)] {
        app.services.clock.advance(jump);
        assert_eq!((stage.status(&stage.path).await, stage.status(&stage.by_slot).await), (200, 200), "{jump}");
    }
    stage.program.post("conversion_event/", stage.event()).await.expect(201);
}
