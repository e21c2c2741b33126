//! Predictions for programs.

use std::io::{Seek, SeekFrom, Write};

use serde_json::json;

use crate::support::prepared::{Prepared, prepare};
use crate::support::{Caller, Jobs, TestApp};

async fn trained(app: &TestApp) -> (Prepared, i64) {
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let model = prepared.train().await;
    assert_eq!(model["status"], "COMPLETED", "{model}");
    (prepared, model["id"].as_i64().unwrap())
}

async fn program(app: &TestApp, prepared: &Prepared) -> Caller {
    app.anonymous().with_key(&prepared.key("program", "predict").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_predictions_with_exact_ids() {
    let app = TestApp::start_with_worker().await;
    let (prepared, model) = trained(&app).await;
    let program = program(&app, &prepared).await;
    let path = format!("/inference/predict/{model}");
    for (user, seen) in [("007", "a/b c"), ("Sigur Rós", "Ágætis byrjun"), ("a/b c", "007")] {
        let body = program.post(&path, json!({ "user_id": user, "cutoff": "2" })).await.expect(200).body;
        assert_eq!(body["model_id"], model);
        assert!(body["request_id"].as_str().unwrap().parse::<uuid::Uuid>().is_ok());
        let items = body["items"].as_array().unwrap();
        assert_eq!(items.len(), 2, "{body}");
        assert!(items.iter().all(|item| item["item_id"] != "x" && item["item_id"] != seen && item["score"].is_f64()), "{body}");
    }
    app.not_found_for_unknown_users(prepared.project).await;
    let refused = async || program.post(&path, json!({ "user_id": "07" })).await.status.as_u16() == 404;
    app.soon("an unknown user is told so", refused).await;
    let batch = json!({ "user_ids": ["007", "nobody", "Sigur Rós"], "cutoff": 1, "more": true });
    let results = program.post(&format!("{path}/batch"), batch).await.expect(200).body["results"].clone();
    assert_eq!(results.as_array().unwrap().len(), 3);
    assert_eq!((results[0]["items"].as_array().unwrap().len(), &results[1]["items"]), (1, &json!([])));

    let anonymous = app.anonymous();
    assert_eq!(anonymous.get("/inference/health").await.expect(200).body, json!({ "status": "healthy", "loaded_models": 1 }));
    assert_eq!(anonymous.get("/inference/models").await.expect(200).body, json!({ "models": [model], "count": 1 }));
    let moved = program.post(&format!("{path}/"), json!({ "user_id": "007" })).await.expect(307);
    assert_eq!(moved.headers["location"], path.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_come_in_the_order_clients_rely_on() {
    let app = TestApp::start_with_worker().await;
    let (prepared, model) = trained(&app).await;
    let (program, anonymous) = (program(&app, &prepared).await, app.anonymous());
    let reader = anonymous.with_key(&prepared.key("reader", "read").await);
    let path = format!("/inference/predict/{model}");
    let good = json!({ "user_id": "007" });
    let unparsable = async |caller: &Caller| {
        let json = [("content-type", "application/json")];
        caller.raw(reqwest::Method::POST, &path, &json, "{\"user_id\":").await
    };
    let fault = unparsable(&program).await.expect(422).body;
    assert_eq!((&fault["detail"][0]["type"], &fault["detail"][0]["loc"][0]), (&json!("json_invalid"), &json!("body")));
    // The body is not read for a caller without a valid key.
    unparsable(&anonymous).await.expect(401);
    unparsable(&anonymous.with_key("rctm_wrong")).await.expect(401);
    unparsable(&reader).await.expect(403);

    anonymous.post(&path, json!({})).await.expect(401);
    anonymous.with_key("rctm_wrong").post(&path, json!({})).await.expect(401);
    anonymous.with_key("something else").post(&path, good.clone()).await.expect(401);
    prepared.user.post(&path, good.clone()).await.expect(401);
    reader.post(&path, json!({})).await.expect(403);

    let fault = program.post("/inference/predict/x", json!({ "user_id": 7, "cutoff": 1001 })).await.expect(422).body;
    let kinds: Vec<&str> = fault["detail"].as_array().unwrap().iter().map(|fault| fault["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["int_parsing", "string_type", "less_than_equal"]);
    assert_eq!(fault["detail"][0]["loc"], json!(["path", "model_id"]));
    for wrong in [json!(0), json!(-3), json!(1.5), json!("many")] {
        program.post(&path, json!({ "user_id": "007", "cutoff": wrong })).await.expect(422);
    }
    let many = json!({ "user_ids": vec!["007"; 101] });
    assert!(program.post("/inference/predict/999/batch", many).await.expect(400).body["detail"].is_string());
    program.post(&format!("{path}/batch"), json!({ "user_ids": "007" })).await.expect(422);
    program.post("/inference/predict/999", good).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_reaches_only_the_models_of_its_project() {
    let app = TestApp::start_with_worker().await;
    let (prepared, model) = trained(&app).await;
    let path = format!("/inference/predict/{model}");
    let sibling = prepare(prepared.user.clone(), "Q", "TopPop").await;
    let stranger = prepare(app.user("friedrich").await, "R", "TopPop").await;
    for other in [&sibling, &stranger] {
        let program = program(&app, other).await;
        program.post(&path, json!({ "user_id": "007" })).await.expect(403);
        program.post(&format!("{path}/batch"), json!({ "user_ids": ["007"] })).await.expect(403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_tampered_with_is_not_used() {
    let app = TestApp::start_with_worker().await;
    let (prepared, model) = trained(&app).await;
    let program = program(&app, &prepared).await;
    let path = format!("/inference/predict/{model}");
    let body = json!({ "user_id": "007" });
    let key = format!("models/{model}.safetensors");
    let whole = app.services.blobs.read(&key).unwrap();

    let mut file = std::fs::OpenOptions::new().write(true).open(app.services.blobs.path(&key).unwrap()).unwrap();
    file.seek(SeekFrom::End(-1)).unwrap();
    file.write_all(&[whole[whole.len() - 1] ^ 1]).unwrap();
    let answer = program.post(&path, body.clone()).await.expect(503).body;
    assert_eq!(answer["code"], "model_file_untrusted");
    app.services.blobs.write(&key, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(program.post(&path, body.clone()).await.expect(503).body["code"], "model_file_untrusted");
    app.services.blobs.remove(&key).unwrap();
    assert_eq!(program.post(&path, body.clone()).await.expect(503).body["code"], "model_file_missing");

    app.services.blobs.write(&key, &whole).unwrap();
    program.post(&path, body.clone()).await.expect(200);
    // The model in memory was valid and stays.
    app.services.blobs.write(&key, b"something else").unwrap();
    program.post(&path, body).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_has_an_allowance_for_each_path() {
    let limited = |settings: &mut recotem::platform::config::Settings| settings.throttle.inference.requests = 2;
    let app = TestApp::start_with(Jobs::Run, limited).await;
    let (prepared, model) = trained(&app).await;
    let (program, anonymous) = (program(&app, &prepared).await, app.anonymous());
    let path = format!("/inference/predict/{model}");
    let body = json!({ "user_id": "007" });
    for _ in 0..5 {
        anonymous.post(&path, body.clone()).await.expect(401);
    }
    program.post(&path, body.clone()).await.expect(200);
    program.post(&path, body.clone()).await.expect(200);
    assert!(program.post(&path, body.clone()).await.expect(429).body["error"].is_string());
    program.post(&format!("{path}/batch"), json!({ "user_ids": ["007"] })).await.expect(200);
    let other = app.anonymous().with_key(&prepared.key("other", "predict").await);
    other.post(&path, body).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_answers_longer_than_a_packet_are_compressed() {
    let app = TestApp::start_with_worker().await;
    let (prepared, model) = trained(&app).await;
    let program = program(&app, &prepared).await;
    let path = format!("/inference/predict/{model}");
    let headers = [("content-type", "application/json"), ("accept-encoding", "gzip")];
    let one = json!({ "user_id": "007" }).to_string();
    let short = program.raw(reqwest::Method::POST, &path, &headers, one).await.expect(200);
    assert_eq!((short.header("content-encoding"), &short.body["model_id"]), (String::new(), &json!(model)));
    let many = json!({ "user_ids": vec!["007"; 100] }).to_string();
    let long = program.raw(reqwest::Method::POST, &format!("{path}/batch"), &headers, many).await.expect(200);
    assert_eq!(long.header("content-encoding"), "gzip");
}
