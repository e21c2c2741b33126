//! Callers reach only their own objects: every route of the API document, called by every kind of caller, with real rows of two
//! tenants and the exact status of each call.

mod callers;
mod table;

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use recotem::app::api_docs;
use reqwest::{Method, multipart};
use serde_json::json;

use self::callers::{KINDS, Kind, caller, expected};
use self::table::{Row, Sends, table};
use crate::support::world::{INTERACTIONS, Ids};
use crate::support::{Caller, TestApp, world};

/// Returns the routes of the document, as the table writes them.
fn documented() -> BTreeSet<(String, String)> {
    let document = serde_json::to_value(api_docs::document("/api/v1")).expect("a document");
    let mut routes = BTreeSet::new();
    for (template, operations) in document["paths"].as_object().expect("paths") {
        let below = template.strip_prefix("/api/v1/").unwrap_or(template);
        let methods = operations.as_object().expect("operations").keys().map(|method| method.to_uppercase());
        let methods = methods.filter(|method| ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()));
        routes.extend(methods.map(|method| (method, below.to_owned())));
    }
    routes
}

#[test]
fn every_route_has_a_line_and_every_line_a_route() {
    let documented = documented();
    let listed: BTreeSet<(String, String)> = table().iter().map(|row| (row.method.to_owned(), row.path.to_owned())).collect();
    let missing: Vec<_> = documented.difference(&listed).collect();
    assert!(missing.is_empty(), "say in isolation/table.rs who may call {missing:#?}");
    let gone: Vec<_> = listed.difference(&documented).collect();
    assert!(gone.is_empty(), "not in the API document: {gone:#?}");
}

/// Returns the path with the ids of the tenant: `{id}` is that of the path's first segment, other parameters go by their name, also
/// in the query.
fn path_of(row: &Row, ids: &Ids) -> String {
    let kind = row.path.trim_start_matches("/airec/").split('/').next().unwrap_or_default();
    let mut path = if row.query.is_empty() { row.path.to_owned() } else { format!("{}?{}", row.path, row.query) };
    if path.contains("{id}") {
        let id = ids.get(kind).unwrap_or_else(|| panic!("world.rs makes no {kind}"));
        path = path.replace("{id}", &id.to_string());
    }
    while let Some((start, rest)) = path.clone().split_once('{') {
        let (name, end) = rest.split_once('}').expect("a closed parameter");
        let id = ids.get(name).copied().unwrap_or(1);
        let id = if name == "message_id" { world::message_id(id).to_string() } else { id.to_string() };
        path = format!("{start}{id}{end}");
    }
    path
}

async fn call(caller: &Caller, row: &Row, ids: &Ids) -> (u16, String) {
    let (method, path) = (Method::from_bytes(row.method.as_bytes()).expect("a method"), path_of(row, ids));
    let answer = match row.sends {
        Sends::Nothing if method == Method::GET || method == Method::DELETE => caller.call(method, &path, None).await,
        // A route that requires a form refuses any other body; an empty one gets as far as the check of access.
        Sends::Nothing
            if ["training_data/", "item_meta_data/", "user_meta_data/", "studio/", "/airec/create-project"]
                .iter()
                .any(|kind| path.starts_with(kind)) =>
        {
            caller.send_form(method, &path, multipart::Form::new().text("nothing", "")).await
        }
        Sends::Nothing => caller.call(method, &path, Some(json!({}))).await,
        Sends::Json(body) => caller.call(method, &path, Some(body(ids))).await,
        Sends::File => {
            let file = multipart::Part::bytes(INTERACTIONS.as_bytes()).file_name("new.csv");
            let form = multipart::Form::new().text("project", ids["project"].to_string()).part("file", file);
            caller.send_form(method, &path, form).await
        }
    };
    (answer.status.as_u16(), answer.body.to_string())
}

/// Kinds of callers that call at the same time, each a tenant of its own: more would wait in line to log in.
const KINDS_AT_ONCE: usize = 4;

/// Returns the calls of one kind of caller that were not answered as they should.
async fn holes(app: &TestApp, number: usize, kind: Kind) -> Vec<String> {
    let owner_name = format!("owner{number}");
    let owner = app.user(&owner_name).await;
    let ids = world::fill_and_finish(app, &owner).await;
    let caller = caller(app, kind, &owner, &owner_name, &ids).await;
    let mut holes = Vec::new();
    for row in table() {
        if row.method == "DELETE" {
            app.idle().await;
        }
        let expected = expected(kind, &row);
        let (status, body) = call(&caller, &row, &ids).await;
        if status != expected {
            holes.push(format!("{kind:?}: {} {} answered {status} instead of {expected}: {body}", row.method, row.path));
        }
    }
    holes
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_caller_gets_exactly_what_is_theirs() {
    let app = TestApp::start_with_worker().await;
    // Time moves for all callers when the sessions of one expire, so that this kind has the server for itself.
    let (expiring, together): (Vec<_>, Vec<_>) = KINDS.into_iter().enumerate().partition(|(_, kind)| *kind == Kind::Expired);
    let together = stream::iter(together).map(|(number, kind)| holes(&app, number, kind));
    let mut found: Vec<String> = together.buffer_unordered(KINDS_AT_ONCE).concat().await;
    for (number, kind) in expiring {
        found.extend(holes(&app, number, kind).await);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_only_what_is_ones_own() {
    let app = TestApp::start_without_worker().await;
    let owner = app.user("owner").await;
    let ids = world::fill(&app, &owner).await;
    let outsider = app.user("outsider").await;
    let staff = app.staff("staff").await;
    for kind in ids.keys().filter(|kind| !world::WITHOUT_A_LIST.contains(kind)) {
        let path = format!("{kind}/");
        assert_eq!(outsider.get(&path).await.expect(200).body["count"], 0, "{kind}");
        assert!(owner.get(&path).await.expect(200).body["count"].as_i64().unwrap_or_default() >= 1, "{kind}");
        assert!(staff.get(&path).await.expect(200).body["count"].as_i64().unwrap_or_default() >= 1, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_somebody_else_in_a_body_is_as_good_as_none() {
    let app = TestApp::start_without_worker().await;
    let owner = app.user("owner").await;
    let ids = world::fill(&app, &owner).await;
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
