//! One tenant with a row in every table.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::slots::give_file;
use super::{Caller, TestApp};

/// Ids by the first segment of their paths, or by the name of a path's parameter.
pub type Ids = BTreeMap<&'static str, i64>;

/// Objects without a list, or with a list that is not limited to the caller's own.
pub const WITHOUT_A_LIST: [&str; 11] = [
    "project_summary",
    "users",
    "user_id",
    "auth",
    "organisation",
    "invitation_id",
    "metadata_id",
    "variant_slot",
    "model_id",
    "project_id",
    "message_id",
];

/// Returns the id of a message by its number among the ids.
pub fn message_id(number: i64) -> uuid::Uuid {
    uuid::Uuid::from_u128(u128::from(number.unsigned_abs()))
}

pub const INTERACTIONS: &str = "user_id,item_id\nu1,a\nu1,b\nu2,a\nu2,c\nu3,b\nu3,c\nu4,a\nu4,b\nu4,c\n";

/// Creates everything that a tenant may own. Without a worker its jobs stay in the queue.
pub async fn fill(app: &TestApp, owner: &Caller) -> Ids {
    let project =
        owner.post("project/", json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" })).await.expect(201).id();
    let data = owner.upload(project, "data.csv", INTERACTIONS).await.expect(201).id();
    let [split, evaluation] = configs(owner, project).await;
    let configuration = json!({ "project": project, "name": "c", "recommender_class_name": "TopPopRecommender" });
    let configuration = owner.post("model_configuration/", configuration).await.expect(201).id();
    let model = owner.post("trained_model/", json!({ "configuration": configuration, "data_loc": data })).await.expect(201).id();
    give_file(app, model).await;
    let job = json!({ "data": data, "split": split, "evaluation": evaluation, "n_trials": 1, "tried_algorithms_json": ["TopPop"],
        "train_after_tuning": false });
    let job = owner.post("parameter_tuning_job/", job).await.expect(201).id();
    let key = owner.post("api_keys/", json!({ "project": project, "name": "k", "scopes": ["read"] })).await.expect(201).id();
    app.execute(&format!("INSERT INTO task_logs (tuning_job_id, contents) VALUES ({job}, 'secret')")).await;
    let log = owner.get("task_log/").await.expect(200).body["results"][0]["id"].as_i64().expect("a line of the log");
    let mut ids = BTreeMap::from([
        ("project", project),
        ("project_summary", project),
        ("project_id", project),
        ("training_data", data),
        ("split_config", split),
        ("evaluation_config", evaluation),
        ("model_configuration", configuration),
        ("trained_model", model),
        ("model_id", model),
        ("parameter_tuning_job", job),
        ("api_keys", key),
        ("task_log", log),
    ]);
    ids.extend(metadata(owner, project, data).await);
    let change = format!("({project}, 'c', '{{\"title\": \"C\"}}', 14)");
    app.execute(&format!("INSERT INTO item_changes (project_id, item_id, cells, bytes) VALUES {change}")).await;
    app.execute(&format!(
        "INSERT INTO studio_runs (project_id, name, goal, budget_seconds, mapping, stages) VALUES ({project}, 'P', 'auto', 60, '{{}}', '[]')"
    ))
    .await;
    ids.insert("studio", owner.get("studio/").await.expect(200).body["results"][0]["id"].as_i64().expect("a run"));
    ids.extend(traffic(owner, &ids).await);
    ids.extend(people(app, owner, project).await);
    ids.extend(other_programs(app, owner, project).await);
    ids.extend(sources(app, owner, &ids).await);
    ids
}

/// Creates a split and an evaluation config of a project.
async fn configs(owner: &Caller, project: i64) -> [i64; 2] {
    let make = async |kind: &str| owner.post(kind, json!({ "project": project })).await.expect(201).id();
    [make("split_config/").await, make("evaluation_config/").await]
}

/// Uploads item and user metadata, and measures what a column of the items is worth.
async fn metadata(owner: &Caller, project: i64, data: i64) -> Ids {
    let items = owner.upload_items(project, "items.csv", "item_id,title\na,A\nb,B\n1,C\n").await.expect(201).id();
    let users = owner.upload_users(project, "users.csv", "user_id,country\nu1,jp\nu2,de\n").await.expect(201).id();
    let spec = json!({ "version": 1, "fields": [{ "column": "title", "kind": "category", "options": { "min_count": 1 } }] });
    let set = json!({ "project": project, "name": "f", "spec": spec });
    let set = owner.post("feature_sets/", set).await.expect(201).id();
    let measurement = json!({ "feature_set": set, "data": data });
    let measurement = owner.post("feature_measurements/", measurement).await.expect(201).id();
    BTreeMap::from([
        ("item_meta_data", items),
        ("metadata_id", items),
        ("user_meta_data", users),
        ("feature_sets", set),
        ("feature_measurements", measurement),
    ])
}

/// Creates two slots that a test compares, an event, and a schedule that ran once.
async fn traffic(owner: &Caller, ids: &Ids) -> Ids {
    let (project, model) = (ids["project"], ids["trained_model"]);
    let slot = async |name: &str| {
        let slot = json!({ "project": project, "name": name, "trained_model": model });
        owner.post("deployment_slot/", slot).await.expect(201).id()
    };
    let (control, variant) = (slot("A").await, slot("B").await);
    let event = json!({ "project": project, "deployment_slot": control, "user_id": "u1", "item_id": "a", "event_type": "click" });
    let event = owner.post("conversion_event/", event).await.expect(201).id();
    let test = json!({ "project": project, "name": "t", "control_slot": control, "variant_slot": variant });
    let test = owner.post("ab_test/", test).await.expect(201).id();
    let schedule = json!({ "project": project, "training_data": ids["training_data"],
        "model_configuration": ids["model_configuration"], "is_enabled": true });
    let schedule = owner.post("retraining_schedule/", schedule).await.expect(201).id();
    owner.post(&format!("retraining_schedule/{schedule}/trigger/"), json!({})).await.expect(202);
    let newest = async |list: &str| owner.get(list).await.expect(200).body["results"][0]["id"].as_i64().expect("a row");
    BTreeMap::from([
        ("deployment_slot", control),
        ("variant_slot", variant),
        ("slot_change", newest("slot_change/").await),
        ("conversion_event", event),
        ("ab_test", test),
        ("retraining_schedule", schedule),
        ("retraining_run", newest("retraining_run/").await),
    ])
}

/// Creates a guest in the organisation of the project, an invitation to it, and the session of its owner.
async fn people(app: &TestApp, owner: &Caller, project: i64) -> Ids {
    let owner_name = owner.get("auth/user/").await.expect(200).body["username"].as_str().expect("a name").to_owned();
    let guest_name = format!("{owner_name}-guest");
    let guest = app.user(&guest_name).await.get("auth/user/").await.expect(200).body["pk"].as_i64().expect("an id");
    app.join(&guest_name, &owner_name, "viewer").await;
    let organisation = owner.get(&format!("project/{project}/")).await.expect(200).body["organisation"].as_i64().expect("an id");
    let invitations = format!("organisation/{organisation}/invitations/");
    let session = owner.get("auth/sessions/").await.expect(200).body[0]["id"].as_i64().expect("a session");
    BTreeMap::from([
        ("organisation", organisation),
        ("users", guest),
        ("user_id", guest),
        ("auth", session),
        ("invitation_id", owner.post(&invitations, json!({ "role": "viewer" })).await.expect(201).id()),
    ])
}

/// Creates an app that was used, an endpoint with a message that was sent, and a notification.
async fn other_programs(app: &TestApp, owner: &Caller, project: i64) -> Ids {
    let shop = owner.post("app/", json!({ "project": project, "name": "shop" })).await.expect(201).id();
    app.execute(&format!("INSERT INTO app_usage (app_id, day, requests) VALUES ({shop}, '2026-01-31', 1)")).await;
    let endpoint = json!({ "project": project, "app": shop, "url": "https://receiver.example/hook" });
    let endpoint = owner.post("webhook_endpoint/", endpoint).await.expect(201).id();
    let message = message_id(endpoint);
    app.execute(&format!(
        "INSERT INTO webhook_messages (id, endpoint_id, topic, body, state) VALUES ('{message}', {endpoint}, 'model.trained', '{{}}',
            'delivered');
         INSERT INTO webhook_attempts (message_id, number, endpoint_id, at, status_code, duration_ms)
            VALUES ('{message}', 1, {endpoint}, program_now(), 200, 7)"
    ))
    .await;
    let notification = format!("({project}, 'model.trained', '{{\"model\": 1}}')");
    app.execute(&format!("INSERT INTO notifications (project_id, topic, data) VALUES {notification}")).await;
    let notification = owner.get("notification/").await.expect(200).body["results"][0]["id"].as_i64().expect("a row");
    owner.post("notification/mark_read/", json!({ "until": notification })).await.expect(204);
    BTreeMap::from([("app", shop), ("webhook_endpoint", endpoint), ("message_id", endpoint), ("notification", notification)])
}

/// Creates a connection whose address may not be reached, and a source with a backfill that failed.
async fn sources(app: &TestApp, owner: &Caller, ids: &Ids) -> Ids {
    let settings = json!({ "host": "127.0.0.1", "database": "d", "username": "u" });
    let connection = json!({ "organisation": ids["organisation"], "name": "shop", "kind": "postgresql", "settings": settings });
    let connection = owner.post("data_connection/", connection).await.expect(201).id();
    let query = json!({ "table": "shop.orders", "columns": { "user": "customer", "item": "sku" } });
    let source = json!({ "project": ids["project"], "connection": connection, "name": "Orders", "query": query,
        "cursor_column": "written" });
    let source = owner.post("data_source/", source).await.expect(201).id();
    app.execute(&format!(
        "INSERT INTO source_runs (data_source_id, project_id, cause, state, cursor_kind, window_lo, window_hi)
         VALUES ({source}, {}, 'backfill', 'failed', 'time', 1, 2)",
        ids["project"]
    ))
    .await;
    let run = owner.get("source_run/").await.expect(200).body["results"][0]["id"].as_i64().expect("a run");
    BTreeMap::from([("data_connection", connection), ("data_source", source), ("source_run", run)])
}

/// Creates the same with its jobs finished, and with rows to spare for the calls that delete one.
pub async fn fill_and_finish(app: &TestApp, owner: &Caller) -> Ids {
    let mut ids = fill(app, owner).await;
    let ended = |body: &Value| matches!(body["status"].as_str(), Some("COMPLETED" | "FAILED"));
    let model = owner.wait_for(&format!("trained_model/{}/", ids["trained_model"]), ended).await;
    assert_eq!(model["status"], "COMPLETED", "{model}");
    app.idle().await;
    let spare = owner.upload(ids["project"], "spare.csv", INTERACTIONS).await.expect(201).id();
    ids.insert("spare_data", spare);
    let [split, evaluation] = configs(owner, ids["project"]).await;
    ids.extend([("spare_split", split), ("spare_evaluation", evaluation)]);
    ids
}
