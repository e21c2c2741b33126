//! Texts that the tests of Recotem 1.x check, as far as they are still true.

use reqwest::Method;
use reqwest::multipart::Form;
use serde_json::json;

use crate::support::TestApp;
use crate::support::prepared::prepare;

#[tokio::test(flavor = "multi_thread")]
async fn the_texts_that_tests_of_1x_look_at_stay() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("owner").await, "P", "TopPop").await;
    let user = &prepared.user;
    let model = prepared.train().await["id"].as_i64().expect("a model");

    let bare = Form::new().text("project", prepared.project.to_string());
    assert_eq!(user.send_form(Method::POST, "training_data/", bare).await.fault("file"), "file is required.");
    let preview = async |cutoff: &str| {
        let path = format!("trained_model/{model}/recommendation/?user_id=007&cutoff={cutoff}");
        user.get(&path).await.expect(400).body["detail"].clone()
    };
    assert_eq!(preview("invalid").await, "cutoff must be an integer.");
    assert_eq!(preview("0").await, "cutoff must be >= 1.");

    let path = format!("/inference/predict/{model}");
    let detail = async |key: Option<&str>, path: &str, status: u16| {
        let caller = key.map_or_else(|| app.anonymous(), |key| user.with_key(key));
        caller.post(path, json!({ "user_id": "007" })).await.expect(status).body["detail"].as_str().expect("a text").to_owned()
    };
    let (reader, program) = (prepared.key("reader", "read").await, prepared.key("program", "predict").await);
    assert!(detail(None, &path, 401).await.starts_with("X-API-Key header required"));
    assert!(detail(Some("wrong_prefix_abcdef"), &path, 401).await.starts_with("Invalid API key format"));
    assert!(detail(Some("rctm_12345678"), &path, 401).await.starts_with("Invalid API key."));
    assert_eq!(detail(Some(&reader), &path, 403).await, "API key does not have 'predict' scope");
    assert_eq!(detail(Some(&program), "/inference/predict/99999", 404).await, "Model 99999 not found");
    let nothing_deployed = format!("/inference/predict/project/{}", prepared.project);
    assert_eq!(detail(Some(&program), &nothing_deployed, 404).await, "No active deployment slots for project");

    user.delete(&format!("training_data/{}/unlink_file/", prepared.data)).await.expect(200);
    let again = json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
    assert!(user.post("trained_model/", again).await.fault("data_loc").contains("has been deleted"));
}
