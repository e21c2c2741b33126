//! The expected status of every route. A route of the API document that is missing here fails the test, and so does a line
//! without a route.

use recotem::features::accounts::Role;
use serde_json::{Value, json};

use crate::support::world::Ids;

/// The callers that a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// All callers in the same way: credentials are ignored.
    Public,
    /// All authenticated callers, users and keys: it is about the caller, or the same for all.
    Anybody,
    /// All authenticated callers except keys.
    People,
    /// The staff of the install, without keys.
    Staff,
    /// Rows of the caller's own; an outsider gets an empty list.
    List,
    /// Rows of the caller's own, but not with a key.
    ListForPeople,
    /// The object of the path, in at least this role.
    Object(Role),
    /// The object of the path, in at least this role, but not with a key.
    ObjectForPeople(Role),
    /// A new object below one that the body names, in at least this role there.
    Below(Role),
    /// A new object below one that the body names, in at least this role there, but not with a key.
    BelowForPeople(Role),
    /// An organisation or something of it, in at least this role there; not with a key.
    Organisation(Role),
    /// The list of events: keys need the scope `predict` for everything about events.
    Events,
    /// An event, in at least this role.
    Event(Role),
    /// New events, in at least this role.
    Reporting(Role),
    /// Predictions: keys of the project with the scope `predict` and no other callers, since only the key is read.
    Prediction,
}

/// The body of a call.
#[derive(Clone, Copy)]
pub enum Sends {
    Nothing,
    Json(fn(&Ids) -> Value),
    /// A file of interactions for the project, which also serves as one of item or user metadata.
    File,
}

/// One route and what an authorised caller gets.
pub struct Row {
    pub method: &'static str,
    /// As in the API document, below the base; from the root where it begins with a slash.
    pub path: &'static str,
    pub rule: Rule,
    pub sends: Sends,
    pub query: &'static str,
    /// The status for authorised callers.
    pub done: u16,
}

fn row(method: &'static str, path: &'static str, rule: Rule, done: u16) -> Row {
    Row { method, path, rule, sends: Sends::Nothing, query: "", done }
}

impl Row {
    fn json(self, body: fn(&Ids) -> Value) -> Self {
        Self { sends: Sends::Json(body), ..self }
    }

    fn file(self) -> Self {
        Self { sends: Sends::File, ..self }
    }

    fn query(self, query: &'static str) -> Self {
        Self { query, ..self }
    }
}

/// Returns every route, in an order in which an authorised caller can call them all: deletions come last.
pub fn table() -> Vec<Row> {
    let groups = [
        open(),
        looking(),
        predicting(),
        of_traffic(),
        of_people(),
        of_other_programs(),
        of_sources(),
        changing(),
        making(),
        removing(),
    ];
    groups.into_iter().flatten().collect()
}

fn open() -> Vec<Row> {
    use Rule::{Anybody, People, Public};
    vec![
        row("GET", "", Anybody, 200),
        row("GET", "ping/", Public, 200),
        row("GET", "schema/", Public, 200),
        row("GET", "auth/options/", Public, 200),
        row("POST", "auth/login/", Public, 400),
        row("POST", "/airec/login", Public, 400),
        row("POST", "/airec/signup", Public, 403),
        row("POST", "auth/sign_up/", Public, 403),
        row("POST", "auth/password/reset/", Public, 200).json(|_| json!({ "email": "nobody@example.com" })),
        row("POST", "auth/password/reset/confirm/", Public, 400),
        row("POST", "auth/token/refresh/", Public, 401),
        row("POST", "auth/token/verify/", Public, 401).json(|_| json!({ "token": "x" })),
        row("GET", "auth/user/", Anybody, 200),
        row("PUT", "auth/user/", People, 400).json(|_| json!({})),
        row("PATCH", "auth/user/", People, 200).json(|_| json!({ "first_name": "A" })),
        row("POST", "users/change_password/", People, 400).json(|_| json!({ "old_password": "wrong", "new_password": "w" })),
        row("POST", "auth/password/change/", People, 400),
        row("GET", "auth/sessions/", People, 200),
        row("DELETE", "auth/sessions/{id}/", People, 404),
        row("POST", "invitation/look_up/", Public, 404).json(|_| json!({ "token": "x" })),
        row("POST", "invitation/accept/", People, 404).json(|_| json!({ "token": "x" })),
        row("GET", "algorithms/", Anybody, 200),
    ]
}

fn looking() -> Vec<Row> {
    use Rule::{List, Object};
    let viewer = Role::Viewer;
    vec![
        row("GET", "project/", List, 200),
        row("GET", "project/{id}/", Object(viewer), 200),
        row("GET", "project/{id}/items/", Object(viewer), 200),
        row("GET", "project/{id}/users/", Object(viewer), 200),
        row("GET", "project_summary/{id}/", Object(viewer), 200),
        row("GET", "training_data/", List, 200),
        row("GET", "training_data/{id}/", Object(viewer), 200),
        row("GET", "training_data/{id}/preview/", Object(viewer), 200),
        row("GET", "training_data/{id}/download_file/", Object(viewer), 200),
        row("GET", "training_data/{id}/rejected_rows/", Object(viewer), 404),
        row("GET", "item_meta_data/", List, 200),
        row("GET", "item_meta_data/{id}/", Object(viewer), 200),
        row("GET", "item_meta_data/{id}/preview/", Object(viewer), 200),
        row("GET", "item_meta_data/{id}/download_file/", Object(viewer), 200),
        row("GET", "user_meta_data/", List, 200),
        row("GET", "user_meta_data/{id}/", Object(viewer), 200),
        row("GET", "user_meta_data/{id}/preview/", Object(viewer), 200),
        row("GET", "user_meta_data/{id}/download_file/", Object(viewer), 200),
        row("GET", "feature_sets/", List, 200),
        row("GET", "feature_sets/{id}/", Object(viewer), 200),
        row("GET", "feature_sets/columns/", Object(viewer), 200).query("project={project}"),
        row("GET", "feature_measurements/", List, 200),
        row("GET", "feature_measurements/{id}/", Object(viewer), 200),
        row("GET", "/airec/projects", List, 200),
        row("GET", "/airec/project/{id}/status", Object(viewer), 200),
        row("GET", "/airec/project/{id}/items", Object(viewer), 200),
        row("GET", "/airec/project/{id}/users", Object(viewer), 200),
        row("GET", "/airec/project/{id}/recommendations", Object(viewer), 200).query("user_id=u1"),
        row("GET", "/airec/api/apps", List, 200),
        row("GET", "/airec/api/apps/usage", List, 200),
        row("GET", "destination/", List, 200),
        row("GET", "destination/{id}/", Object(viewer), 200),
        row("GET", "delivery/", List, 200),
        row("GET", "delivery/{id}/", Object(viewer), 200),
        row("GET", "delivery/{id}/download/", Object(viewer), 200),
        row("GET", "pipeline_run/", List, 200),
        row("GET", "studio/", List, 200),
        row("GET", "studio/{id}/", Object(viewer), 200),
        row("GET", "item/{item}/", Object(viewer), 200).query("project={project}"),
        row("GET", "split_config/", List, 200),
        row("GET", "split_config/{id}/", Object(viewer), 200),
        row("GET", "evaluation_config/", List, 200),
        row("GET", "evaluation_config/{id}/", Object(viewer), 200),
        row("GET", "model_configuration/", List, 200),
        row("GET", "model_configuration/{id}/", Object(viewer), 200),
        row("GET", "trained_model/", List, 200),
        row("GET", "trained_model/{id}/", Object(viewer), 200),
        row("GET", "trained_model/{id}/download_file/", Object(viewer), 200),
        row("GET", "trained_model/{id}/recommendation/", Object(viewer), 200).query("user_id=u1"),
        row("GET", "trained_model/{id}/sample_recommendation_raw/", Object(viewer), 200),
        row("GET", "trained_model/{id}/sample_recommendation_metadata/{metadata_id}/", Object(viewer), 200),
        row("GET", "trained_model/{id}/similar/", Object(viewer), 400),
        row("GET", "trained_model/{id}/off_policy/", Object(viewer), 200),
        row("GET", "parameter_tuning_job/", List, 200),
        row("GET", "parameter_tuning_job/{id}/", Object(viewer), 200),
        row("GET", "parameter_tuning_job/{id}/trials/", Object(viewer), 200),
        row("GET", "task_log/", List, 200),
        row("GET", "task_log/{id}/", Object(viewer), 200),
        row("GET", "api_keys/", List, 200),
        row("GET", "api_keys/{id}/", Object(viewer), 200),
    ]
}

fn predicting() -> Vec<Row> {
    use Rule::{Prediction, Public};
    let user = |_: &Ids| json!({ "user_id": "u1" });
    vec![
        row("GET", "/inference/health", Public, 200),
        row("GET", "/inference/ready", Public, 200),
        row("GET", "/inference/models", Public, 200),
        row("POST", "/inference/predict/{model_id}", Prediction, 200).json(user),
        row("POST", "/inference/predict/{model_id}/batch", Prediction, 200).json(|_| json!({ "user_ids": ["u1"] })),
        row("POST", "/inference/predict/project/{project_id}", Prediction, 200).json(user),
        row("POST", "/inference/next/{model_id}", Prediction, 200).json(|_| json!({ "session": ["a"] })),
        row("POST", "/airec/api/recommend", Prediction, 200).json(|ids| json!({ "project_id": ids["project"], "user_id": "u1" })),
        row("POST", "/inference/related/{model_id}", Prediction, 200).json(|_| json!({ "item_ids": ["a"] })),
    ]
}

/// Returns the routes about traffic, in the order in which a project uses them.
fn of_traffic() -> Vec<Row> {
    use Rule::{Below, Event, Events, List, Object, Reporting};
    let (viewer, editor) = (Role::Viewer, Role::Editor);
    vec![
        row("GET", "deployment_slot/", List, 200),
        row("GET", "deployment_slot/{id}/", Object(viewer), 200),
        row("GET", "deployment_slot/{id}/comparison/", Object(viewer), 200),
        row("POST", "deployment_slot/", Below(editor), 201).json(
            |ids| json!({ "project": ids["project"], "name": "new", "trained_model": ids["trained_model"], "is_active": false }),
        ),
        row("PUT", "deployment_slot/{id}/", Object(editor), 200)
            .json(|ids| json!({ "project": ids["project"], "name": "A", "trained_model": ids["trained_model"] })),
        row("PATCH", "deployment_slot/{id}/", Object(editor), 200).json(|_| json!({ "weight": 60 })),
        row("GET", "slot_change/", List, 200),
        row("GET", "slot_change/{id}/", Object(viewer), 200),
        row("POST", "slot_change/{id}/revert/", Object(editor), 200),
        row("GET", "conversion_event/", Events, 200),
        row("GET", "conversion_event/daily_counts/", Events, 200),
        row("GET", "conversion_event/{id}/", Event(viewer), 200),
        row("POST", "conversion_event/", Reporting(editor), 201).json(event),
        row("POST", "conversion_event/batch/", Reporting(editor), 201).json(|ids| json!({ "events": [event(ids)] })),
        row("PUT", "conversion_event/{id}/", Event(editor), 200).json(event),
        row("PATCH", "conversion_event/{id}/", Event(editor), 200).json(|_| json!({ "item_id": "b" })),
        row("DELETE", "conversion_event/{id}/", Event(editor), 204),
        row("GET", "ab_test/", List, 200),
        row("GET", "ab_test/{id}/", Object(viewer), 200),
        row("POST", "ab_test/", Below(editor), 201).json(ab_test),
        row("PUT", "ab_test/{id}/", Object(editor), 200).json(ab_test),
        row("PATCH", "ab_test/{id}/", Object(editor), 200).json(|_| json!({ "name": "other" })),
        row("POST", "ab_test/{id}/start/", Object(editor), 200),
        row("GET", "ab_test/{id}/results/", Object(viewer), 200),
        row("POST", "ab_test/{id}/stop/", Object(editor), 200),
        row("POST", "ab_test/{id}/promote_winner/", Object(editor), 200).json(|ids| json!({ "slot_id": ids["deployment_slot"] })),
        row("DELETE", "ab_test/{id}/", Object(editor), 204),
        row("GET", "retraining_schedule/", List, 200),
        row("GET", "retraining_schedule/{id}/", Object(viewer), 200),
        row("GET", "retraining_run/", List, 200),
        row("GET", "retraining_run/{id}/", Object(viewer), 200),
        row("PUT", "retraining_schedule/{id}/", Object(editor), 200).json(schedule),
        row("PATCH", "retraining_schedule/{id}/", Object(editor), 200).json(|_| json!({ "is_enabled": true })),
        row("POST", "retraining_schedule/{id}/trigger/", Object(editor), 202),
        row("DELETE", "retraining_schedule/{id}/", Object(editor), 204),
        row("POST", "retraining_schedule/", Below(editor), 201).json(schedule),
    ]
}

fn event(ids: &Ids) -> Value {
    json!({ "project": ids["project"], "deployment_slot": ids["deployment_slot"], "user_id": "u1", "item_id": "a",
        "event_type": "click" })
}

fn ab_test(ids: &Ids) -> Value {
    json!({ "project": ids["project"], "name": "new", "control_slot": ids["deployment_slot"], "variant_slot": ids["variant_slot"] })
}

fn schedule(ids: &Ids) -> Value {
    json!({ "project": ids["project"], "training_data": ids["training_data"],
        "model_configuration": ids["model_configuration"] })
}

fn of_people() -> Vec<Row> {
    use Rule::{ListForPeople, Organisation, People, Staff};
    let (viewer, admin) = (Role::Viewer, Role::Admin);
    vec![
        row("GET", "users/", Staff, 200),
        row("POST", "users/", Staff, 201).json(|_| json!({ "username": "made", "password": "a long phrase of their own" })),
        row("GET", "users/{id}/", Staff, 200),
        row("PATCH", "users/{id}/", Staff, 200),
        row("POST", "users/{id}/deactivate/", Staff, 200),
        row("POST", "users/{id}/activate/", Staff, 200),
        row("POST", "users/{id}/reset_password/", Staff, 200).json(|_| json!({ "new_password": "another phrase of their own" })),
        row("POST", "users/{id}/password_reset_link/", Staff, 200),
        row("GET", "audit_log/", ListForPeople, 200),
        row("GET", "audit_log/export/", ListForPeople, 200),
        row("GET", "organisation/", ListForPeople, 200),
        row("POST", "organisation/", People, 201).json(|_| json!({ "name": "new" })),
        row("GET", "organisation/{id}/", Organisation(viewer), 200),
        row("PATCH", "organisation/{id}/", Organisation(admin), 200).json(|_| json!({ "name": "renamed" })),
        row("GET", "organisation/{id}/members/", Organisation(viewer), 200),
        row("PATCH", "organisation/{id}/members/{user_id}/", Organisation(admin), 200).json(|_| json!({ "role": "viewer" })),
        row("GET", "organisation/{id}/invitations/", Organisation(admin), 200),
        row("POST", "organisation/{id}/invitations/", Organisation(admin), 201).json(|_| json!({ "role": "viewer" })),
        row("DELETE", "organisation/{id}/invitations/{invitation_id}/", Organisation(admin), 204),
        row("DELETE", "organisation/{id}/members/{user_id}/", Organisation(admin), 204),
        // It was created with an account, and is deleted only with it.
        row("DELETE", "organisation/{id}/", Organisation(Role::Owner), 409),
    ]
}

fn of_other_programs() -> Vec<Row> {
    use Rule::{BelowForPeople, List, Object, ObjectForPeople, People};
    let (viewer, admin) = (Role::Viewer, Role::Admin);
    vec![
        row("GET", "app/", List, 200),
        row("GET", "app/{id}/", Object(viewer), 200),
        row("GET", "app/{id}/usage/", Object(viewer), 200),
        row("POST", "app/", BelowForPeople(admin), 201).json(|ids| json!({ "project": ids["project"], "name": "new" })),
        row("PUT", "app/{id}/", ObjectForPeople(admin), 200).json(|_| json!({ "name": "shop" })),
        row("PATCH", "app/{id}/", ObjectForPeople(admin), 200).json(|_| json!({ "allowed_origins": ["https://shop.example"] })),
        row("POST", "app/{id}/new_key/", ObjectForPeople(admin), 200),
        row("GET", "webhook_endpoint/", List, 200),
        row("GET", "webhook_endpoint/{id}/", Object(viewer), 200),
        row("POST", "webhook_endpoint/", BelowForPeople(admin), 201).json(endpoint),
        row("PUT", "webhook_endpoint/{id}/", ObjectForPeople(admin), 200).json(endpoint),
        row("PATCH", "webhook_endpoint/{id}/", ObjectForPeople(admin), 200).json(|_| json!({ "description": "d" })),
        row("POST", "webhook_endpoint/{id}/rotate_secret/", ObjectForPeople(admin), 200),
        row("POST", "webhook_endpoint/{id}/test/", ObjectForPeople(admin), 202),
        row("POST", "webhook_endpoint/{id}/replay/", ObjectForPeople(admin), 202)
            .json(|_| json!({ "since": "2026-01-01T00:00:00Z" })),
        row("GET", "webhook_endpoint/{id}/messages/", Object(viewer), 200),
        row("GET", "webhook_endpoint/{id}/messages/{message_id}/", Object(viewer), 200),
        row("POST", "webhook_endpoint/{id}/messages/{message_id}/retry/", ObjectForPeople(admin), 202),
        row("GET", "notification/", List, 200),
        row("POST", "notification/mark_read/", People, 204).json(|ids| json!({ "until": ids["notification"] })),
        row("DELETE", "webhook_endpoint/{id}/", ObjectForPeople(admin), 204),
        row("DELETE", "app/{id}/", ObjectForPeople(admin), 204),
    ]
}

/// Returns the routes about connections and sources. Nothing can be reached: the address of the connection is refused.
fn of_sources() -> Vec<Row> {
    use Rule::{BelowForPeople, List, ListForPeople, Object, ObjectForPeople, Organisation};
    let (viewer, editor, admin) = (Role::Viewer, Role::Editor, Role::Admin);
    vec![
        row("GET", "data_connection/", ListForPeople, 200),
        row("GET", "data_connection/{id}/", Organisation(editor), 200),
        row("POST", "data_connection/", BelowForPeople(admin), 201).json(connection),
        row("PUT", "data_connection/{id}/", Organisation(admin), 200).json(|ids| {
            let mut body = connection(ids);
            body["name"] = json!("replaced");
            body
        }),
        row("PATCH", "data_connection/{id}/", Organisation(admin), 200).json(|_| json!({ "name": "shop" })),
        row("POST", "data_connection/{id}/test/", Organisation(editor), 200),
        row("GET", "data_connection/{id}/browse/", Organisation(editor), 400),
        row("GET", "data_connection/{id}/sample/", Organisation(editor), 400).query("path=shop/orders"),
        row("GET", "data_source/", List, 200),
        row("GET", "data_source/{id}/", Object(viewer), 200),
        row("POST", "data_source/", BelowForPeople(editor), 201).json(source),
        row("PUT", "data_source/{id}/", ObjectForPeople(editor), 200).json(source),
        row("PATCH", "data_source/{id}/", ObjectForPeople(editor), 200).json(|_| json!({ "name": "renamed" })),
        row("POST", "data_source/{id}/preview/", Object(editor), 400),
        row("POST", "data_source/{id}/dry_run/", Object(editor), 400),
        row("POST", "data_source/{id}/reset/", Object(editor), 204),
        row("POST", "data_source/{id}/backfill/", Object(editor), 409)
            .json(|_| json!({ "from": "2026-01-01", "to": "2026-01-02" })),
        row("GET", "source_run/", List, 200),
        row("GET", "source_run/{id}/", Object(viewer), 200),
        row("POST", "source_run/{id}/accept/", Object(editor), 409),
        row("POST", "source_run/{id}/discard/", Object(editor), 409),
        row("POST", "source_run/{id}/cancel/", Object(editor), 409),
        row("POST", "source_run/{id}/retry/", Object(editor), 200),
        row("POST", "data_source/{id}/run/", Object(editor), 201),
    ]
}

fn connection(ids: &Ids) -> Value {
    let settings = json!({ "host": "127.0.0.1", "database": "d", "username": "u" });
    json!({ "organisation": ids["organisation"], "name": "new", "kind": "postgresql", "settings": settings })
}

fn source(ids: &Ids) -> Value {
    let query = json!({ "table": "shop.orders", "columns": { "user": "customer", "item": "sku" } });
    json!({ "project": ids["project"], "connection": ids["data_connection"], "name": "new", "query": query,
        "cursor_column": "written" })
}

fn destination(ids: &Ids) -> Value {
    json!({ "project": ids["project"], "name": "d", "slot": ids["deployment_slot"] })
}

fn endpoint(ids: &Ids) -> Value {
    json!({ "project": ids["project"], "url": "https://receiver.example/hook" })
}

fn changing() -> Vec<Row> {
    use Rule::{Object, ObjectForPeople};
    let (editor, admin) = (Role::Editor, Role::Admin);
    vec![
        row("PUT", "project/{id}/", Object(editor), 200)
            .json(|_| json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" })),
        row("PATCH", "project/{id}/", Object(editor), 200).json(|_| json!({ "name": "Q" })),
        row("PUT", "training_data/{id}/", Object(editor), 400),
        row("PATCH", "training_data/{id}/", Object(editor), 400),
        row("PUT", "item_meta_data/{id}/", Object(editor), 400),
        row("PATCH", "item_meta_data/{id}/", Object(editor), 200),
        row("PUT", "user_meta_data/{id}/", Object(editor), 400),
        row("PATCH", "user_meta_data/{id}/", Object(editor), 200),
        row("PATCH", "feature_sets/{id}/", Object(editor), 200).json(|_| json!({ "is_current": false })),
        row("PUT", "item/{item}/", Object(editor), 202).query("project={project}").json(|_| json!({ "title": "new" })),
        row("PUT", "item/", Object(editor), 202)
            .query("project={project}")
            .json(|_| json!({ "items": [{ "item_id": "b", "values": { "title": "B" } }] })),
        row("DELETE", "item/{item}/", Object(editor), 202).query("project={project}"),
        row("PUT", "split_config/{id}/", Object(editor), 200).json(|_| json!({})),
        row("PATCH", "split_config/{id}/", Object(editor), 200).json(|_| json!({})),
        row("PUT", "evaluation_config/{id}/", Object(editor), 200).json(|_| json!({})),
        row("PATCH", "evaluation_config/{id}/", Object(editor), 200).json(|_| json!({})),
        row("PUT", "model_configuration/{id}/", Object(editor), 200)
            .json(|ids| json!({ "project": ids["project"], "recommender_class_name": "TopPopRecommender" })),
        row("PATCH", "model_configuration/{id}/", Object(editor), 200).json(|_| json!({ "name": "d" })),
        row("PUT", "trained_model/{id}/", Object(editor), 200)
            .json(|ids| json!({ "configuration": ids["model_configuration"], "data_loc": ids["training_data"] })),
        row("PATCH", "trained_model/{id}/", Object(editor), 200).json(|_| json!({})),
        row("POST", "trained_model/{id}/recommend_using_profile_interaction/", Object(Role::Viewer), 200)
            .json(|_| json!({ "item_ids": ["a"], "cutoff": 2 })),
        row("PUT", "parameter_tuning_job/{id}/", Object(editor), 400),
        row("PATCH", "parameter_tuning_job/{id}/", Object(editor), 200),
        row("POST", "parameter_tuning_job/{id}/cancel/", Object(editor), 409),
        row("PUT", "api_keys/{id}/", ObjectForPeople(admin), 200).json(|_| json!({ "name": "k", "scopes": ["read"] })),
        row("PATCH", "api_keys/{id}/", ObjectForPeople(admin), 200).json(|_| json!({ "name": "l" })),
        row("POST", "api_keys/{id}/revoke/", ObjectForPeople(admin), 200),
        // The run has not begun.
        row("POST", "studio/{id}/demo_key/", ObjectForPeople(admin), 409),
        row("POST", "studio/{id}/cancel/", Object(editor), 200),
        // The delivery has succeeded.
        row("POST", "delivery/{id}/cancel/", Object(editor), 409),
        row("POST", "delivery/{id}/retry/", Object(editor), 409),
        row("PUT", "destination/{id}/", Object(editor), 200).json(destination),
        row("PATCH", "destination/{id}/", Object(editor), 200).json(|_| json!({ "cutoff": 3 })),
    ]
}

fn making() -> Vec<Row> {
    use Rule::{Anybody, Below, BelowForPeople, People};
    let (editor, admin) = (Role::Editor, Role::Admin);
    vec![
        row("POST", "project/", People, 201).json(|_| json!({ "name": "new", "user_column": "u", "item_column": "i" })),
        // Without files.
        row("POST", "/airec/create-project", People, 422),
        row("POST", "/airec/api/apps/register", BelowForPeople(admin), 201)
            .json(|ids| json!({ "app_name": "of AiREC", "project_id": ids["project"] })),
        row("POST", "studio/", People, 400),
        row("POST", "studio/guess/", People, 400),
        // Before the next file of items, which has other columns.
        row("POST", "feature_sets/preview/", Below(Role::Viewer), 200).json(feature_set),
        row("POST", "feature_sets/", Below(editor), 201).json(feature_set),
        row("POST", "feature_measurements/", Below(editor), 201)
            .json(|ids| json!({ "feature_set": ids["feature_sets"], "data": ids["training_data"] })),
        row("POST", "destination/", Below(editor), 201).json(destination),
        row("POST", "training_data/", Below(editor), 201).file(),
        row("POST", "item_meta_data/", Below(editor), 201).file(),
        row("POST", "user_meta_data/", Below(editor), 201).file(),
        row("POST", "split_config/", Anybody, 201).json(|_| json!({})),
        row("POST", "evaluation_config/", Anybody, 201).json(|_| json!({})),
        row("POST", "split_config/", Below(editor), 201).json(|ids| json!({ "project": ids["project"] })),
        row("POST", "evaluation_config/", Below(editor), 201).json(|ids| json!({ "project": ids["project"] })),
        row("POST", "model_configuration/", Below(editor), 201)
            .json(|ids| json!({ "project": ids["project"], "recommender_class_name": "TopPopRecommender" })),
        row("POST", "trained_model/", Below(editor), 201)
            .json(|ids| json!({ "configuration": ids["model_configuration"], "data_loc": ids["spare_data"] })),
        row("POST", "parameter_tuning_job/", Below(editor), 201).json(|ids| {
            json!({ "data": ids["training_data"], "split": ids["spare_split"], "evaluation": ids["spare_evaluation"],
                "n_trials": 1, "tried_algorithms_json": ["TopPop"], "train_after_tuning": false })
        }),
        row("POST", "api_keys/", BelowForPeople(admin), 201)
            .json(|ids| json!({ "project": ids["project"], "name": "new", "scopes": ["read"] })),
    ]
}

fn feature_set(ids: &Ids) -> Value {
    let spec = json!({ "version": 1, "fields": [{ "column": "title", "kind": "category", "options": { "min_count": 1 } }] });
    json!({ "project": ids["project"], "name": "new", "spec": spec })
}

fn removing() -> Vec<Row> {
    use Rule::{Object, ObjectForPeople};
    let (editor, admin) = (Role::Editor, Role::Admin);
    vec![
        row("DELETE", "deployment_slot/{id}/", Object(editor), 204),
        row("DELETE", "data_source/{id}/", ObjectForPeople(editor), 204),
        // Another source uses it.
        row("DELETE", "data_connection/{id}/", Rule::Organisation(admin), 409),
        // Its slot is gone.
        row("POST", "destination/{id}/run/", Object(editor), 409),
        row("DELETE", "destination/{id}/", Object(editor), 204),
        row("DELETE", "feature_measurements/{id}/", Object(editor), 204),
        row("DELETE", "feature_sets/{id}/", Object(editor), 204),
        // A finished search refers to them.
        row("DELETE", "split_config/{id}/", Object(editor), 409),
        row("DELETE", "evaluation_config/{id}/", Object(editor), 409),
        row("DELETE", "item_meta_data/{id}/unlink_file/", Object(editor), 200),
        row("DELETE", "item_meta_data/{id}/", Object(editor), 204),
        row("DELETE", "user_meta_data/{id}/unlink_file/", Object(editor), 200),
        row("DELETE", "user_meta_data/{id}/", Object(editor), 204),
        row("DELETE", "trained_model/{id}/unlink_file/", Object(editor), 200),
        row("DELETE", "trained_model/{id}/", Object(editor), 204),
        row("DELETE", "parameter_tuning_job/{id}/", Object(editor), 204),
        row("DELETE", "split_config/{id}/", Object(editor), 204),
        row("DELETE", "evaluation_config/{id}/", Object(editor), 204),
        row("DELETE", "training_data/{id}/unlink_file/", Object(editor), 200),
        row("DELETE", "training_data/{id}/", Object(editor), 409),
        // The run of the schedule trained a model with it.
        row("DELETE", "model_configuration/{id}/", Object(editor), 409),
        row("DELETE", "api_keys/{id}/", ObjectForPeople(admin), 204),
        row("DELETE", "project/{id}/", Object(admin), 204),
        // It ends the session.
        row("POST", "auth/logout/", Rule::Public, 200),
    ]
}
