//! Models that learn from sessions: trained, queried for next items, deployed in a slot, and refused where they do not fit.

use std::fmt::Write as _;

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::prepared::{Prepared, prepare};
use crate::support::retraining::{plan, run};
use crate::support::tastes::configure;
use crate::support::{Caller, TestApp};

/// Returns visits in which a bulb follows a lamp and a chair a desk; one visit continues from a bulb to an item with an unusual
/// name.
fn visits() -> String {
    so_many_visits(20)
}

/// Returns a number of visits, at most one a day in January.
fn so_many_visits(visits: usize) -> String {
    let mut csv = "visit,product,at\n".to_owned();
    for visit in 0..visits {
        let pair = if visit % 2 == 0 { ["lamp", "bulb"] } else { ["desk", "chair"] };
        for (step, item) in pair.into_iter().enumerate() {
            writeln!(csv, "v{visit},{item},2024-01-{:02} 10:{step:02}:00", visit + 1).expect("a text");
        }
    }
    csv + "v0,Sigur Rós/007,2024-01-01 10:09:00\n"
}

/// A shop with a model of sessions, and a program that may query it.
struct Shop {
    prepared: Prepared,
    model: i64,
    program: Caller,
}

impl Shop {
    async fn prepare(app: &TestApp) -> Prepared {
        let user = app.user("margarete").await;
        let project = json!({ "name": "P", "user_column": "visit", "item_column": "product", "time_column": "at" });
        let project = user.post("project/", project).await.expect(201).id();
        let data = user.upload(project, "visits.csv", visits()).await.expect(201).id();
        let configuration =
            json!({ "project": project, "recommender_class_name": "VMISKNN", "parameters_json": { "top_k": 50 } });
        let configuration = user.post("model_configuration/", configuration).await.expect(201).body;
        assert_eq!(configuration["recommender_class_name"], "VMISKNNRecommender");
        Prepared { user, project, data, configuration: configuration["id"].as_i64().expect("an id") }
    }

    async fn open(app: &TestApp) -> Self {
        let prepared = Self::prepare(app).await;
        let model = prepared.train().await;
        assert_eq!(model["status"], "COMPLETED", "{model}");
        let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
        Self { prepared, model: model["id"].as_i64().expect("an id"), program }
    }

    fn path(&self, action: &str) -> String {
        format!("/inference/{action}/{}", self.model)
    }

    async fn ask(&self, action: &str, body: Value) -> Value {
        self.program.post(&self.path(action), body).await.expect(200).body
    }

    async fn next(&self, body: Value) -> Value {
        self.ask("next", body).await
    }

    /// Gives the model all traffic; returns the path for requests.
    async fn deploy(&self, app: &TestApp) -> (String, i64) {
        let (project, model) = (self.prepared.project, self.model);
        let slot = json!({ "project": project, "name": "main", "trained_model": model, "weight": 100 });
        let slot = self.prepared.user.post("deployment_slot/", slot).await.expect(201).id();
        let path = format!("/inference/predict/project/{project}");
        let answers = async || self.program.post(&path, json!({ "user_id": "?" })).await.status.as_u16() == 200;
        app.soon("the slot answers", answers).await;
        (path, slot)
    }
}

fn ids(body: &Value) -> Vec<&str> {
    body["items"].as_array().expect("items").iter().filter_map(|item| item["item_id"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_sessions_is_made_like_any_other() {
    let app = TestApp::start_with_worker().await;
    let prepared = Shop::prepare(&app).await;
    let user = &prepared.user;
    let wrong = json!({ "project": prepared.project, "recommender_class_name": "VMISKNN", "parameters_json": { "top_k": 0 } });
    let fault = user.post("model_configuration/", wrong).await.expect(400).body;
    assert!(fault["parameters_json"][0].as_str().is_some_and(|text| text.contains("top_k")), "{fault}");
    let algorithms = user.get("algorithms/").await.expect(200).body;
    let algorithms = algorithms.as_array().expect("a list");
    let kind = |name: &str| algorithms.iter().find(|algorithm| algorithm["name"] == name).map(|found| &found["learns_from"]);
    assert_eq!(kind("VMISKNNRecommender"), Some(&json!("sessions")));
    assert_eq!(kind("IALSRecommender"), Some(&json!("users")));

    let model = prepared.train().await;
    assert_eq!((&model["status"], &model["n_users"], &model["n_items"]), (&json!("COMPLETED"), &json!(20), &json!(5)), "{model}");
    let lineage = &model["lineage"];
    assert_eq!((&lineage["algorithm"], &lineage["n_interactions"]), (&json!("VMISKNNRecommender"), &json!(41)));
    assert_eq!(lineage["parameters"], json!({ "top_k": 50 }));
    let log = user.get(&format!("task_log/?model_id={}", model["id"])).await.expect(200).body;
    assert!(log.to_string().contains("20 sessions, 5 items"), "{log}");
    let file = user.get(model["file"].as_str().expect("a file")).await.expect(200);
    assert_eq!(Some(file.bytes.len() as i64), model["filesize"].as_i64());
    let path = format!("trained_model/{}/", model["id"]);
    user.get(&format!("{path}similar/?item_id=lamp")).await.expect(200);
    user.delete(&format!("{path}unlink_file/")).await.expect(200);
    assert_eq!(user.get(&format!("{path}similar/?item_id=lamp")).await.expect(409).body["code"], "model_file_removed");
    user.delete(&path).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_next_depends_on_what_came_last() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let next = shop.next(json!({ "session": ["desk", "unheard of", "lamp"], "cutoff": 1 })).await;
    assert_eq!((&next["strategy"], &next["model_id"], ids(&next)), (&json!("session"), &json!(shop.model), vec!["bulb"]));
    assert!(next["request_id"].is_string(), "{next}");
    assert_eq!(ids(&shop.next(json!({ "session": ["lamp", "desk"], "cutoff": 1 })).await), ["chair"]);

    let all = shop.next(json!({ "session": ["lamp"] })).await;
    assert_eq!(ids(&all), ["bulb", "Sigur Rós/007", "chair", "desk"], "all others, those of no neighbour last");
    let again = shop.next(json!({ "session": ["lamp"], "exclude_seen": false })).await;
    assert_eq!(ids(&again).len(), 5);
    let denied = shop.next(json!({ "session": ["lamp"], "deny": ["bulb"], "cutoff": 1 })).await;
    assert_eq!(ids(&denied), ["Sigur Rós/007"]);
    let allowed = shop.next(json!({ "session": ["lamp"], "allow": ["desk", "unheard of"] })).await;
    assert_eq!((&allowed["strategy"], ids(&allowed)), (&json!("session"), vec!["desk"]));

    for nothing in [json!([]), json!(["unheard of"])] {
        let popular = shop.next(json!({ "session": nothing, "allow": ["chair", "Sigur Rós/007"] })).await;
        assert_eq!((&popular["strategy"], ids(&popular)), (&json!("popular"), vec!["chair", "Sigur Rós/007"]));
    }
    let told = shop.next(json!({ "session": ["desk", "lamp"], "cutoff": 1, "explain": true })).await;
    assert_eq!(told["items"][0]["because"], json!([{ "item_id": "lamp", "share": 1.0 }]));
    let spread = shop.next(json!({ "session": ["lamp"], "diversity": 0.9, "cutoff": 2 })).await;
    assert_eq!((&spread["strategy"], ids(&spread).len()), (&json!("session"), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_next_keeps_to_a_filter() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let file = "product,room\nbulb,any\nchair,office\ndesk,office\n";
    let file = Part::bytes(file.as_bytes().to_vec()).file_name("items.csv");
    let form = Form::new().part("file", file).text("project", shop.prepared.project.to_string());
    shop.prepared.user.send_form(Method::POST, "item_meta_data/", form).await.expect(201);
    let office = json!({ "field": "room", "op": "eq", "value": "office" });
    let body = json!({ "session": ["lamp"], "filter": office, "with_metadata": true });
    let described = async || shop.next(body.clone()).await["items"][0]["metadata"] == json!({ "room": "office" });
    let known = async || shop.program.post(&shop.path("next"), body.clone()).await.status.as_u16() == 200;
    app.soon("the metadata is known", known).await;
    assert!(described().await);
    assert_eq!(ids(&shop.next(body.clone()).await), ["chair", "desk"]);
    let unknown = json!({ "session": ["lamp"], "filter": { "field": "colour", "op": "exists", "value": true } });
    shop.program.post(&shop.path("next"), unknown).await.expect(422);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_next_is_told_to_the_project_s_programs_and_bad_bodies_are_explained() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let (path, body) = (shop.path("next"), json!({ "session": ["lamp"] }));
    let anonymous = app.anonymous();
    anonymous.post(&path, body.clone()).await.expect(401);
    anonymous.with_key("rctm_wrong").post(&path, body.clone()).await.expect(401);
    shop.prepared.user.post(&path, body.clone()).await.expect(401);
    anonymous.with_key(&shop.prepared.key("reader", "read").await).post(&path, json!({})).await.expect(403);
    let sibling = prepare(shop.prepared.user.clone(), "Q", "TopPop").await;
    let stranger = prepare(app.user("friedrich").await, "R", "TopPop").await;
    for other in [&sibling, &stranger] {
        anonymous.with_key(&other.key("other", "predict").await).post(&path, body.clone()).await.expect(403);
    }
    shop.program.post("/inference/next/999", body.clone()).await.expect(404);
    shop.program.get(&path).await.expect(405);
    assert_eq!(shop.program.post(&format!("{path}/"), body).await.expect(307).header("location"), path);
    for wrong in [
        json!({}),
        json!([]),
        json!({ "session": null }),
        json!({ "session": "lamp" }),
        json!({ "session": [7] }),
        json!({ "session": vec!["lamp"; 1_001] }),
        json!({ "session": ["lamp"], "cutoff": 0 }),
        json!({ "session": ["lamp"], "exclude_seen": "no" }),
    ] {
        assert!(shop.program.post(&path, wrong).await.expect(422).body["detail"].is_array());
    }
    shop.next(json!({ "session": vec!["lamp"; 1_000] })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_sessions_can_stand_in_a_slot() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let (path, slot) = shop.deploy(&app).await;
    let ask = async |body: Value| shop.program.post(&path, body).await.expect(200).body;
    let sent = ask(json!({ "user_id": "a newcomer", "interactions": ["desk", "lamp"], "cutoff": 1 })).await;
    assert_eq!((&sent["strategy"], &sent["slot_id"], ids(&sent)), (&json!("session"), &json!(slot), vec!["bulb"]));
    let nameless = ask(json!({ "interactions": ["lamp", "desk"], "cutoff": 1 })).await;
    assert_eq!((&nameless["strategy"], ids(&nameless)), (&json!("session"), vec!["chair"]));
    let stranger = ask(json!({ "user_id": "a newcomer", "cutoff": 2 })).await;
    assert_eq!((&stranger["strategy"], ids(&stranger)), (&json!("popular"), vec!["bulb", "chair"]));

    let clicks = async |item: &str| {
        let event = json!({ "project": shop.prepared.project, "deployment_slot": slot, "user_id": "a newcomer", "item_id": item,
            "event_type": "click" });
        shop.prepared.user.post("conversion_event/", event).await.expect(201);
        let last = async || ids(&ask(json!({ "user_id": "a newcomer", "cutoff": 9 })).await).iter().all(|other| *other != item);
        app.soon("a click is known", last).await;
        ask(json!({ "user_id": "a newcomer", "cutoff": 1 })).await
    };
    let after = clicks("lamp").await;
    assert_eq!((&after["strategy"], ids(&after)), (&json!("session"), vec!["bulb"]));
    assert_eq!(ids(&clicks("desk").await), ["chair"], "the last click counts most");
    let sent_too = ask(json!({ "user_id": "a newcomer", "interactions": ["lamp"], "cutoff": 1 })).await;
    assert_eq!(ids(&sent_too), ["bulb"], "what is sent along came last of all");

    let batch = json!({ "user_ids": ["a newcomer", "nobody"], "cutoff": 1 });
    let batch = shop.program.post(&format!("{}/batch", shop.path("predict")), batch).await.expect(200).body;
    assert_eq!((&batch["results"][0]["strategy"], &batch["results"][1]["strategy"]), (&json!("session"), &json!("popular")));
    let basket = shop.ask("related", json!({ "item_ids": ["lamp"], "cutoff": 1 })).await;
    assert_eq!((&basket["strategy"], ids(&basket)), (&json!("related"), vec!["bulb"]));
    let unheard = shop.ask("related", json!({ "item_ids": ["unheard of"], "cutoff": 1 })).await;
    assert_eq!((&unheard["strategy"], ids(&unheard)), (&json!("popular"), vec!["bulb"]));

    app.not_found_for_unknown_users(shop.prepared.project).await;
    let refused = async || shop.program.post(&path, json!({ "user_id": "nobody" })).await.status.as_u16() == 404;
    app.soon("a stranger is told so", refused).await;
    assert_eq!(ask(json!({ "user_id": "nobody", "interactions": ["lamp"] })).await["strategy"], "session");
    assert_eq!(shop.next(json!({ "session": [] })).await["strategy"], "popular");
}

#[tokio::test(flavor = "multi_thread")]
async fn anchors_stand_in_for_a_session_that_the_model_does_not_know() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let near =
        shop.ask("predict", json!({ "user_id": "a newcomer", "anchor_items": ["lamp"], "cutoff": 1, "explain": true })).await;
    assert_eq!((&near["strategy"], ids(&near)), (&json!("related"), vec!["bulb"]));
    assert_eq!(near["items"][0]["because"][0]["item_id"], "lamp", "{near}");
    let session = shop.ask("predict", json!({ "interactions": ["desk"], "anchor_items": ["lamp"], "cutoff": 1 })).await;
    assert_eq!((&session["strategy"], ids(&session)), (&json!("session"), vec!["chair"]));
    let unheard = shop.ask("predict", json!({ "interactions": [], "anchor_items": ["unheard of"], "cutoff": 1 })).await;
    assert_eq!((&unheard["strategy"], ids(&unheard)), (&json!("popular"), vec!["bulb"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_other_model_folds_the_session_in() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "CosineKNN").await;
    let path = format!("/inference/next/{}", prepared.train().await["id"]);
    let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
    let folded = program.post(&path, json!({ "session": ["Ágætis byrjun", "unheard of"], "cutoff": 1 })).await.expect(200).body;
    assert_eq!((&folded["strategy"], ids(&folded)), (&json!("fold_in"), vec!["x"]));
    for nothing in [json!([]), json!(["unheard of"])] {
        let popular = program.post(&path, json!({ "session": nothing, "cutoff": 1 })).await.expect(200).body;
        assert_eq!((&popular["strategy"], ids(&popular)), (&json!("popular"), vec!["x"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_times_there_is_nothing_to_learn_from() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "VMISKNN").await;
    let body = json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
    let fault = prepared.user.post("trained_model/", body).await.expect(400).body;
    assert!(fault["data_loc"][0].as_str().is_some_and(|text| text.contains("Set the time column of the project")), "{fault}");
    // Nothing is known of data that are still being prepared; then the training reports it.
    app.execute("UPDATE training_data SET report = NULL").await;
    let model = prepared.train().await;
    assert_eq!(model["status"], "FAILED");
    assert!(model["error"].as_str().is_some_and(|text| text.contains("upload the data again.")), "{model}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_preview_it_with_items_and_hear_that_it_knows_no_users() {
    let app = TestApp::start_with_worker().await;
    let shop = Shop::open(&app).await;
    let (user, path) = (&shop.prepared.user, format!("trained_model/{}/", shop.model));
    let profile = async |items: Value| {
        let body = json!({ "item_ids": items, "cutoff": 1 });
        let answer = user.post(&format!("{path}recommend_using_profile_interaction/"), body).await.expect(200).body;
        answer["recommendations"][0]["item_id"].clone()
    };
    assert_eq!(profile(json!(["desk", "lamp"])).await, "bulb");
    assert_eq!(profile(json!(["lamp", "desk"])).await, "chair");
    assert_eq!(profile(json!(["unheard of"])).await, "bulb");
    let similar = user.get(&format!("{path}similar/?item_id=desk&cutoff=1")).await.expect(200).body;
    assert_eq!(similar[0]["item_id"], "chair");
    user.get(&format!("{path}similar/?item_id=unheard")).await.expect(404);
    for action in ["recommendation/?user_id=v1", "sample_recommendation_raw/"] {
        let refused = user.get(&format!("{path}{action}")).await.expect(409).body;
        assert_eq!(refused["code"], "model_without_users", "{action}: {refused}");
        assert!(refused["detail"].as_str().is_some_and(|text| text.contains("/inference/next")), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_does_not_try_it_and_says_so() {
    let app = TestApp::start_with_worker().await;
    let prepared = Shop::prepare(&app).await;
    let user = &prepared.user;
    let (split, evaluation) = (user.post("split_config/", json!({})).await, user.post("evaluation_config/", json!({})).await);
    let job = json!({ "data": prepared.data, "split": split.expect(201).id(), "evaluation": evaluation.expect(201).id(),
        "tried_algorithms_json": ["TopPop", "VMISKNN"] });
    let fault = user.post("parameter_tuning_job/", job).await.expect(400).body;
    assert!(fault["tried_algorithms_json"][0].as_str().is_some_and(|text| text.contains("VMISKNN")), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn retraining_compares_sessions_with_sessions_and_with_nothing_else() {
    let app = TestApp::start_with_worker().await;
    let prepared = Shop::prepare(&app).await;
    let user = &prepared.user;
    let split = user.post("split_config/", json!({ "heldout_ratio": 0.3 })).await.expect(201).id();
    let evaluation = user.post("evaluation_config/", json!({ "cutoff": 1, "target_metric": "recall" })).await.expect(201).id();
    let wanted = json!({ "is_enabled": true, "model_configuration": prepared.configuration, "auto_deploy": true,
        "gate_tolerance": 0.0, "split_config": split, "evaluation_config": evaluation });
    let schedule = plan(&prepared, wanted).await.expect(201).id();
    let path = format!("retraining_schedule/{schedule}/");
    let first = run(&app, user, schedule).await;
    assert_eq!(first["status"], "COMPLETED", "{first}");

    let other = configure(&prepared, "VMISKNN", json!({ "top_k": 1, "sample_size": 1 })).await;
    user.patch(&path, json!({ "model_configuration": other })).await.expect(200);
    let second = run(&app, user, schedule).await;
    assert_eq!((&second["status"], &second["gate_metric"]), (&json!("COMPLETED"), &json!("recall@1")), "{second}");
    assert_eq!((&second["new_score"], &second["deployed_score"]), (&json!(1.0), &json!(1.0)), "{second}");

    // Each learns from its own data, and both are evaluated on the latest visits.
    user.upload(prepared.project, "more.csv", so_many_visits(30)).await.expect(201);
    let third = run(&app, user, schedule).await;
    assert_eq!((&third["status"], &third["deployed_data"]), (&json!("COMPLETED"), &json!(prepared.data)), "{third}");
    assert_eq!((&third["new_score"], &third["deployed_score"]), (&json!(1.0), &json!(1.0)), "{third}");

    // Errors that can be known in advance are refused, unless nothing is going to run.
    let users = configure(&prepared, "TopPop", json!({})).await;
    let refused = user.patch(&path, json!({ "model_configuration": users })).await;
    assert!(refused.fault("gate_tolerance").contains("has learnt from sessions, the new one learns from users"), "{refused:?}");
    user.patch(&path, json!({ "retune": true })).await.fault("gate_tolerance");
    user.patch(&path, json!({ "model_configuration": users, "is_enabled": false })).await.expect(200);
    user.patch(&path, json!({ "is_enabled": true })).await.fault("gate_tolerance");
    user.patch(&path, json!({ "model_configuration": other, "is_enabled": true })).await.expect(200);

    // An error that shows only in the run has the same words; the model exists and can be deployed by hand.
    let edited = json!({ "recommender_class_name": "TopPop", "parameters_json": {} });
    user.patch(&format!("model_configuration/{other}/"), edited).await.expect(200);
    let skipped = run(&app, user, schedule).await;
    assert_eq!((&skipped["status"], &skipped["new_score"]), (&json!("SKIPPED"), &Value::Null), "{skipped}");
    assert_eq!(skipped["error_message"], refused.body["gate_tolerance"][0]);
    let slot = user.get(&format!("deployment_slot/{}/", first["deployed_slot"])).await.expect(200).body;
    assert_eq!(slot["trained_model"], third["trained_model"]);
    let hand = json!({ "trained_model": skipped["trained_model"] });
    user.patch(&format!("deployment_slot/{}/", first["deployed_slot"]), hand).await.expect(200);
    user.patch(&path, json!({ "is_enabled": true })).await.expect(200);
    user.patch(&path, json!({ "model_configuration": prepared.configuration })).await.fault("gate_tolerance");
}
