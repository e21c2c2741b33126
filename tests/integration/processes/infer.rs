//! The role `infer` as a process of its own: it answers predictions and nothing else, and continues without the database.

use serde_json::{Value, json};

use crate::support::prepared::{Prepared, prepare};
use crate::support::processes::Process;
use crate::support::{Caller, TestApp, slots};

/// A project that is deployed, and the paths of its predictions.
struct Shop {
    prepared: Prepared,
    key: String,
    paths: [String; 2],
}

impl Shop {
    async fn open(app: &TestApp) -> Self {
        let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
        let model = prepared.train().await["id"].as_i64().expect("a model");
        slots::make(&prepared, model, json!({ "name": "main" })).await.expect(201);
        let key = prepared.key("program", "predict").await;
        let paths = [format!("/inference/predict/{model}"), format!("/inference/predict/project/{}", prepared.project)];
        Self { prepared, key, paths }
    }
}

/// Starts a process in the role `infer` beside a server in this process, on the same data directory and database.
fn beside(app: &TestApp) -> (Process, Caller) {
    let services = &app.services;
    let (process, address) = Process::infer(&services.settings.data_dir, Some(services.db.url()));
    (process, Caller::at(&address))
}

/// Waits until the process has the deployed models in memory, and this number of keys.
async fn in_memory(infer: &Caller, keys: u64) {
    let known = |body: &Value| {
        body["status"] == "ready" && body["loaded_models"] == 1 && body["known_projects"] == 1 && body["known_keys"] == keys
    };
    infer.wait_for("/inference/ready", known).await;
}

/// Returns the items of the list for a user.
async fn list(program: &Caller, path: &str) -> Value {
    program.post(path, json!({ "user_id": "007", "cutoff": 2 })).await.expect(200).body["items"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_as_the_server_does_and_serves_nothing_else() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let (process, infer) = beside(&app);
    in_memory(&infer, 1).await;
    let (program, at_server) = (infer.with_key(&shop.key), app.anonymous().with_key(&shop.key));
    for path in &shop.paths {
        let answered = list(&program, path).await;
        assert_eq!(answered.as_array().map(Vec::len), Some(2), "{answered}");
        assert_eq!(answered, list(&at_server, path).await);
        infer.post(path, json!({ "user_id": "007" })).await.expect(401);
        infer.with_key("no key").post(path, json!({ "user_id": "007" })).await.expect(401);
    }
    for elsewhere in ["/", "/login", "/api/v1/project/", "/api/project/", "/api/schema/", "/api/v1/ping/", "/ws/model/1/logs/"] {
        assert_eq!(program.get(elsewhere).await.expect(404).body, json!({ "detail": "Not found." }), "{elsewhere}");
    }
    let log_in = json!({ "username": "margarete", "password": "a good long phrase" });
    infer.post("auth/login/", log_in).await.expect(404);
    program.post("conversion_event/", json!({ "project": shop.prepared.project })).await.expect(404);
    assert_eq!(process.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deployed_while_it_runs_is_answered_without_the_database() {
    let app = TestApp::start_with_worker().await;
    let (process, infer) = beside(&app);
    infer.wait_for("/inference/ready", |body| body["status"] == "ready").await;
    let shop = Shop::open(&app).await;
    in_memory(&infer, 1).await;
    app.idle().await;
    let revocation = format!("api_keys/{}/revoke/", app.count("SELECT id AS count FROM api_keys").await);
    app.database().vanish().await;
    let program = infer.with_key(&shop.key);
    for _ in 0..3 {
        for path in &shop.paths {
            assert!(list(&program, path).await[0]["item_id"].is_string());
        }
    }
    assert_eq!(infer.get("/inference/health").await.expect(200).body["status"], "healthy");
    app.database().come_back().await;
    // Changes are applied again.
    let revoked = async || shop.prepared.user.post(&revocation, json!({})).await.status.as_u16() == 200;
    app.soon("the key is revoked", revoked).await;
    let refused = async || program.post(&shop.paths[0], json!({ "user_id": "007" })).await.status.as_u16() == 401;
    app.soon("the revoked key is refused", refused).await;
    assert_eq!(process.stop().await, Some(0));
}
