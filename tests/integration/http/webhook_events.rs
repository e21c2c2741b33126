//! What happens in a project is recorded with the change itself, and not without it.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::prepared::{Prepared, prepare};
use crate::support::receiver::{Receiver, Reply};
use crate::support::slots;
use crate::support::told::allow_receivers;
use crate::support::{Jobs, TestApp};

/// Returns the recorded topics of a project, oldest first.
async fn topics(app: &TestApp, project: i64) -> Vec<String> {
    app.texts(&format!("SELECT topic AS text FROM outbox WHERE project_id = {project} ORDER BY id")).await
}

/// Returns what was recorded about a topic last.
async fn last(app: &TestApp, topic: &str) -> Value {
    let sql = format!("SELECT payload::text AS text FROM outbox WHERE topic = '{topic}' ORDER BY id DESC LIMIT 1");
    let text = app.texts(&sql).await.pop().unwrap_or_else(|| panic!("nothing was recorded about {topic}"));
    serde_json::from_str(&text).expect("JSON")
}

async fn with_worker() -> (TestApp, Prepared) {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("ann").await, "Shop", "TopPopRecommender").await;
    (app, prepared)
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_told_when_they_can_be_used() {
    let (app, prepared) = with_worker().await;
    assert_eq!(topics(&app, prepared.project).await, ["data.ready"]);
    let told = last(&app, "data.ready").await;
    assert_eq!((&told["training_data"], &told["rows"]), (&json!(prepared.data), &json!(7)));
    assert_eq!((&told["name"], &told["project"]), (&json!("data.csv"), &json!(prepared.project)));
    // A file that is refused leaves nothing behind.
    prepared.user.upload(prepared.project, "bad.csv", "a,b\n1,2\n").await.expect(400);
    assert_eq!(topics(&app, prepared.project).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_is_told_when_it_ends() {
    let (app, prepared) = with_worker().await;
    let model = prepared.train().await;
    assert_eq!(model["status"], "COMPLETED", "{model}");
    let told = last(&app, "model.trained").await;
    assert_eq!((&told["model"], &told["algorithm"]), (&model["id"], &json!("TopPopRecommender")));
    assert_eq!((&told["users"], &told["items"]), (&json!(4), &json!(4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_fails_is_told() {
    let app = TestApp::start_without_worker().await;
    let prepared = prepare(app.user("ann").await, "Shop", "TopPopRecommender").await;
    let body = json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
    let model = prepared.user.post("trained_model/", body).await.expect(201).id();
    // It has taken two workers with it.
    let lost = "UPDATE jobs SET state = 'running', attempt = 2, lost_workers = 1, lease_owner = 'dead', lease_until = 'epoch'";
    app.execute(lost).await;
    app.work();
    let failed = prepared.user.wait_for(&format!("trained_model/{model}/"), |model| model["status"] == "FAILED").await;
    assert_eq!(topics(&app, prepared.project).await, ["data.ready", "model.failed"]);
    let told = last(&app, "model.failed").await;
    assert_eq!((&told["model"], &told["error"]), (&json!(model), &failed["error"]));
}

/// Starts a search of one trial.
async fn search(prepared: &Prepared, heldout_ratio: f64) -> i64 {
    let split = json!({ "project": prepared.project, "heldout_ratio": heldout_ratio });
    let split = prepared.user.post("split_config/", split).await.expect(201).id();
    let evaluation = prepared.user.post("evaluation_config/", json!({ "project": prepared.project })).await.expect(201).id();
    let body = json!({ "data": prepared.data, "split": split, "evaluation": evaluation, "n_trials": 1,
        "tried_algorithms_json": ["TopPop"], "train_after_tuning": false });
    prepared.user.post("parameter_tuning_job/", body).await.expect(201).id()
}

/// Returns a search once it has ended.
async fn ended(prepared: &Prepared, job: i64) -> Value {
    let ended = |job: &Value| !matches!(job["status"].as_str(), Some("PENDING" | "RUNNING"));
    prepared.user.wait_for(&format!("parameter_tuning_job/{job}/"), ended).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_told_when_it_ends() {
    let (app, prepared) = with_worker().await;
    let job = search(&prepared, 0.5).await;
    let found = ended(&prepared, job).await;
    assert_eq!(found["status"], "COMPLETED", "{found}");
    let told = last(&app, "tuning.completed").await;
    assert_eq!((&told["tuning_job"], &told["best_score"]), (&json!(job), &found["best_score"]));
    // Nothing is held out of so few interactions.
    let job = search(&prepared, 0.1).await;
    let failed = ended(&prepared, job).await;
    assert_eq!(failed["status"], "FAILED", "{failed}");
    let told = last(&app, "tuning.failed").await;
    assert_eq!((&told["tuning_job"], &told["error"]), (&json!(job), &failed["error"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_cancelled_is_not_told() {
    let app = TestApp::start_without_worker().await;
    let prepared = prepare(app.user("ann").await, "Shop", "TopPopRecommender").await;
    let job = search(&prepared, 0.1).await;
    prepared.user.post(&format!("parameter_tuning_job/{job}/cancel/"), json!({})).await.expect(200);
    assert_eq!(topics(&app, prepared.project).await, ["data.ready"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_a_slot_is_told_and_none_that_is_refused() {
    let app = TestApp::start_without_worker().await;
    let (prepared, model) = slots::with_model(&app, "ann").await;
    let count = async || topics(&app, prepared.project).await.iter().filter(|topic| *topic == "slot.changed").count();
    let slot = slots::make(&prepared, model, json!({})).await.expect(201).id();
    assert_eq!(count().await, 1);
    let told = last(&app, "slot.changed").await;
    assert_eq!((&told["action"], &told["after"][0]["id"]), (&json!("created"), &json!(slot)));
    let path = format!("deployment_slot/{slot}/");
    prepared.user.patch(&path, json!({ "weight": 0 })).await.expect(400);
    assert_eq!(count().await, 1, "the change was refused");
    prepared.user.patch(&path, json!({ "weight": 50 })).await.expect(200);
    assert_eq!(count().await, 2);
    let change = prepared.user.get("slot_change/").await.body["results"][0]["id"].as_i64().expect("a change");
    prepared.user.post(&format!("slot_change/{change}/revert/"), json!({})).await.expect(200);
    assert_eq!((count().await, &last(&app, "slot.changed").await["action"]), (3, &json!("reverted")));
    prepared.user.delete(&path).await.expect(204);
    assert_eq!((count().await, &last(&app, "slot.changed").await["action"]), (4, &json!("deleted")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_told_when_it_becomes_significant_and_when_it_ends() {
    let app = TestApp::start_without_worker().await;
    let (prepared, model) = slots::with_model(&app, "ann").await;
    let control = slots::make(&prepared, model, json!({ "name": "A" })).await.expect(201).id();
    let variant = slots::make(&prepared, model, json!({ "name": "B" })).await.expect(201).id();
    let body = json!({ "project": prepared.project, "name": "t", "control_slot": control, "variant_slot": variant });
    let test = prepared.user.post("ab_test/", body).await.expect(201).id();
    prepared.user.post(&format!("ab_test/{test}/start/"), json!({})).await.expect(200);
    let watch = async || recotem::features::ab_tests::watch(&app.services).await.expect("a look");
    let of_tests = async || {
        let mut topics = topics(&app, prepared.project).await;
        topics.retain(|topic| topic.starts_with("ab_test."));
        topics
    };
    watch().await;
    assert!(of_tests().await.is_empty());
    app.services.clock.advance(TimeDelta::minutes(1));
    let events = |slot: i64, kind: &str, count: i64| {
        format!(
            "INSERT INTO conversion_events (project_id, deployment_slot_id, user_id, item_id, event_type, timestamp)
             SELECT {}, {slot}, 'u' || n, 'x', '{kind}', program_now() FROM generate_series(1, {count}) AS n;",
            prepared.project
        )
    };
    for (slot, clicks) in [(control, 50), (variant, 500)] {
        app.execute(&(events(slot, "impression", 2_000) + &events(slot, "click", clicks))).await;
    }
    watch().await;
    watch().await;
    assert_eq!(of_tests().await, ["ab_test.significant"], "it is told once");
    assert_eq!(last(&app, "ab_test.significant").await["variant_slot"], variant);
    prepared.user.post(&format!("ab_test/{test}/stop/"), json!({})).await.expect(200);
    prepared.user.post(&format!("ab_test/{test}/stop/"), json!({})).await.expect(400);
    assert_eq!(of_tests().await, ["ab_test.significant", "ab_test.ended"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retraining_is_told_when_it_ends() {
    let (app, prepared) = with_worker().await;
    let body = json!({ "project": prepared.project, "training_data": prepared.data,
        "model_configuration": prepared.configuration, "is_enabled": true });
    let schedule = prepared.user.post("retraining_schedule/", body).await.expect(201).id();
    prepared.user.post(&format!("retraining_schedule/{schedule}/trigger/"), json!({})).await.expect(202);
    app.idle().await;
    let told = last(&app, "retraining.completed").await;
    assert_eq!(told["retraining_schedule"], schedule);
    assert!(told["model"].is_i64(), "{told}");
    let nothing = json!({ "model_configuration": null });
    prepared.user.patch(&format!("retraining_schedule/{schedule}/"), nothing).await.expect(200);
    prepared.user.post(&format!("retraining_schedule/{schedule}/trigger/"), json!({})).await.expect(202);
    app.idle().await;
    let told = last(&app, "retraining.skipped").await;
    assert!(told["reason"].as_str().is_some_and(|reason| reason.starts_with("There is nothing to train")), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_change_to_a_receiver_in_a_running_program() {
    let app = TestApp::start_with(Jobs::Run, |settings| {
        allow_receivers(settings);
        settings.public_url = Some("https://recotem.example".to_owned());
    })
    .await;
    let prepared = prepare(app.user("ann").await, "Shop", "TopPopRecommender").await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let body = json!({ "project": prepared.project, "url": receiver.url(), "topics": ["model.trained"] });
    prepared.user.post("webhook_endpoint/", body).await.expect(201);
    let stop = tokio_util::sync::CancellationToken::new();
    let scheduling = tokio::spawn(recotem::app::roles::schedule(app.services.clone(), stop.clone()));
    let model = prepared.train().await["id"].clone();
    app.soon("the receiver is told", async || receiver.received().len() == 1).await;
    let data = receiver.received()[0].body()["data"].clone();
    assert_eq!(data["model"], model);
    assert_eq!(data["link"], format!("https://recotem.example/projects/{}/models/{model}", prepared.project));
    app.idle().await;
    stop.cancel();
    scheduling.await.expect("it ends");
}
