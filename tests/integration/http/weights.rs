//! The weights of interactions: set for a project, searched by a job, kept with a model.

use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

/// Returns views and purchases over a hundred days; what users of one group buy differs from what they view.
fn events() -> String {
    let mut csv = String::from("user,item,day,event\n");
    for user in 0..40 {
        for item in 0..12 {
            let same_group = user % 2 == item % 2;
            if (user + item * 5) % 7 == 0 {
                continue;
            }
            let day = 1 + (user * 7 + item * 3) % 28;
            let month = 1 + (user + item) % 3;
            csv.push_str(&format!("u{user},i{item},2024-{month:02}-{day:02},view\n"));
            if same_group {
                csv.push_str(&format!("u{user},i{item},2024-{month:02}-{day:02},purchase\n"));
            }
        }
    }
    csv
}

fn project(more: Value) -> Value {
    let mut project = json!({ "name": "Shop", "user_column": "user", "item_column": "item", "time_column": "day" });
    project.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    project
}

async fn upload(user: &Caller, project: i64) -> Value {
    let data = user.upload(project, "events.csv", events()).await.expect(201).id();
    user.wait_for(&format!("training_data/{data}/"), |data| data["status"] == "ready").await
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_are_read_changed_and_checked() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let plain = user.post("project/", project(json!({}))).await.expect(201);
    assert_eq!((&plain.body["event_column"], &plain.body["half_life_days"]), (&Value::Null, &Value::Null));
    assert_eq!(plain.body["event_weights"], json!({}));
    let path = format!("project/{}/", plain.id());
    let set = json!({ "event_column": "event", "event_weights": { "view": 1, "purchase": 5.5 }, "half_life_days": 30 });
    let changed = user.patch(&path, set).await.expect(200).body;
    assert_eq!((&changed["event_column"], &changed["half_life_days"]), (&json!("event"), &json!(30.0)));
    assert_eq!(changed["event_weights"]["purchase"], 5.5);
    // Fields that are not sent stay.
    assert_eq!(user.patch(&path, json!({ "name": "New" })).await.expect(200).body["event_weights"]["view"], 1);
    for (field, wrong) in [
        ("event_weights", json!({ "view": -1 })),
        ("event_weights", json!({ "view": "much" })),
        ("event_weights", json!([1])),
        ("event_weights", json!({ "view": 1e300 })),
        ("half_life_days", json!(0)),
        ("half_life_days", json!("soon")),
    ] {
        assert!(user.patch(&path, json!({ field: wrong })).await.expect(400).body[field].is_array(), "{field} {wrong}");
    }
    let cleared = user.patch(&path, json!({ "half_life_days": null, "event_column": "" })).await.expect(200).body;
    assert_eq!((&cleared["half_life_days"], &cleared["event_column"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_needs_the_event_column_and_counts_its_types() {
    let app = TestApp::start_with_worker().await;
    let user = app.user("margarete").await;
    let id = user.post("project/", project(json!({ "event_column": "event" }))).await.id();
    let data = upload(&user, id).await;
    let types = data["report"]["events"].as_array().unwrap();
    assert_eq!((&types[0]["name"], types.len()), (&json!("view"), 2));
    assert!(types[0]["rows"].as_i64() > types[1]["rows"].as_i64(), "{data}");
    let answer = user.upload(id, "plain.csv", "user,item,day\na,b,2024-01-01\n").await;
    assert!(answer.fault("file").contains("\"event\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_varies_the_weights_and_the_model_keeps_what_it_learnt_with() {
    let app = TestApp::start_with_worker().await;
    let user = app.user("margarete").await;
    let fields = json!({ "event_column": "event", "event_weights": { "view": 1, "purchase": 5 }, "half_life_days": 30 });
    let project = user.post("project/", project(fields)).await.id();
    let data = upload(&user, project).await["id"].clone();
    let split = user.post("split_config/", json!({ "heldout_ratio": 0.3, "scheme": "TU" })).await.id();
    let evaluation = user.post("evaluation_config/", json!({ "cutoff": 3 })).await.id();
    let job = json!({
        "data": data, "split": split, "evaluation": evaluation, "n_trials": 4, "random_seed": 1,
        "tried_algorithms_json": ["CosineKNN"], "search_weights": true,
    });
    let job = user.post("parameter_tuning_job/", job).await.expect(201);
    assert_eq!(job.body["search_weights"], true);
    let path = format!("parameter_tuning_job/{}/", job.id());
    let job = user.wait_for(&path, |job| job["status"] == "COMPLETED").await;
    let trials = user.get(&format!("{path}trials/")).await.expect(200).body;
    let of = |name: &str| -> Vec<f64> {
        trials.as_array().unwrap().iter().map(|trial| trial["parameters"][name].as_f64().unwrap()).collect()
    };
    let (purchases, views, half_lives) = (of("event_weight.purchase"), of("event_weight.view"), of("half_life_days"));
    assert_eq!(purchases, [5.0; 4], "one weight stays, because only ratios matter");
    assert!(views.windows(2).any(|pair| pair[0] != pair[1]) && views.iter().all(|view| (0.1..=10.0).contains(view)));
    assert!(half_lives.windows(2).any(|pair| pair[0] != pair[1]));

    // The model was trained with the weights of the best trial, not with those that the project has by now.
    let model = job["tuned_model"].as_i64().unwrap();
    let model = user.wait_for(&format!("trained_model/{model}/"), |model| model["status"] == "COMPLETED").await;
    let configuration = user.get(&format!("model_configuration/{}/", job["best_config"])).await.expect(200).body;
    let (learnt, found) = (&model["lineage"]["weights"], &configuration["parameters_json"]);
    for name in ["event_weight.view", "event_weight.purchase", "half_life_days"] {
        assert!(learnt[name].is_number() && learnt[name] == found[name], "{name}: {learnt} {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_search_every_trial_has_the_weights_of_the_project() {
    let app = TestApp::start_with_worker().await;
    let user = app.user("margarete").await;
    let fields = json!({ "event_column": "event", "event_weights": { "view": 0 } });
    let project = user.post("project/", project(fields)).await.id();
    let data = upload(&user, project).await["id"].clone();
    let split = user.post("split_config/", json!({ "heldout_ratio": 0.3 })).await.id();
    let evaluation = user.post("evaluation_config/", json!({ "cutoff": 3 })).await.id();
    let job = json!({
        "data": data, "split": split, "evaluation": evaluation, "n_trials": 2,
        "tried_algorithms_json": ["CosineKNN"], "train_after_tuning": false,
    });
    let job = user.post("parameter_tuning_job/", job).await.expect(201).id();
    let path = format!("parameter_tuning_job/{job}/");
    let job = user.wait_for(&path, |job| job["status"] == "COMPLETED").await;
    let trials = user.get(&format!("{path}trials/")).await.expect(200).body;
    assert!(trials.as_array().unwrap().iter().all(|trial| trial["parameters"]["event_weight.view"] == 0.0), "{trials}");
    // Views are not interactions: with purchases only, an item of the other group is never right.
    assert!(job["best_score"].as_f64() > Some(0.5), "{job}");
}
