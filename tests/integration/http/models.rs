//! Trained models.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::prepared::{Prepared, prepare};

/// Encodes a caller's text as a part of a query.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn trained(app: &TestApp, algorithm: &str) -> (Prepared, Value, String) {
    let prepared = prepare(app.user("margarete").await, "P", algorithm).await;
    let model = prepared.train().await;
    assert_eq!(model["status"], "COMPLETED", "{model}");
    let path = format!("trained_model/{}/", model["id"]);
    (prepared, model, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_tells_what_it_was_made_of_and_how_its_training_went() {
    let app = TestApp::start_with_worker().await;
    let (prepared, model, path) = trained(&app, "TopPop").await;
    assert_eq!(model["configuration"], prepared.configuration);
    assert_eq!(model["data_loc"], prepared.data);
    assert_eq!(model["name"], "by hand");
    assert_eq!(model["recommender_class_name"], "TopPopRecommender");
    assert_eq!((&model["n_users"], &model["n_items"]), (&json!(4), &json!(4)));
    assert_eq!(model["basename"], format!("model-{}.safetensors", model["id"]));
    assert_eq!(model["lineage"]["algorithm"], "TopPopRecommender");
    assert_eq!(model["lineage"]["n_interactions"], 7);
    assert_eq!(model["lineage"]["data_sha256"].as_str().unwrap().len(), 64);
    assert!(model["error"].is_null() && model["metrics"].is_null());
    let done = |model: &Value| model["task_links"][0]["task"]["status"] == "SUCCESS";
    prepared.user.wait_for(&path, done).await;
    let lines = prepared.user.get(&format!("task_log/?model_id={}", model["id"])).await.expect(200).body;
    assert_eq!(lines["count"], 2, "{lines}");

    let file = prepared.user.get(model["file"].as_str().unwrap()).await.expect(200);
    assert_eq!(file.bytes.len() as i64, model["filesize"].as_i64().unwrap());
    assert!(file.headers["content-disposition"].to_str().unwrap().contains(".safetensors"));
    assert!(app.services.blobs.read(&format!("models/{}.safetensors.sig", model["id"])).unwrap().starts_with(b"v1:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn previews_keep_ids_exact_and_leave_out_what_is_known() {
    let app = TestApp::start_with_worker().await;
    let (prepared, _, path) = trained(&app, "CosineKNN").await;
    let user = &prepared.user;
    for known in ["007", "Sigur Rós", "a/b c"] {
        let list = user.get(&format!("{path}recommendation/?user_id={}&cutoff=2", encoded(known))).await.expect(200).body;
        let list = list.as_array().unwrap();
        assert_eq!(list.len(), 2, "{known}");
        assert!(list.iter().all(|entry| entry["item_id"] != "x" && entry["score"].is_number()), "{list:?}");
    }
    user.get(&format!("{path}recommendation/?user_id=07")).await.expect(404);
    user.get(&format!("{path}recommendation/?user_id=007&cutoff=1000")).await.expect(200);
    let wrong = ["", "?user_id=", "?user_id=007&cutoff=0", "?user_id=007&cutoff=-1", "?user_id=007&cutoff=x"];
    for wrong in wrong.into_iter().chain(["?user_id=007&cutoff=1001", "?user_id=007&cutoff=9223372036854775807"]) {
        assert!(user.get(&format!("{path}recommendation/{wrong}")).await.expect(400).body["detail"].is_string(), "{wrong}");
    }
    let similar = user.get(&format!("{path}similar/?item_id={}&cutoff=1", encoded("a/b c"))).await.expect(200).body;
    assert_eq!(similar[0]["item_id"], "x");
    user.get(&format!("{path}similar/?item_id=X")).await.expect(404);
    user.get(&format!("{path}similar/?item_id=x&cutoff=0")).await.expect(400);
    let refused = user.get(&format!("{path}similar/?item_id=x&cutoff=1001")).await.expect(400).body;
    assert_eq!(refused["detail"], "cutoff must be <= 1000.");

    let profile = |items: Value, cutoff: i32| json!({ "item_ids": items, "cutoff": cutoff });
    let action = format!("{path}recommend_using_profile_interaction/");
    let list = user.post(&action, profile(json!(["Ágætis byrjun", "unheard of"]), 1)).await.expect(200).body;
    assert_eq!(list["recommendations"][0]["item_id"], "x");
    let list = user.post(&action, profile(json!([]), 1)).await.expect(200).body;
    assert_eq!(list["recommendations"][0]["item_id"], "x");
    for wrong in [0, 1_001] {
        assert!(user.post(&action, profile(json!(["x"]), wrong)).await.expect(400).body["cutoff"].is_array());
    }
    assert!(user.post(&action, json!({})).await.expect(400).body["item_ids"].is_array());
    let sample = user.get(&format!("{path}sample_recommendation_raw/")).await.expect(200).body;
    assert!(sample["user_profile"].as_array().unwrap().contains(&json!("x")), "{sample}");
    user.get(&format!("{path}sample_recommendation_metadata/1/")).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_or_uses_the_models_of_others() {
    let app = TestApp::start_with_worker().await;
    let (prepared, model, path) = trained(&app, "TopPop").await;
    let other = prepare(app.user("friedrich").await, "Q", "TopPop").await;
    for action in ["", "recommendation/?user_id=007", "sample_recommendation_raw/", "similar/?item_id=x", "download_file/"] {
        other.user.get(&format!("{path}{action}")).await.expect(404);
    }
    let profile = json!({ "item_ids": [], "cutoff": 1 });
    other.user.post(&format!("{path}recommend_using_profile_interaction/"), profile).await.expect(404);
    other.user.delete(&format!("{path}unlink_file/")).await.expect(404);
    other.user.delete(&path).await.expect(404);
    assert_eq!(other.user.get("trained_model/").await.body["count"], 0);
    let foreign = json!({ "configuration": other.configuration, "data_loc": prepared.data });
    assert!(other.user.post("trained_model/", foreign).await.expect(400).body["data_loc"].is_array());

    app.join("friedrich", "margarete", "viewer").await;
    other.user.get(&format!("{path}recommendation/?user_id=007")).await.expect(200);
    other.user.delete(&path).await.expect(403);
    let mixed = json!({ "configuration": other.configuration, "data_loc": prepared.data });
    other.user.post("trained_model/", mixed.clone()).await.expect(403);
    app.join("margarete", "friedrich", "editor").await;
    assert!(prepared.user.post("trained_model/", mixed).await.expect(400).body["configuration"].is_array());
    let filters =
        [("configuration", prepared.configuration), ("data_loc", prepared.data), ("data_loc__project", prepared.project)];
    for (name, id) in filters {
        let found = prepared.user.get(&format!("trained_model/?{name}={id}")).await.expect(200).body;
        assert_eq!(found["results"][0]["id"], model["id"], "{name}");
        assert_eq!(prepared.user.get(&format!("trained_model/?{name}=999")).await.expect(200).body["count"], 0);
        prepared.user.get(&format!("trained_model/?{name}=x")).await.expect(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_cannot_be_written_and_a_model_keeps_its_origin() {
    let app = TestApp::start_with_worker().await;
    let (prepared, model, path) = trained(&app, "TopPop").await;
    let user = &prepared.user;
    let outputs = json!({ "file": "/etc/passwd", "irspack_version": "9", "status": "FAILED", "filesize": 1 });
    let after = user.patch(&path, outputs).await.expect(200).body;
    for field in ["file", "irspack_version", "status", "filesize"] {
        assert_eq!(after[field], model[field], "{field}");
    }
    let same = json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
    user.call(Method::PUT, &path, Some(same)).await.expect(200);
    let fault = user.call(Method::PUT, &path, Some(json!({ "configuration": 999 }))).await.expect(400).body;
    assert!(fault["configuration"].is_array() && fault["data_loc"].is_array(), "{fault}");

    let bare = user.delete(&format!("{path}unlink_file/")).await.expect(200).body;
    assert!(bare["file"].is_null() && bare["basename"].is_null() && bare["filesize"].is_null());
    let gone = user.get(&format!("{path}download_file/")).await.expect(404).body;
    assert!(gone["detail"].is_array());
    assert_eq!(user.get(&format!("{path}recommendation/?user_id=007")).await.expect(409).body["code"], "model_file_removed");
    assert!(app.services.blobs.read(&format!("models/{}.safetensors", model["id"])).is_err());
    user.delete(&path).await.expect(204);
    user.get(&path).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_cannot_succeed_says_why() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    app.execute("UPDATE model_configurations SET parameters_json = '{\"depth\": 3}'").await;
    let model = prepared.train().await;
    assert_eq!(model["status"], "FAILED");
    assert!(model["error"].as_str().unwrap().contains("depth"), "{model}");
    assert!(model["file"].is_null());
    let path = format!("trained_model/{}/", model["id"]);
    let refused = prepared.user.get(&format!("{path}recommendation/?user_id=007")).await.expect(409).body;
    assert_eq!(refused["code"], "model_failed");
    prepared.user.wait_for(&path, |model| model["task_links"][0]["task"]["status"] == "FAILURE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_deleted_before_its_turn_is_never_trained() {
    let app = TestApp::start_without_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let body = json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
    let model = prepared.user.post("trained_model/", body).await.expect(201).body;
    assert_eq!((&model["status"], &model["file"]), (&json!("PENDING"), &Value::Null));
    assert_eq!(model["task_links"][0]["task"]["status"], "PENDING");
    let path = format!("trained_model/{}/", model["id"]);
    let refused = prepared.user.get(&format!("{path}recommendation/?user_id=007")).await.expect(409).body;
    assert_eq!(refused["code"], "model_not_ready");
    prepared.user.delete(&format!("{path}unlink_file/")).await.expect(409);
    prepared.user.delete(&path).await.expect(204);
}
