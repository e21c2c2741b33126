//! Tuning, from a file to recommendations.

use serde_json::{Value, json};

use crate::support::searches::interactions;
use crate::support::{Caller, Jobs, TestApp};

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
    /// Runs a search to its end.
    async fn search(&self, more: Value) -> Value {
        let job = self.user.post("parameter_tuning_job/", self.job(more)).await.expect(201).id();
        let over = |job: &Value| !matches!(job["status"].as_str(), Some("PENDING" | "RUNNING"));
        self.user.wait_for(&format!("parameter_tuning_job/{job}/"), over).await
    }

    async fn trials(&self, job: &Value) -> Vec<Value> {
        let trials = self.user.get(&format!("parameter_tuning_job/{}/trials/", job["id"])).await.expect(200).body;
        trials.as_array().unwrap().clone()
    }

    /// Returns the log lines of a search, in order.
    async fn said(&self, job: &Value) -> Vec<String> {
        let lines = self.user.get(&format!("task_log/?tuning_job_id={}&page_size=100", job["id"])).await.expect(200).body;
        let lines = lines["results"].as_array().unwrap();
        lines.iter().rev().map(|line| line["contents"].as_str().unwrap().to_owned()).collect()
    }

    /// Uploads another file to the same project, and waits until it is ready.
    async fn upload(&self, csv: String) -> i64 {
        let data = self.user.upload(self.project, "other.csv", csv).await.expect(201).id();
        self.user.wait_for(&format!("training_data/{data}/"), |data| data["status"] == "ready").await;
        data
    }

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
        (json!({ "timeout_singlestep": -5 }), "timeout_singlestep"),
        (json!({ "n_tasks_parallel": -1 }), "n_tasks_parallel"),
        (json!({ "memory_budget": -1 }), "memory_budget"),
        (json!({ "random_seed": -1 }), "random_seed"),
        (json!({ "tried_algorithms_json": "IALS" }), "tried_algorithms_json"),
        (json!({ "tried_algorithms_json": [1] }), "tried_algorithms_json"),
        (json!({ "tried_algorithms_json": { "a": 1 } }), "tried_algorithms_json"),
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
    let job = user.post("parameter_tuning_job/", prepared.job(json!({ "n_trials": 10_000 }))).await.expect(201).id();
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
        prepared.job(json!({ "n_trials": 10_000, "n_tasks_parallel": 2, "timeout_overall": 25, "train_after_tuning": false }));
    let job = prepared.user.post("parameter_tuning_job/", job).await.expect(201).id();
    let path = format!("parameter_tuning_job/{job}/");
    prepared.user.wait_for(&path, |job| job["n_completed"].as_i64() > Some(2)).await;
    app.services.clock.advance(chrono::TimeDelta::seconds(26));
    let job = prepared.user.wait_for(&path, |job| job["status"] == "COMPLETED").await;
    assert!(job["best_score"].as_f64() > Some(0.0) && job["n_running"] == 0, "{job}");
    assert!(job["n_completed"].as_i64() < Some(10_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_that_would_not_fit_into_memory_is_never_started() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(&app).await;
    // A real refusal would need more users than a megabyte of factors can hold: a large dense matrix does as well.
    let csv: String =
        std::iter::once("user_id,item_id\n".to_owned()).chain((0..3_000).map(|n| format!("u{},i{n}\n", n % 50))).collect();
    let data = prepared.upload(csv).await;
    let more = json!({ "data": data, "memory_budget": 1, "n_trials": 1, "tried_algorithms_json": ["DenseSLIM"] });
    let job = prepared.search(more).await;
    assert_eq!((&job["status"], &job["n_pruned"]), (&json!("FAILED"), &json!(1)));
    assert!(job["error"].as_str().unwrap().contains("MB"), "{job}");
}

#[tokio::test(flavor = "multi_thread")]
async fn algorithms_nobody_knows_are_left_out_and_named_in_the_log() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(&app).await;
    let asked = json!({ "n_trials": 2, "tried_algorithms_json": ["NoSuchThing", "TopPop"] });
    let job = prepared.search(asked).await;
    assert_eq!((&job["status"], &job["tried_algorithms_json"]), (&json!("COMPLETED"), &json!(["NoSuchThing", "TopPop"])));
    assert!(prepared.trials(&job).await.iter().all(|trial| trial["algorithm"] == "TopPopRecommender"));
    let said = prepared.said(&job).await;
    let beginnings = [
        format!("Start job {}", job["id"]),
        "Left out, since there are no such algorithms: NoSuchThing.".to_owned(),
        "Trial 0 with TopPopRecommender / {}: COMPLETE.\nndcg@3=".to_owned(),
        "Trial 1 with TopPopRecommender / {}: COMPLETE.\nndcg@3=".to_owned(),
        format!("Job {} complete", job["id"]),
        "Found best configuration: TopPopRecommender".to_owned(),
    ];
    assert_eq!(said.len(), beginnings.len(), "{said:?}");
    for (line, beginning) in said.iter().zip(&beginnings) {
        assert!(line.starts_with(beginning), "{line} instead of {beginning}");
    }
    let tried = "This search tries TopPopRecommender.";
    assert_eq!(job["warnings"], json!([format!("There is no algorithm \"NoSuchThing\". {tried}")]));
    let slip = prepared.job(json!({ "n_trials": 1, "tried_algorithms_json": ["IALSRecomender"] }));
    let slip = prepared.user.post("parameter_tuning_job/", slip).await.expect(201).body;
    assert!(slip["warnings"][0].as_str().unwrap().contains("Did you mean IALSRecommender?"), "{slip}");
    for asked in [json!(["NoSuchThing"]), json!([]), json!(null)] {
        let job = prepared.search(json!({ "n_trials": 1, "tried_algorithms_json": asked })).await;
        assert_eq!(job["status"], "COMPLETED", "{job}");
        let algorithm = prepared.trials(&job).await[0]["algorithm"].as_str().unwrap().to_owned();
        assert!(["IALSRecommender", "CosineKNNRecommender", "TopPopRecommender"].contains(&algorithm.as_str()), "{algorithm}");
    }
    let as_text = prepared.job(json!({ "n_trials": 1, "tried_algorithms_json": "[\"TopPop\"]" }));
    let job = prepared.user.post("parameter_tuning_job/", as_text).await.expect(201).body;
    assert_eq!(job["tried_algorithms_json"], json!(["TopPop"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outcome_of_a_search_is_not_for_clients_to_write() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(&app).await;
    let user = &prepared.user;
    let outputs = json!({
        "status": "COMPLETED", "best_score": 5.0, "irspack_version": "9", "tuned_model": 1, "best_config": 1, "task_links": [],
        "n_trials": 10_000, "n_tasks_parallel": 2
    });
    let made = user.post("parameter_tuning_job/", prepared.job(outputs.clone())).await.expect(201).body;
    for output in ["best_score", "irspack_version", "tuned_model", "best_config"] {
        assert!(made[output].is_null(), "{output}: {made}");
    }
    let path = format!("parameter_tuning_job/{}/", made["id"]);
    user.post(&format!("{path}cancel/"), json!({})).await.expect(200);
    let before = user.get(&path).await.expect(200).body;
    let after = user.patch(&path, outputs).await.expect(200).body;
    for output in ["status", "best_score", "irspack_version", "tuned_model", "best_config"] {
        assert_eq!(after[output], before[output], "{output}");
    }
    assert_eq!(user.put(&path, before.clone()).await.expect(200).body["id"], made["id"]);
    assert!(!user.patch(&path, json!({ "n_trials": 3, "split": prepared.split })).await.fault("n_trials").is_empty());
    let without = user.put(&path, json!({})).await;
    assert!(["data", "split", "evaluation"].iter().all(|field| !without.fault(field).is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_makes_the_whole_search_repeatable() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(&app).await;
    let mut searches = Vec::new();
    for seed in [7, 7, 8] {
        let algorithms = ["CosineKNN", "RP3beta", "TopPop"];
        let more =
            json!({ "random_seed": seed, "n_trials": 8, "tried_algorithms_json": algorithms, "train_after_tuning": false });
        let job = prepared.search(more).await;
        assert_eq!(job["status"], "COMPLETED", "{job}");
        let told = |trial: &Value| (trial["algorithm"].clone(), trial["parameters"].clone(), trial["score"].clone());
        searches.push(prepared.trials(&job).await.iter().map(told).collect::<Vec<_>>());
    }
    assert_eq!(searches[0], searches[1]);
    assert_ne!(searches[0], searches[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_tasks_judge_on_the_same_split_which_its_scheme_and_seed_decide() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(&app).await;
    let user = &prepared.user;
    let project = json!({ "name": "T", "user_column": "user_id", "item_column": "item_id", "time_column": "at" });
    let project = user.post("project/", project).await.expect(201).id();
    let mut csv = String::from("user_id,item_id,at\n");
    for (number, line) in interactions().lines().skip(1).enumerate() {
        csv.push_str(&format!("{line},2024-01-{:02}\n", 1 + (number * number) % 28));
    }
    let data = user.upload(project, "timed.csv", csv).await.expect(201).id();
    user.wait_for(&format!("training_data/{data}/"), |data| data["status"] == "ready").await;
    let mut scores: Vec<f64> = Vec::new();
    for (scheme, seed) in [("RG", 1), ("RG", 2), ("TG", 1), ("TU", 1)] {
        let split = json!({ "scheme": scheme, "random_seed": seed, "heldout_ratio": 0.5 });
        let split = user.post("split_config/", split).await.expect(201).id();
        let mut of_jobs = Vec::new();
        for tasks in [1, 3] {
            let more = json!({ "data": data, "split": split, "n_tasks_parallel": tasks, "n_trials": 6,
                "tried_algorithms_json": ["TopPop"], "train_after_tuning": false });
            let job = prepared.search(more).await;
            // The same model each time: only another split could give another score.
            let trials = prepared.trials(&job).await;
            of_jobs.extend(trials.iter().map(|trial| trial["score"].as_f64().unwrap()));
        }
        assert!(of_jobs.iter().all(|score| *score == of_jobs[0]), "{scheme} {seed}: {of_jobs:?}");
        assert!(!scores.contains(&of_jobs[0]), "{scheme} {seed} is split like another: {scores:?}");
        scores.push(of_jobs[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_cannot_succeed_fails_and_says_why() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(&app).await;
    let lonely = (0..40).map(|user| (0..4).map(|item| format!("u{user},i{user}-{item}\n")).collect::<String>());
    let lonely = prepared.upload(format!("user_id,item_id\n{}", lonely.collect::<String>())).await;
    let zero =
        prepared.search(json!({ "data": lonely, "n_trials": 3, "n_tasks_parallel": 2, "tried_algorithms_json": ["TopPop"] }));
    let zero = zero.await;
    assert_eq!((&zero["status"], &zero["best_config"], &zero["tuned_model"]), (&json!("FAILED"), &Value::Null, &Value::Null));
    assert!(zero["error"].as_str().unwrap().contains("above zero"), "{zero}");

    app.execute(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             NEW.status := 'RUNNING'; NEW.started_at := '2000-01-01'; RETURN NEW; END $$;
         CREATE TRIGGER spoil BEFORE INSERT ON tuning_jobs FOR EACH ROW EXECUTE FUNCTION spoil()",
    )
    .await;
    let late = prepared.search(json!({ "timeout_overall": 60, "n_tasks_parallel": 2 })).await;
    assert_eq!((&late["status"], &late["n_completed"]), (&json!("FAILED"), &json!(0)));
    assert!(late["error"].as_str().unwrap().contains("time was over"), "{late}");

    app.execute(
        "CREATE OR REPLACE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             UPDATE training_data SET storage_key = NULL, prepared_key = NULL WHERE id = NEW.data_id; RETURN NEW; END $$",
    )
    .await;
    let unlinked = prepared.search(json!({ "data": prepared.upload(interactions()).await, "n_tasks_parallel": 2 })).await;
    assert_eq!((&unlinked["status"], &unlinked["n_running"]), (&json!("FAILED"), &json!(0)));
    let why = unlinked["error"].as_str().unwrap();
    assert!(prepared.said(&unlinked).await.iter().any(|line| line.contains(why)), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_stays_complete_when_its_model_cannot_be_trained() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(&app).await;
    app.execute(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             UPDATE training_data SET prepared_key = NULL WHERE id = NEW.data_id; RETURN NEW; END $$;
         CREATE TRIGGER spoil AFTER INSERT ON trained_models FOR EACH ROW EXECUTE FUNCTION spoil()",
    )
    .await;
    let job = prepared.search(json!({ "n_trials": 2, "tried_algorithms_json": ["TopPop"] })).await;
    assert_eq!(job["status"], "COMPLETED", "{job}");
    let model = job["tuned_model"].as_i64().expect("it is there as soon as the search is complete");
    let failed = prepared.user.wait_for(&format!("trained_model/{model}/"), |model| model["status"] == "FAILED").await;
    let now = prepared.user.get(&format!("parameter_tuning_job/{}/", job["id"])).await.expect(200).body;
    assert_eq!((&now["status"], &now["error"]), (&json!("COMPLETED"), &Value::Null));
    let why = failed["error"].as_str().unwrap();
    let last = prepared.said(&job).await.pop().unwrap();
    assert!(last.contains(&format!("model {model} could not be trained")) && last.contains(why), "{last}");
    let of_model = prepared.user.get(&format!("task_log/?model_id={model}")).await.expect(200).body;
    assert_eq!(of_model["results"][0]["contents"], why);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_that_takes_too_long_is_given_up_and_the_search_goes_on() {
    let app = TestApp::start_with(Jobs::Run, |settings| settings.access_token_lifetime = 1 << 30).await;
    let prepared = prepare(&app).await;
    let job = prepared.job(json!({ "n_trials": 10_000, "timeout_singlestep": 10, "tried_algorithms_json": ["IALS"] }));
    let job = prepared.user.post("parameter_tuning_job/", job).await.expect(201).id();
    let path = format!("parameter_tuning_job/{job}/");
    // The clock moves: sooner or later it does so during a trial.
    let slow = |trial: &Value| trial["status"] == "pruned" && trial["note"].as_str().is_some_and(|note| note.contains("time"));
    let trials_path = format!("{path}trials/");
    let trials = prepared.user.wait_for(&trials_path, |trials| {
        app.services.clock.advance(chrono::TimeDelta::seconds(11));
        trials.as_array().is_some_and(|trials| trials.iter().any(slow))
    });
    let so_far = trials.await.as_array().unwrap().len() as i64;
    assert_eq!(prepared.user.get(&path).await.expect(200).body["status"], "RUNNING");
    prepared.user.wait_for(&path, |job| job["n_completed"].as_i64() > Some(so_far)).await;
    prepared.user.post(&format!("{path}cancel/"), json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_not_over_can_be_cancelled() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(&app).await;
    let user = &prepared.user;
    let over = prepared.search(json!({ "n_trials": 1, "tried_algorithms_json": ["TopPop"] })).await;
    let refused = user.post(&format!("parameter_tuning_job/{}/cancel/", over["id"]), json!({})).await.expect(409);
    assert!(refused.body["detail"].as_str().unwrap().contains("completed"));
    let busy = prepared.job(json!({ "n_trials": 10_000, "n_tasks_parallel": 2 }));
    let busy = user.post("parameter_tuning_job/", busy).await.expect(201).id();
    user.wait_for(&format!("parameter_tuning_job/{busy}/"), |job| job["n_completed"].as_i64() > Some(2)).await;
    // Both slots of the worker are taken: the next job waits.
    let waiting = user.post("parameter_tuning_job/", prepared.job(json!({}))).await.expect(201).id();
    let cancelled = user.post(&format!("parameter_tuning_job/{waiting}/cancel/"), json!({})).await.expect(200).body;
    assert_eq!((&cancelled["status"], &cancelled["task_links"][0]["task"]["status"]), (&json!("CANCELLED"), &json!("REVOKED")));
    user.post(&format!("parameter_tuning_job/{busy}/cancel/"), json!({})).await.expect(200);
    let revoked = |job: &Value| job["task_links"].as_array().unwrap().iter().all(|link| link["task"]["status"] == "REVOKED");
    let ended = user.wait_for(&format!("parameter_tuning_job/{busy}/"), revoked).await;
    assert_eq!((&ended["status"], &ended["n_running"]), (&json!("CANCELLED"), &json!(0)));
}
