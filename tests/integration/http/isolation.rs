//! Nobody gets at what is not theirs: every route of the API document, asked by everybody who should get nothing.
//! A new route without an example id below fails this test.

use std::collections::BTreeMap;

use recotem::app::api_docs;
use reqwest::Method;
use serde_json::json;

use crate::support::{Caller, TestApp};

/// Answers everybody alike, whoever they are.
const PUBLIC: [&str; 4] = ["auth/login/", "auth/logout/", "auth/token/refresh/", "auth/token/verify/"];
/// About the caller, or the same for everybody who is logged in.
const PERSONAL: [&str; 3] = ["auth/user/", "users/change_password/", "algorithms/"];
/// Objects of a person rather than of a project: a key of any project of theirs may read them.
const OF_NO_PROJECT: [&str; 2] = ["split_config", "evaluation_config"];
/// Keys have no business here, whatever their scope.
const NO_KEYS: [&str; 1] = ["api_keys"];

const INTERACTIONS: &str = "user_id,item_id\nu1,a\nu1,b\nu2,a\nu2,c\nu3,b\nu3,c\n";

/// Everything a tenant may own, by the first segment of its path.
async fn fill(app: &TestApp, owner: &Caller) -> BTreeMap<&'static str, i64> {
    let project =
        owner.post("project/", json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" })).await.expect(201).id();
    let data = owner.upload(project, "data.csv", INTERACTIONS).await.expect(201).id();
    let split = owner.post("split_config/", json!({})).await.expect(201).id();
    let evaluation = owner.post("evaluation_config/", json!({})).await.expect(201).id();
    let configuration = json!({ "project": project, "name": "c", "recommender_class_name": "TopPopRecommender" });
    let configuration = owner.post("model_configuration/", configuration).await.expect(201).id();
    let model = owner.post("trained_model/", json!({ "configuration": configuration, "data_loc": data })).await.expect(201).id();
    let job = json!({ "data": data, "split": split, "evaluation": evaluation });
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

struct Route {
    method: Method,
    /// Below `/api/v1/`, with real ids.
    path: String,
    kind: String,
    has_id: bool,
}

fn routes(ids: &BTreeMap<&'static str, i64>) -> Vec<Route> {
    let document = serde_json::to_value(api_docs::document("/api/v1")).expect("a document");
    let mut routes = Vec::new();
    for (template, operations) in document["paths"].as_object().expect("paths") {
        // Predictions have callers and rules of their own, and tests of their own.
        let Some(below) = template.strip_prefix("/api/v1/") else { continue };
        let kind = below.split('/').next().unwrap_or_default().to_owned();
        let has_id = below.contains("{id}");
        let path = if has_id {
            let id = ids.get(kind.as_str()).unwrap_or_else(|| panic!("{template}: add an example id for {kind} to this test"));
            below.replace("{id}", &id.to_string()).replace("{metadata_id}", "1")
        } else {
            below.to_owned()
        };
        for method in operations.as_object().expect("operations").keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            routes.push(Route { method, path: path.clone(), kind: kind.clone(), has_id });
        }
    }
    routes
}

async fn key_of(owner: &Caller, project: i64, scope: &str) -> Caller {
    let made = owner.post("api_keys/", json!({ "project": project, "name": scope, "scopes": [scope] })).await.expect(201);
    owner.with_key(made.body["key"].as_str().expect("a key"))
}

/// What went wrong, for a readable list of all holes at once.
async fn holes(who: &str, caller: &Caller, routes: &[Route], allowed: impl Fn(&Route) -> Option<&'static [u16]>) -> Vec<String> {
    let mut holes = Vec::new();
    for route in routes {
        let Some(allowed) = allowed(route) else { continue };
        let body = (!route.method.is_safe()).then(|| json!({}));
        let status = caller.call(route.method.clone(), &route.path, body).await.status.as_u16();
        if !allowed.contains(&status) {
            holes.push(format!("{who}: {} {} answered {status}, not one of {allowed:?}", route.method, route.path));
        }
    }
    holes
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_gives_anything_to_those_it_should_not() {
    let app = TestApp::start().await;
    let owner = app.user("owner").await;
    let ids = fill(&app, &owner).await;
    let outsider = app.user("outsider").await;
    let viewer = app.user("viewer").await;
    app.join("viewer", "owner", "viewer").await;
    let other_project = json!({ "name": "other", "user_column": "u", "item_column": "i" });
    let other_project = owner.post("project/", other_project).await.id();
    let predict_key = key_of(&owner, ids["project"], "predict").await;
    let read_key = key_of(&owner, ids["project"], "read").await;
    let foreign_key = key_of(&owner, other_project, "write").await;
    let routes = routes(&ids);
    assert!(routes.len() > 40, "only {} routes are documented", routes.len());
    let is = |list: &[&str], route: &Route| list.contains(&route.path.as_str());

    let mut found = holes("anonymous", &app.anonymous(), &routes, |route| (!is(&PUBLIC, route)).then_some(&[401])).await;
    found.extend(holes("outsider", &outsider, &routes, |route| route.has_id.then_some(&[404])).await);
    found.extend(
        holes("viewer", &viewer, &routes, |route| match route.method {
            Method::GET => None,
            // A form that has to be multipart may say so first; a profile is not a change.
            _ if route.path.ends_with("recommend_using_profile_interaction/") => None,
            _ => route.has_id.then_some(&[403]),
        })
        .await,
    );
    let of_project = |route: &Route| !is(&PUBLIC, route) && !is(&PERSONAL, route);
    found.extend(holes("predict key", &predict_key, &routes, |route| of_project(route).then_some(&[403])).await);
    found.extend(
        holes("read key", &read_key, &routes, |route| (of_project(route) && !route.method.is_safe()).then_some(&[403])).await,
    );
    found.extend(
        holes("key of another project", &foreign_key, &routes, |route| {
            if !route.has_id || OF_NO_PROJECT.contains(&route.kind.as_str()) || route.method.is_safe() {
                return None;
            }
            Some(if NO_KEYS.contains(&route.kind.as_str()) { &[403, 404] } else { &[404] })
        })
        .await,
    );
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_only_what_is_ones_own() {
    let app = TestApp::start().await;
    let owner = app.user("owner").await;
    let ids = fill(&app, &owner).await;
    let outsider = app.user("outsider").await;
    let staff = app.staff("staff").await;
    for kind in ids.keys().filter(|kind| **kind != "project_summary") {
        let path = format!("{kind}/");
        assert_eq!(outsider.get(&path).await.expect(200).body["count"], 0, "{kind}");
        assert!(owner.get(&path).await.expect(200).body["count"].as_i64().unwrap_or_default() >= 1, "{kind}");
        assert!(staff.get(&path).await.expect(200).body["count"].as_i64().unwrap_or_default() >= 1, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_somebody_else_in_a_body_is_as_good_as_none() {
    let app = TestApp::start().await;
    let owner = app.user("owner").await;
    let ids = fill(&app, &owner).await;
    let outsider = app.user("outsider").await;
    let key = json!({ "project": ids["project"], "name": "x", "scopes": ["read"] });
    assert!(outsider.post("api_keys/", key).await.expect(400).body["project"].is_array());
    let configuration = json!({ "project": ids["project"], "recommender_class_name": "TopPopRecommender" });
    assert!(outsider.post("model_configuration/", configuration).await.expect(400).body["project"].is_array());
    assert!(outsider.upload(ids["project"], "data.csv", INTERACTIONS).await.expect(400).body["project"].is_array());
    let job = json!({ "data": ids["training_data"], "split": ids["split_config"], "evaluation": ids["evaluation_config"] });
    assert!(outsider.post("parameter_tuning_job/", job).await.expect(400).body["data"].is_array());
    let model = json!({ "configuration": ids["model_configuration"], "data_loc": ids["training_data"] });
    outsider.post("trained_model/", model).await.expect(400);
}
