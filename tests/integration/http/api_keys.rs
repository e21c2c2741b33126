//! API keys.

use serde_json::json;

use crate::support::{Jobs, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_within_its_scopes_and_project_until_it_is_revoked() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let project = |name: &str| json!({ "name": name, "user_column": "u", "item_column": "i" });
    let mine = user.post("project/", project("one")).await.id();
    let other = user.post("project/", project("two")).await.id();
    let made = user.post("api_keys/", json!({ "project": mine, "name": "k", "scopes": ["read"] })).await.expect(201);
    let key = made.body["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("rctm_") && key.len() == 69);
    let program = app.anonymous().with_key(&key);
    assert_eq!(program.get("project/").await.expect(200).body["count"], 1);
    program.get(&format!("project/{mine}/")).await.expect(200);
    program.get(&format!("project/{other}/")).await.expect(404);
    program.patch(&format!("project/{mine}/"), json!({ "name": "x" })).await.expect(403);
    program.post("project/", project("three")).await.expect(403);
    let path = format!("api_keys/{}/", made.id());
    let elsewhere = user.post("api_keys/", json!({ "project": other, "name": "k", "scopes": ["read"] })).await.expect(201).id();
    assert_eq!(program.get("api_keys/").await.expect(200).body["results"], json!([user.get(&path).await.body]));
    program.get(&path).await.expect(200);
    program.get(&format!("api_keys/{elsewhere}/")).await.expect(404);
    assert_eq!(program.get(&format!("api_keys/?project={other}")).await.expect(200).body["count"], 0);
    let writer = user.post("api_keys/", json!({ "project": mine, "name": "w", "scopes": ["write"] })).await.expect(201);
    let writer = app.anonymous().with_key(writer.body["key"].as_str().unwrap());
    writer.get("api_keys/").await.expect(403);
    writer.post("api_keys/", json!({ "project": mine, "name": "x", "scopes": ["read"] })).await.expect(403);
    writer.post(&format!("{path}revoke/"), json!({})).await.expect(403);
    assert!(user.get(&path).await.expect(200).body.get("key").is_none());
    assert!(user.patch(&path, json!({ "project": other })).await.expect(400).body["project"].is_array());
    user.post(&format!("{path}revoke/"), json!({})).await.expect(200);
    program.get("project/").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_deactivated_user_and_an_expired_one_do_not_count() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let project = user.post("project/", json!({ "name": "one", "user_column": "u", "item_column": "i" })).await.id();
    let fields = |name: &str| json!({ "project": project, "name": name, "scopes": ["read"], "expires_at": "2999-01-01" });
    let first = user.post("api_keys/", fields("a")).await.expect(201).body["key"].as_str().unwrap().to_owned();
    app.execute("UPDATE api_keys SET expires_at = '2001-01-01'").await;
    app.anonymous().with_key(&first).get("project/").await.expect(401);
    let second = user.post("api_keys/", fields("b")).await.expect(201).body["key"].as_str().unwrap().to_owned();
    app.anonymous().with_key(&second).get("project/").await.expect(200);
    app.execute("UPDATE users SET is_active = FALSE").await;
    app.anonymous().with_key(&second).get("project/").await.expect(401);
    assert!(user.post("api_keys/", json!({ "project": project, "name": "c", "scopes": ["admin"] })).await.status.as_u16() >= 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_keys_than_a_project_may_have_are_refused_until_one_is_revoked() {
    let app = TestApp::start_with(Jobs::None, |settings| settings.max_api_keys_per_project = 2).await;
    let user = app.user("margarete").await;
    let project = async |name: &str| {
        user.post("project/", json!({ "name": name, "user_column": "u", "item_column": "i" })).await.expect(201).id()
    };
    let (full, other) = (project("one").await, project("two").await);
    let create = async |project: i64, name: &str| {
        user.post("api_keys/", json!({ "project": project, "name": name, "scopes": ["read"] })).await
    };
    let first = create(full, "a").await.expect(201).id();
    create(full, "b").await.expect(201);
    let refused = create(full, "c").await.expect(409);
    assert_eq!(refused.body["code"], "too_many_api_keys");
    let words = "This project has 2 API keys that are not revoked, which is as many as one project may. Revoke or delete keys that \
        are not used any more.";
    assert_eq!(refused.body["detail"], words);
    create(other, "c").await.expect(201);
    user.post(&format!("api_keys/{first}/revoke/"), json!({})).await.expect(200);
    create(full, "c").await.expect(201);
}
