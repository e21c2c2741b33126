//! One tenant with a row of everything.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

/// Ids by the first segment of their paths, or by the name of a path's parameter.
pub type Ids = BTreeMap<&'static str, i64>;

pub const INTERACTIONS: &str = "user_id,item_id\nu1,a\nu1,b\nu2,a\nu2,c\nu3,b\nu3,c\nu4,a\nu4,b\nu4,c\n";

/// Everything a tenant may own. Without a worker its jobs stay in the queue.
pub async fn fill(app: &TestApp, owner: &Caller) -> Ids {
    let project =
        owner.post("project/", json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" })).await.expect(201).id();
    let data = owner.upload(project, "data.csv", INTERACTIONS).await.expect(201).id();
    let split = owner.post("split_config/", json!({})).await.expect(201).id();
    let evaluation = owner.post("evaluation_config/", json!({})).await.expect(201).id();
    let configuration = json!({ "project": project, "name": "c", "recommender_class_name": "TopPopRecommender" });
    let configuration = owner.post("model_configuration/", configuration).await.expect(201).id();
    let model = owner.post("trained_model/", json!({ "configuration": configuration, "data_loc": data })).await.expect(201).id();
    let job = json!({ "data": data, "split": split, "evaluation": evaluation, "n_trials": 1, "tried_algorithms_json": ["TopPop"],
        "train_after_tuning": false });
    let job = owner.post("parameter_tuning_job/", job).await.expect(201).id();
    let key = owner.post("api_keys/", json!({ "project": project, "name": "k", "scopes": ["read"] })).await.expect(201).id();
    app.execute(&format!("INSERT INTO task_logs (tuning_job_id, contents) VALUES ({job}, 'secret')")).await;
    let log = owner.get("task_log/").await.expect(200).body["results"][0]["id"].as_i64().expect("a line of the log");
    BTreeMap::from([
        ("project", project),
        ("project_summary", project),
        ("training_data", data),
        ("split_config", split),
        ("evaluation_config", evaluation),
        ("model_configuration", configuration),
        ("trained_model", model),
        ("parameter_tuning_job", job),
        ("api_keys", key),
        ("task_log", log),
    ])
}

/// The same with its jobs done, and with rows to spare for the calls that take one away.
pub async fn fill_and_finish(app: &TestApp, owner: &Caller) -> Ids {
    let mut ids = fill(app, owner).await;
    let ended = |body: &Value| matches!(body["status"].as_str(), Some("COMPLETED" | "FAILED"));
    let model = owner.wait_for(&format!("trained_model/{}/", ids["trained_model"]), ended).await;
    assert_eq!(model["status"], "COMPLETED", "{model}");
    owner.wait_for(&format!("parameter_tuning_job/{}/", ids["parameter_tuning_job"]), ended).await;
    let spare = owner.upload(ids["project"], "spare.csv", INTERACTIONS).await.expect(201).id();
    ids.insert("spare_data", spare);
    ids
}
