//! A disk that is nearly full: operations that would fill it are refused with a message.

use std::sync::Arc;

use recotem::app::roles;
use recotem::features::recommendation_log::{LoggedList, Recorder};
use recotem::platform::config::Settings;
use recotem::platform::services::Services;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::events::{Stage, stage_with};
use crate::support::prepared::prepare;
use crate::support::{Answer, PASSWORD, TestApp, slots};

/// Makes any disk have less free space than its reserve.
fn fill_disk(services: &mut Services) {
    services.settings = Arc::new(Settings { min_free_disk_bytes: u64::MAX, ..Settings::clone(&services.settings) });
}

#[track_caller]
fn assert_disk_full(answer: Answer) {
    let refused = answer.expect(507);
    assert_eq!(refused.body["code"], "disk_full");
    assert!(refused.body["detail"].as_str().unwrap().contains("min_free_disk_bytes"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_refused_while_less_of_the_disk_is_free_than_its_reserve() {
    let app = TestApp::start_without_worker().await;
    let user = app.user("margarete").await;
    let project = json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" });
    let project = user.post("project/", project).await.expect(201).id();
    let full = app.replica(fill_disk).with_token(user.token());
    assert_disk_full(full.upload(project, "data.csv", "user_id,item_id\na,1\n").await);
    assert_eq!(app.files(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_refused_while_the_disk_is_nearly_full_and_the_rest_goes_on() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let model = prepared.train().await["id"].as_i64().expect("a model");
    let program = app.replica(fill_disk).with_key(&prepared.key("program", "predict").await);
    let other = json!({ "name": "Q", "user_column": "u", "item_column": "i" });
    let removed = prepared.user.post("project/", other.clone()).await.expect(201).id();

    let log_in = json!({ "username": "margarete", "password": PASSWORD });
    let logged_in = program.post("auth/login/", log_in).await.expect(200).body;
    let user = program.with_token(logged_in["access"].as_str().expect("a token"));
    let project = format!("project/{}/", prepared.project);
    let whole = json!({ "name": "R", "user_column": "user", "item_column": "item" });
    let configuration = json!({ "project": prepared.project, "recommender_class_name": "TopPopRecommender" });
    let training = json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
    assert_disk_full(user.patch(&project, json!({ "name": "R" })).await);
    assert_disk_full(user.put(&project, whole).await);
    assert_disk_full(user.post("project/", other).await);
    assert_disk_full(user.post("model_configuration/", configuration).await);
    assert_disk_full(user.post("trained_model/", training).await);
    assert_disk_full(user.post("organisation/", json!({ "name": "Team" })).await);
    // Other spellings of an address are the same operation.
    assert_disk_full(user.patch(&format!("/api/project/{}.json", prepared.project), json!({ "name": "R" })).await);

    assert_eq!(user.get(&project).await.expect(200).body["name"], "P");
    let profile = json!({ "item_ids": ["x"], "cutoff": 1 });
    user.post(&format!("trained_model/{model}/recommend_using_profile_interaction/"), profile).await.expect(200);
    let predict = async || program.post(&format!("/inference/predict/{model}"), json!({ "user_id": "007" })).await.status == 200;
    app.soon("predictions go on", predict).await;
    user.post("auth/token/refresh/", json!({ "refresh": "no token" })).await.expect(401);
    user.delete(&format!("project/{removed}/")).await.expect(204);
    user.post("auth/logout/", json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_says_that_the_disk_is_full_instead_of_filling_it() {
    let app = TestApp::start_without_worker().await;
    slots::with_waiting_model(&app, "margarete").await;
    let mut services = app.services.clone();
    fill_disk(&mut services);
    let stop = CancellationToken::new();
    tokio::spawn(roles::work(services, stop.clone()));
    let refused = "SELECT count(*) FROM jobs WHERE last_error LIKE '%min_free_disk_bytes%'";
    app.soon("the training is put off", async || app.count(refused).await == 1).await;
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_to_be_reported_again_later_while_the_disk_is_nearly_full() {
    let stage = stage_with(|_| {}).await;
    let full = stage.app.replica(fill_disk).with_key(stage.program.key());
    stage.program.post("conversion_event/", stage.event(json!({}))).await.expect(201);
    for (path, body) in [
        ("conversion_event/", stage.event(json!({}))),
        ("conversion_event/batch/", json!({ "events": [stage.event(json!({}))] })),
    ] {
        let refused = full.post(path, body).await.expect(503);
        assert_eq!(refused.body["code"], "temporarily_unavailable", "{path}");
        assert_eq!(refused.header("retry-after"), "60", "{path}");
        assert!(refused.body["detail"].as_str().unwrap().contains("disk space"), "{}", refused.body);
    }
    full.post("conversion_event/", stage.event(json!({ "event_type": "sale" }))).await.expect(400);
    assert_eq!(full.get("conversion_event/").await.expect(200).body["count"], 1, "what was acknowledged is there");
}

fn list_of(stage: &Stage) -> LoggedList {
    LoggedList {
        request_id: Uuid::from_u128(1),
        project_id: stage.prepared.project,
        deployment_slot_id: stage.slot,
        trained_model_id: stage.model,
        is_shadow: false,
        user_id: None,
        items: vec!["desk".to_owned()],
        strategy: Some("popular"),
        propensity: Some(1.0),
        item_propensities: None,
        timestamp: stage.app.services.clock.now(),
        plain_cutoff: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_not_logged_while_the_disk_is_nearly_full() {
    let stage = stage_with(|_| {}).await;
    let mut full = stage.app.services.clone();
    fill_disk(&mut full);
    for (services, logged) in [(&full, 0), (&stage.app.services, 1)] {
        let recorder = Recorder::start(services);
        recorder.record(vec![list_of(&stage)]);
        recorder.finish().await;
        assert_eq!(stage.app.count("SELECT count(*) FROM recommendation_log").await, logged);
    }
}
