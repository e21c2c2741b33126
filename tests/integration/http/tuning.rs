//! Tuning, from a file to recommendations.

use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

/// Two groups of people with tastes of their own, and ids that are no numbers.
fn interactions() -> String {
    let names = ["007", "Sigur Rós", "\"a/b c\"", "1.0", "001", "x", "y", "z", "千と千尋", "w"];
    let mut csv = String::from("user_id,item_id\n");
    for user in 0..60 {
        for (item, name) in names.iter().enumerate() {
            let same_group = (user % 2 == 0) == (item % 2 == 0);
            if same_group && (user / 2 + item) % 5 != 0 {
                csv.push_str(&format!("0{user},{name}\n"));
            }
        }
    }
    csv
}

struct Prepared {
    user: Caller,
    project: i64,
    data: i64,
    split: i64,
    evaluation: i64,
}

async fn prepare(app: &TestApp) -> Prepared {
    let user = app.user("margarete").await;
    let project = user.post("project/", json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" })).await.id();
    let data = user.upload(project, "data.csv", interactions()).await.expect(201).id();
    user.wait_for(&format!("training_data/{data}/"), |data| data["status"] == "ready").await;
    let split = user.post("split_config/", json!({ "heldout_ratio": 0.5 })).await.id();
    let evaluation = user.post("evaluation_config/", json!({ "cutoff": 3 })).await.id();
    Prepared { user, project, data, split, evaluation }
}

impl Prepared {
    fn job(&self, more: Value) -> Value {
        let mut job =
            json!({ "data": self.data, "split": self.split, "evaluation": self.evaluation, "n_trials": 6, "random_seed": 1 });
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        job
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_a_model_that_recommends_exact_ids() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(&app).await;
    let user = &prepared.user;
    let algorithms =
        json!({ "tried_algorithms_json": ["TopPop", "CosineKNNRecommender", "RP3betaOptimizer"], "n_tasks_parallel": 2 });
    let job = user.post("parameter_tuning_job/", prepared.job(algorithms)).await.expect(201);
    assert_eq!(job.body["status"], "PENDING");
    let path = format!("parameter_tuning_job/{}/", job.id());
    let job = user.wait_for(&path, |job| job["status"] == "COMPLETED").await;
    let trials = user.get(&format!("{path}trials/")).await.expect(200).body;
    let trials = trials.as_array().unwrap();
    assert_eq!(trials.len(), 6);
    let numbers: Vec<i64> = trials.iter().map(|trial| trial["number"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    let best = trials.iter().filter_map(|trial| trial["score"].as_f64()).fold(0.0, f64::max);
    assert_eq!(job["best_score"].as_f64(), Some(best));
    assert!(best > job["baseline_score"].as_f64().unwrap(), "{job}");
    let configuration = user.get(&format!("model_configuration/{}/", job["best_config"])).await.expect(200).body;
    assert!(configuration["name"].as_str().unwrap().starts_with("Tuning Result of job"));
    assert_eq!(configuration["tuning_job"], job["id"]);

    let model = job["tuned_model"].as_i64().unwrap();
    user.wait_for(&format!("trained_model/{model}/"), |model| model["status"] == "COMPLETED").await;
    let list = user.get(&format!("trained_model/{model}/recommendation/?user_id=00&cutoff=3")).await.expect(200).body;
    assert!(!list.as_array().unwrap().is_empty());
    let other = user.get(&format!("trained_model/{model}/recommendation/?user_id=0&cutoff=3")).await;
    assert_eq!(other.status, 404, "\"0\" is not \"00\"");
    for item in ["007", "Sigur Rós", "a/b c", "001", "千と千尋"] {
        let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("item_id", item).finish();
        user.get(&format!("trained_model/{model}/similar/?{query}")).await.expect(200);
    }
    let lines = user.get(&format!("task_log/?tuning_job_id={}", job["id"])).await.expect(200).body;
    assert!(lines["count"].as_i64().unwrap() >= 8, "{lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_is_refused_when_it_is_asked_for() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(&app).await;
    let user = &prepared.user;
    let by_time = user.post("split_config/", json!({ "scheme": "TG" })).await.expect(201).id();
    for (more, field) in [
        (json!({ "n_trials": 0 }), "n_trials"),
        (json!({ "n_trials": -1 }), "n_trials"),
        (json!({ "n_tasks_parallel": 0 }), "n_tasks_parallel"),
        (json!({ "memory_budget": 0 }), "memory_budget"),
        (json!({ "timeout_overall": 0 }), "timeout_overall"),
        (json!({ "tried_algorithms_json": ["NoSuchThing"] }), "tried_algorithms_json"),
        (json!({ "tried_algorithms_json": "IALS" }), "tried_algorithms_json"),
        (json!({ "split": by_time }), "split"),
        (json!({ "data": 999_999 }), "data"),
    ] {
        let answer = user.post("parameter_tuning_job/", prepared.job(more.clone())).await.expect(400);
        assert!(answer.body[field].is_array(), "{more}: {}", answer.body);
    }
    assert!(user.post("split_config/", json!({ "heldout_ratio": 1.5 })).await.expect(400).body["heldout_ratio"].is_array());
    assert!(user.post("evaluation_config/", json!({ "cutoff": 0 })).await.expect(400).body["cutoff"].is_array());
    user.delete(&format!("training_data/{}/unlink_file/", prepared.data)).await.expect(200);
    assert!(user.post("parameter_tuning_job/", prepared.job(json!({}))).await.expect(400).body["data"].is_array());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_can_be_cancelled_and_only_then_deleted() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(&app).await;
    let user = &prepared.user;
    let job = user.post("parameter_tuning_job/", prepared.job(json!({ "n_trials": 100_000 }))).await.expect(201).id();
    let path = format!("parameter_tuning_job/{job}/");
    user.wait_for(&path, |job| job["n_completed"].as_i64() > Some(2)).await;
    user.delete(&path).await.expect(409);
    user.delete(&format!("project/{}/", prepared.project)).await.expect(409);
    let cancelled = user.post(&format!("{path}cancel/"), json!({})).await.expect(200).body;
    assert_eq!(cancelled["status"], "CANCELLED");
    assert_eq!(cancelled["n_running"], 0);
    user.post(&format!("{path}cancel/"), json!({})).await.expect(409);
    user.delete(&path).await.expect(204);
    user.get(&path).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_ends_with_what_it_has_when_its_time_is_over() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(&app).await;
    let job =
        prepared.job(json!({ "n_trials": 100_000, "n_tasks_parallel": 2, "timeout_overall": 25, "train_after_tuning": false }));
    let job = prepared.user.post("parameter_tuning_job/", job).await.expect(201).id();
    let path = format!("parameter_tuning_job/{job}/");
    prepared.user.wait_for(&path, |job| job["n_completed"].as_i64() > Some(2)).await;
    app.services.clock.advance(chrono::TimeDelta::seconds(26));
    let job = prepared.user.wait_for(&path, |job| job["status"] == "COMPLETED").await;
    assert!(job["best_score"].as_f64() > Some(0.0) && job["n_running"] == 0, "{job}");
    assert!(job["n_completed"].as_i64() < Some(100_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_that_would_not_fit_into_memory_is_never_started() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(&app).await;
    // More users than a megabyte of factors can hold would be needed for a real refusal: a large dense matrix does as well.
    let csv: String =
        std::iter::once("user_id,item_id\n".to_owned()).chain((0..3_000).map(|n| format!("u{},i{n}\n", n % 50))).collect();
    let data = prepared.user.upload(prepared.project, "wide.csv", csv).await.expect(201).id();
    prepared.user.wait_for(&format!("training_data/{data}/"), |data| data["status"] == "ready").await;
    let job = prepared.job(json!({ "data": data, "memory_budget": 1, "n_trials": 1, "tried_algorithms_json": ["DenseSLIM"] }));
    let job = prepared.user.post("parameter_tuning_job/", job).await.expect(201).id();
    let path = format!("parameter_tuning_job/{job}/");
    let job = prepared.user.wait_for(&path, |job| job["status"] == "FAILED").await;
    assert_eq!(job["n_pruned"], 1);
    assert!(job["error"].as_str().unwrap().contains("MB"), "{job}");
}
