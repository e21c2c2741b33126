//! Ids in bodies: all that refer to nothing are reported at once, together with other faults.

use serde_json::{Value, json};

use crate::support::{Answer, Caller, TestApp};

/// Returns the fields that a response reports as invalid.
#[track_caller]
fn named(answer: Answer) -> Vec<String> {
    let body = answer.expect(400).body;
    body.as_object().expect("faults by field").keys().cloned().collect()
}

async fn refused(caller: &Caller, path: &str, body: Value, fields: &[&str]) {
    assert_eq!(named(caller.post(path, body).await), fields, "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_id_of_a_body_that_refers_to_nothing_is_named_beside_all_other_faults() {
    let app = TestApp::start().await;
    let caller = app.user("caller").await;
    let search = json!({ "data": 999, "split": 999, "evaluation": 999 });
    refused(&caller, "parameter_tuning_job/", search, &["data", "evaluation", "split"]).await;
    let search = json!({ "data": 999, "split": 999, "evaluation": 999, "n_trials": -1, "n_tasks_parallel": "x" });
    refused(&caller, "parameter_tuning_job/", search, &["data", "evaluation", "n_tasks_parallel", "n_trials", "split"]).await;
    refused(&caller, "trained_model/", json!({ "data_loc": 999, "configuration": 999 }), &["configuration", "data_loc"]).await;
    let measurement = json!({ "feature_set": 999, "data": 999, "algorithm": "TopPop" });
    refused(&caller, "feature_measurements/", measurement, &["algorithm", "data", "feature_set"]).await;
    let set = json!({ "project": 999, "name": "s", "spec": { "version": 1, "fields": [{ "column": "a" }] } });
    refused(&caller, "feature_sets/", set, &["project", "spec"]).await;
    let slot = json!({ "project": 999, "trained_model": 999, "name": "s", "weight": -1 });
    refused(&caller, "deployment_slot/", slot, &["project", "trained_model", "weight"]).await;
    let test = json!({ "project": 999, "control_slot": 998, "variant_slot": 999, "confidence_level": 2 });
    refused(&caller, "ab_test/", test, &["confidence_level", "control_slot", "name", "project", "variant_slot"]).await;
    let schedule = json!({
        "project": 999, "training_data": 999, "model_configuration": 999, "split_config": 999, "evaluation_config": 999,
        "cron_expression": "x",
    });
    let all = ["cron_expression", "evaluation_config", "model_configuration", "project", "split_config", "training_data"];
    refused(&caller, "retraining_schedule/", schedule, &all).await;
    let key = json!({ "project": 999, "name": "k", "scopes": ["nonsense"] });
    refused(&caller, "api_keys/", key, &["project", "scopes"]).await;
    let configuration = json!({ "project": 999, "recommender_class_name": "Nonsense" });
    refused(&caller, "model_configuration/", configuration, &["project", "recommender_class_name"]).await;
    refused(&caller, "project/", json!({ "organisation": 999, "name": "p" }), &["item_column", "organisation", "user_column"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_others_are_named_all_at_once_as_if_there_were_nothing() {
    let app = TestApp::start_with_worker().await;
    let (owner, stranger) = (app.user("owner").await, app.user("stranger").await);
    let project = json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" });
    let project = owner.post("project/", project).await.expect(201).id();
    let data = owner.upload(project, "data.csv", "user_id,item_id\nu,i\n").await.expect(201).id();
    let split = owner.post("split_config/", json!({})).await.expect(201).id();
    let evaluation = owner.post("evaluation_config/", json!({})).await.expect(201).id();
    let configuration = json!({ "project": project, "recommender_class_name": "TopPop" });
    let configuration = owner.post("model_configuration/", configuration).await.expect(201).id();
    let search = json!({ "data": data, "split": split, "evaluation": evaluation });
    refused(&stranger, "parameter_tuning_job/", search, &["data", "evaluation", "split"]).await;
    let model = json!({ "data_loc": data, "configuration": configuration });
    refused(&stranger, "trained_model/", model, &["configuration", "data_loc"]).await;
}
