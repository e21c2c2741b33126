//! Models that wait for their training or appear to be trained, and their slots.

use serde_json::{Value, json};

use super::prepared::{Prepared, prepare};
use super::{Answer, Caller, TestApp};

/// Creates a project with a model that appears to be trained, as long as it is not queried.
pub async fn with_model(app: &TestApp, user: &str) -> (Prepared, i64) {
    let (prepared, model) = with_waiting_model(app, user).await;
    give_file(app, model).await;
    (prepared, model)
}

/// Creates a project with a model that waits for its training.
pub async fn with_waiting_model(app: &TestApp, user: &str) -> (Prepared, i64) {
    let prepared = prepare(app.user(user).await, "P", "TopPop").await;
    let model = model_of(&prepared).await;
    (prepared, model)
}

/// Makes a model look as if it had a file, unless it has one.
pub async fn give_file(app: &TestApp, model: i64) {
    app.execute(&format!(
        "UPDATE trained_models SET storage_key = 'k', signature = 's' WHERE id = {model} AND storage_key IS NULL"
    ))
    .await;
}

/// Starts the training of a model.
pub async fn model_of(prepared: &Prepared) -> i64 {
    let body = json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
    prepared.user.post("trained_model/", body).await.expect(201).id()
}

/// Creates a slot of a project.
pub async fn make(prepared: &Prepared, model: i64, more: Value) -> Answer {
    let mut body = json!({ "project": prepared.project, "name": "A", "trained_model": model });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    prepared.user.post("deployment_slot/", body).await
}

/// Waits until a slot of a project answers a program: a new one waits for its model while others answer. The project has to answer
/// unknown users.
pub async fn answers(app: &TestApp, program: &Caller, project: i64, slot: i64) {
    let path = format!("/inference/predict/project/{project}");
    let answers = async || {
        for visitor in 0..50 {
            let body = json!({ "user_id": format!("visitor {visitor}"), "cutoff": 1 });
            if program.post(&path, body).await.body["slot_id"] == slot {
                return true;
            }
        }
        false
    };
    app.soon("the slot answers", answers).await;
}
