//! Predictions while the database hangs or is gone, also after changes that came just before.

use std::time::Duration;

use serde_json::json;

use crate::support::prepared::{Prepared, prepare};
use crate::support::slots;
use crate::support::{Caller, FrozenNetwork, TestApp};

/// How long a program waits for a list before it shows none.
const PATIENCE: Duration = Duration::from_secs(5);

/// A shop with a model that serves, and the addresses of its requests.
struct Shop {
    prepared: Prepared,
    model: i64,
    slot: i64,
    paths: [String; 2],
}

impl Shop {
    /// Creates all of it while the server runs.
    async fn open(app: &TestApp) -> Self {
        let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
        let model = prepared.train().await["id"].as_i64().expect("a model");
        let slot = slots::make(&prepared, model, json!({ "name": "main" })).await.expect(201).id();
        let paths = [format!("/inference/predict/{model}"), format!("/inference/predict/project/{}", prepared.project)];
        Self { prepared, model, slot, paths }
    }

    /// Returns the statuses of the shop's requests; 0 for one that takes too long.
    async fn ask(&self, program: &Caller) -> Vec<u16> {
        let mut statuses = Vec::new();
        for path in &self.paths {
            let asked = program.post(path, json!({ "user_id": "007" }));
            statuses.push(tokio::time::timeout(PATIENCE, asked).await.map_or(0, |answer| answer.status.as_u16()));
        }
        statuses
    }
}

/// Waits until a process has `keys` keys, and the model and slots of one project, in memory.
async fn in_memory(app: &TestApp, process: &Caller, keys: u64) {
    let known = async || {
        let body = process.get("/inference/ready").await.body;
        body["status"] == "ready" && body["known_keys"] == keys && body["known_projects"] == 1 && body["loaded_models"] == 1
    };
    app.soon("what is deployed is in memory", known).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deployed_at_run_time_answers_without_the_database_before_its_first_request() {
    let app = TestApp::start_with_worker().await;
    in_memory_of_nothing(&app).await;
    let shop = Shop::open(&app).await;
    let unused = app.anonymous().with_key(&shop.prepared.key("unused", "predict").await);
    let reporter = app.anonymous().with_key(&shop.prepared.key("reporter", "predict").await);
    let event = json!({ "project": shop.prepared.project, "deployment_slot": shop.slot, "user_id": "1", "event_type": "click" });
    reporter.post("conversion_event/", event).await.expect(201);
    in_memory(&app, &app.anonymous(), 2).await;
    app.database().vanish().await;
    for program in [&unused, &reporter] {
        assert_eq!(shop.ask(program).await, [200, 200]);
    }
    app.database().come_back().await;
}

async fn in_memory_of_nothing(app: &TestApp) {
    let ready = async || app.anonymous().get("/inference/ready").await.status.as_u16() == 200;
    app.soon("the server is ready", ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deployed_before_the_start_answers_without_the_database_too() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let key = shop.prepared.key("program", "predict").await;
    let replica = app.replica(|_| {});
    in_memory(&app, &replica, 1).await;
    app.database().vanish().await;
    assert_eq!(shop.ask(&replica.with_key(&key)).await, [200, 200]);
    app.database().come_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn predictions_go_on_while_the_database_hangs_and_slots_models_and_keys_change() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let key = shop.prepared.key("program", "predict").await;
    let network = FrozenNetwork::before(&app.services.db);
    let replica = app.replica(|services| services.db = network.database.clone().with_clock(services.clock.clone()));
    in_memory(&app, &replica, 1).await;
    let program = replica.with_key(&key);
    network.freeze();
    for (number, change) in [
        format!("UPDATE deployment_slots SET name = 'renamed' WHERE id = {}", shop.slot),
        format!("UPDATE trained_models SET status = status WHERE id = {}", shop.model),
        "UPDATE projects SET unknown_user = 'not_found'".to_owned(),
        "UPDATE memberships SET role = 'admin'".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        app.execute(change).await;
        // A training that ends meanwhile takes long enough for the change to be announced.
        assert_eq!(shop.prepared.train().await["status"], "COMPLETED");
        for _ in 0..5 {
            assert_eq!(shop.ask(&program).await, [200, 200], "{number}: {change}");
        }
    }
    // Revoking access does not wait for the database to confirm it.
    let revoked = app.count("SELECT id AS count FROM api_keys").await;
    shop.prepared.user.post(&format!("api_keys/{revoked}/revoke/"), json!({})).await.expect(200);
    app.soon("a revoked key stops", async || shop.ask(&program).await == [503, 503]).await;
    network.thaw();
    app.soon("it is known to be revoked", async || shop.ask(&program).await == [401, 401]).await;
    let fresh = replica.with_key(&shop.prepared.key("fresh", "predict").await);
    let renamed = async || {
        let answer = fresh.post(&shop.paths[1], json!({ "user_id": "007" })).await.body;
        answer["slot_name"] == "renamed"
    };
    app.soon("what changed meanwhile is followed", renamed).await;
}
