//! Requests for expensive predictions: they are answered within limits, and delay no others.

use serde_json::{Value, json};

use crate::support::prepared::{Prepared, prepare};
use crate::support::{TestApp, many_weights};

#[tokio::test(flavor = "multi_thread")]
async fn a_body_full_of_faults_gets_a_short_answer() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let model = prepared.train().await["id"].as_i64().expect("a model");
    let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
    let wrong = vec![1; 100_000];
    for (path, body) in [
        (format!("/inference/predict/{model}/batch"), json!({ "user_ids": wrong })),
        (format!("/inference/next/{model}"), json!({ "session": wrong })),
        (format!("/inference/related/{model}"), json!({ "item_ids": wrong })),
        (format!("/inference/predict/{model}"), json!({ "user_id": "1", "allow": wrong, "cutoff": wrong })),
    ] {
        let answer = program.post(&path, body).await.expect(422);
        assert!(answer.bytes.len() < 100_000, "{path}: {} bytes", answer.bytes.len());
        assert!(answer.body["detail"].as_array().is_some_and(|faults| !faults.is_empty()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_beside_a_batch_has_a_bound() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let model = prepared.train().await["id"].as_i64().expect("a model");
    let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
    let path = format!("/inference/predict/{model}/batch");
    let listed = program.post(&path, json!({ "user_ids": ["stranger"] })).await.expect(200);
    let items = listed.body["results"][0]["items"].as_array().expect("items").clone();
    let rows: Vec<String> =
        items.iter().map(|item| format!("{},{}\n", item["item_id"].as_str().expect("an id"), "x".repeat(200_000))).collect();
    let upload = format!("item,text\n{}", rows.concat());
    prepared.user.upload_items(prepared.project, "items.csv", upload).await.expect(201);
    let ask = async |users: usize| {
        let users: Vec<String> = (0..users).map(|user| format!("stranger {user}")).collect();
        program.post(&path, json!({ "user_ids": users, "with_metadata": true })).await
    };
    let described = async || !matches!(ask(1).await.body["results"][0]["items"][0]["metadata"], Value::Null);
    app.soon("the metadata is there", described).await;
    let refused = ask(100).await.expect(422);
    assert_eq!(refused.body["code"], "too_much_metadata");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_of_a_sample_has_a_bound() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let user = &prepared.user;
    let interactions: String = (0..12).map(|item| format!("007,i{item}\n")).collect();
    let data = user.upload(prepared.project, "many.csv", format!("user,item\n{interactions}")).await.expect(201).id();
    let model = Prepared { data, user: user.clone(), ..prepared }.train().await["id"].clone();
    let cells = format!(",{}", "x".repeat(250_000)).repeat(7);
    let rows: String = (0..12).map(|item| format!("i{item}{cells}\n")).collect();
    let upload = format!("item,a,b,c,d,e,f,g\n{rows}");
    let metadata = user.upload_items(prepared.project, "items.csv", upload).await.expect(201).id();
    user.wait_for(&format!("item_meta_data/{metadata}/"), |metadata| metadata["status"] == "ready").await;
    let refused = user.get(&format!("trained_model/{model}/sample_recommendation_metadata/{metadata}/")).await.expect(422);
    assert_eq!(refused.body["code"], "too_much_metadata");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_names_and_parameters_that_are_kept_have_bounds() {
    let app = TestApp::start().await;
    let prepared = prepare(app.user("ada").await, "P", "TopPop").await;
    let (user, project) = (&prepared.user, prepared.project);
    let weights = json!({ "event_weights": { ("x".repeat(257)): 1 } });
    user.patch(&format!("project/{project}/"), weights).await.fault("event_weights");
    let many = |types: usize| json!({ "event_weights": many_weights(types, 1) });
    user.patch(&format!("project/{project}/"), many(240)).await.expect(200);
    let refused = user.patch(&format!("project/{project}/"), many(270)).await;
    assert!(refused.fault("event_weights").contains("65536 bytes"), "{}", refused.body);
    let parameters = json!({ "x": "y".repeat(70_000) });
    let configuration =
        json!({ "project": project, "recommender_class_name": "TopPopRecommender", "parameters_json": parameters });
    user.post("model_configuration/", configuration).await.fault("parameters_json");
    let search =
        |names: Vec<String>| json!({ "data": prepared.data, "split": 1, "evaluation": 1, "tried_algorithms_json": names });
    for names in [vec![String::new(); 101], vec!["x".repeat(129)]] {
        user.post("parameter_tuning_job/", search(names)).await.fault("tried_algorithms_json");
    }
}
