//! Section 8 of the contract over HTTP: the calls that the pages of 1.x's UI make, in the order of a user who tries them all.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::waiting::pauses;
use crate::support::{Answer, Caller, TestApp};

const PASSWORD: &str = "a good long phrase";

/// Returns interactions of two groups of users with tastes of their own, enough for the split that the wizard requests.
fn visits() -> String {
    let mut csv = String::from("user_id,item_id\n");
    for user in 0..40 {
        for item in (0..30).filter(|item| user % 2 == item % 2 && (user / 2 + item) % 5 != 0) {
            csv.push_str(&format!("u{user},i{item}\n"));
        }
    }
    csv
}

/// The UI of 1.x: its credentials are cookies, and it marks every call as JSON.
struct Browser {
    anyone: Caller,
    cookies: String,
}

impl Browser {
    async fn log_in(app: &TestApp, name: &str) -> Self {
        let anyone = app.anonymous();
        let answer = anyone.post("auth/login/", json!({ "username": name, "password": PASSWORD })).await.expect(200);
        assert!(answer.body["access"].is_string(), "its age is read off it");
        let lines = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        let cookies: Vec<&str> = lines.filter_map(|line| line.split(';').next()).collect();
        let browser = Self { cookies: cookies.join("; "), anyone };
        let user = browser.get("auth/user/").await;
        assert!(user["pk"].is_i64() && user["username"] == name && user["is_staff"].is_boolean(), "{user}");
        browser
    }

    async fn send(&self, method: Method, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        let headers = [("cookie", self.cookies.as_str()), ("content-type", "application/json")];
        self.anyone.raw(method, path, &headers, body).await
    }

    async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, "").await.expect(200).body
    }

    /// Returns the first page of a list, which is all that the UI reads.
    async fn rows(&self, path: &str) -> Vec<Value> {
        self.get(path).await["results"].as_array().expect("rows").clone()
    }

    async fn make(&self, path: &str, body: Value) -> Value {
        self.send(Method::POST, path, body.to_string()).await.expect(201).body
    }

    async fn act(&self, path: &str, body: Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(Method::POST, path, body).await.expect(200).body
    }

    async fn change(&self, path: &str, body: Value) -> Value {
        self.send(Method::PATCH, path, body.to_string()).await.expect(200).body
    }

    async fn delete(&self, path: &str) {
        self.send(Method::DELETE, path, "").await.expect(204);
    }

    /// Sends a file as the UI does: the file is the first part.
    async fn upload(&self, project: &Value, name: &str, text: &str) -> Value {
        let part =
            |disposition: &str, text: &str| format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{text}\r\n");
        let file = part(&format!("name=\"file\"; filename=\"{name}\""), text);
        let body = format!("{file}{}--b--\r\n", part("name=\"project\"", &project.to_string()));
        let headers = [("cookie", self.cookies.as_str()), ("content-type", "multipart/form-data; boundary=b")];
        self.anyone.raw(Method::POST, "training_data/", &headers, body).await.expect(201).body
    }

    async fn until(&self, path: &str, status: &str) -> Value {
        for pause in pauses(Duration::from_secs(180)) {
            let body = self.get(path).await;
            if body["status"] == status {
                return body;
            }
            tokio::time::sleep(pause).await;
        }
        panic!("{path} did not come to {status}: {}", self.get(path).await);
    }
}

/// Creates a project with data, through the pages for that.
async fn project_and_data(ui: &Browser) -> (Value, Value) {
    assert_eq!(ui.rows("project/").await.len(), 0);
    let project = json!({ "name": "Shop", "user_column": "user_id", "item_column": "item_id", "time_column": null });
    let project = ui.make("project/", project).await;
    let user = ui.get("auth/user/").await;
    assert_eq!(project["owner"], user["pk"], "only then is there a menu to delete it");
    let id = project["id"].clone();
    ui.get(&format!("project/{id}/")).await;
    let summary = ui.get(&format!("project_summary/{id}/")).await;
    assert!(["n_data", "n_complete_jobs", "n_models"].iter().all(|figure| summary[*figure].is_i64()), "{summary}");
    for list in ["retraining_schedule", "deployment_slot", "ab_test", "training_data", "model_configuration", "api_keys"] {
        assert_eq!(ui.rows(&format!("{list}/?project={id}")).await.len(), 0, "{list}");
    }
    let data = ui.upload(&id, "data.csv", &visits()).await["id"].clone();
    let listed = ui.rows(&format!("training_data/?project={id}")).await;
    assert_eq!((&listed[0]["id"], listed[0]["filesize"].is_i64()), (&data, true));
    let shown = ui.get(&format!("training_data/{data}/")).await;
    let preview = ui.get(&format!("training_data/{data}/preview/?n_rows=50")).await;
    assert_eq!((&preview["columns"], preview["rows"][0].is_array()), (&json!(["user_id", "item_id"]), true));
    let file = ui.send(Method::GET, shown["file"].as_str().expect("an address"), "").await.expect(200);
    assert_eq!(file.bytes, visits().into_bytes(), "the button opens what `file` says");
    (id, data)
}

/// Starts a search as its wizard does, except that it is shorter.
async fn search(ui: &Browser, project: &Value, data: &Value) -> Value {
    let split = json!({ "scheme": "RG", "heldout_ratio": 0.2, "test_user_ratio": 0.5, "random_seed": 42 });
    let split = ui.make("split_config/", split).await;
    let evaluation = ui.make("evaluation_config/", json!({ "target_metric": "ndcg", "cutoff": 10 })).await;
    let job = json!({ "data": data, "split": split["id"], "evaluation": evaluation["id"], "n_tasks_parallel": 2, "n_trials": 2,
        "memory_budget": 2048, "train_after_tuning": true, "tried_algorithms_json": ["TopPop", "CosineKNN"] });
    let job = ui.make("parameter_tuning_job/", job).await["id"].clone();
    let path = format!("parameter_tuning_job/{job}/");
    let done = ui.until(&path, "COMPLETED").await;
    assert!(done["best_score"].is_f64() && done["best_config"].is_i64(), "{done}");
    assert!(done["irspack_version"].as_str().is_some_and(|version| version.len() <= 16), "{done}");
    let rows = ui.rows(&format!("parameter_tuning_job/?data__project={project}")).await;
    assert_eq!(rows.iter().filter(|row| !row["best_config"].is_null()).count(), 1, "what is compared");
    assert!(!ui.rows(&format!("task_log/?tuning_job_id={job}")).await.is_empty());
    ui.until(&format!("trained_model/{}/", done["tuned_model"]), "COMPLETED").await;
    done
}

/// Creates slots and a test of two of them, and promotes its winner.
async fn traffic(ui: &Browser, project: &Value, models: &[Value]) {
    let slot = async |name: &str, model: &Value| {
        let slot = json!({ "project": project, "name": name, "trained_model": model["id"], "weight": 50 });
        ui.make("deployment_slot/", slot).await["id"].clone()
    };
    let (control, variant) = (slot("A", &models[0]).await, slot("B", &models[1]).await);
    let changed = ui.change(&format!("deployment_slot/{variant}/"), json!({ "weight": 40 })).await;
    assert_eq!(changed["weight"], 40.0);
    for active in [false, true] {
        let changed = ui.change(&format!("deployment_slot/{variant}/"), json!({ "is_active": active })).await;
        assert_eq!(changed["is_active"], active);
    }
    // The preset of its form is a word that 1.x's own server refuses.
    let test = json!({ "project": project, "name": "T", "control_slot": control, "variant_slot": variant,
        "target_metric_name": "click_through_rate", "min_sample_size": 1000, "confidence_level": 0.95 });
    let path = format!("ab_test/{}/", ui.make("ab_test/", test).await["id"]);
    assert_eq!(ui.act(&format!("{path}start/"), Value::Null).await["status"], "RUNNING");
    let results = ui.get(&format!("{path}results/")).await;
    for figure in ["control_rate", "variant_rate", "z_score", "p_value", "lift"] {
        assert!(results[figure].is_f64(), "{figure}: {results}");
    }
    assert_eq!(ui.act(&format!("{path}stop/"), Value::Null).await["status"], "COMPLETED");
    let promoted = ui.act(&format!("{path}promote_winner/"), json!({ "slot_id": variant })).await;
    assert_eq!(promoted, json!({ "status": "promoted", "winner_slot_id": variant }));
    assert_eq!(ui.get(&path).await["winner_slot"], variant);
    for slot in [control, variant] {
        ui.change(&format!("deployment_slot/{slot}/"), json!({ "is_active": false })).await;
        ui.delete(&format!("deployment_slot/{slot}/")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_the_1x_ui_work() {
    let app = TestApp::start_with_worker().await;
    app.user("margarete").await;
    let ui = Browser::log_in(&app, "margarete").await;
    let (project, data) = project_and_data(&ui).await;
    let job = search(&ui, &project, &data).await;

    let configurations = ui.rows(&format!("model_configuration/?project={project}")).await;
    assert_eq!(configurations[0]["id"], job["best_config"]);
    let by_hand = ui.make("trained_model/", json!({ "data_loc": data, "configuration": job["best_config"] })).await;
    ui.until(&format!("trained_model/{}/", by_hand["id"]), "COMPLETED").await;
    let models = ui.rows(&format!("trained_model/?data_loc__project={project}")).await;
    assert!(models.len() == 2 && models.iter().all(|model| model["file"].is_string()), "{models:?}");
    let list = format!("trained_model/{}/recommendation/?user_id=u0&cutoff=3", by_hand["id"]);
    let list = ui.get(&list).await;
    assert!(list[0]["item_id"].is_string() && list[0]["score"].is_f64(), "{list}");

    // Two of the scopes that its form offers are other names for predictions.
    let key = json!({ "project": project, "name": "shop", "scopes": ["recommend", "predict"] });
    let key = ui.make("api_keys/", key).await;
    assert!(key["key"].is_string() && key["scopes"].is_array());
    assert_eq!(ui.act(&format!("api_keys/{}/revoke/", key["id"]), Value::Null).await["status"], "revoked");
    assert!(ui.rows(&format!("api_keys/?project={project}")).await[0]["key_prefix"].is_string());
    ui.delete(&format!("api_keys/{}/", key["id"])).await;

    let schedule =
        json!({ "project": project, "cron_expression": "0 2 * * 0", "retune": false, "auto_deploy": false, "is_enabled": true });
    let schedule = ui.make("retraining_schedule/", schedule).await["id"].clone();
    let path = format!("retraining_schedule/{schedule}/");
    assert_eq!(ui.change(&path, json!({ "cron_expression": "30 3 * * *" })).await["cron_expression"], "30 3 * * *");
    let triggered = ui.send(Method::POST, &format!("{path}trigger/"), "").await.expect(202).body;
    assert_eq!(triggered["status"], "triggered");
    assert_eq!(ui.rows(&format!("retraining_run/?schedule={schedule}")).await.len(), 1);
    assert_eq!(ui.change(&path, json!({ "is_enabled": false })).await["is_enabled"], false);
    app.idle().await;

    traffic(&ui, &project, &models).await;
    for model in &models {
        ui.delete(&format!("trained_model/{}/", model["id"])).await;
    }
    ui.delete(&format!("model_configuration/{}/", job["best_config"])).await;
    ui.delete(&format!("training_data/{data}/")).await;
    ui.delete(&format!("project/{project}/")).await;
    let again = ui.send(Method::POST, "auth/token/refresh/", "").await.expect(200).body;
    assert!(again["access"].is_string());
    ui.send(Method::POST, "auth/logout/", "").await.expect(200);
    ui.send(Method::GET, "auth/user/", "").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_users_works() {
    let app = TestApp::start().await;
    app.staff("boss").await;
    let ui = Browser::log_in(&app, "boss").await;
    assert!(ui.get("users/").await.is_array());
    let new = json!({ "username": "helper", "password": PASSWORD, "email": "", "is_staff": false });
    let helper = ui.make("users/", new).await["id"].clone();
    for (action, active) in [("deactivate", false), ("activate", true)] {
        assert_eq!(ui.act(&format!("users/{helper}/{action}/"), Value::Null).await["is_active"], active);
    }
    let reset = ui.act(&format!("users/{helper}/reset_password/"), json!({ "new_password": "quite another phrase" })).await;
    assert!(reset["detail"].is_string());
    let change = json!({ "old_password": PASSWORD, "new_password": "quite another phrase" });
    assert!(ui.act("users/change_password/", change).await["detail"].is_string());
}
