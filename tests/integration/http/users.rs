//! Users, as staff manage them.

use serde_json::json;

use crate::support::{Caller, TestApp};

const PASSWORD: &str = "a good long phrase";

async fn id_of(staff: &Caller, name: &str) -> i64 {
    let users = staff.get("users/").await.expect(200).body;
    let found = users.as_array().expect("an array").iter().find(|user| user["username"] == name);
    found.unwrap_or_else(|| panic!("{name} is not among {users}"))["id"].as_i64().expect("an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_make_list_change_and_deactivate_users() {
    let app = TestApp::start().await;
    let staff = app.staff("boss").await;
    let fields = json!({ "username": "margarete", "password": "another good phrase", "email": "m@example.com" });
    let made = staff.post("users/", fields.clone()).await.expect(201);
    let keys: Vec<&String> = made.body.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["id", "username", "email", "is_staff", "is_active", "date_joined", "last_login"]);
    assert!(made.body["last_login"].is_null());
    assert!(!staff.post("users/", fields).await.fault("username").is_empty());
    let users = staff.get("users/").await.expect(200).body;
    let names: Vec<&str> = users.as_array().expect("a bare array").iter().filter_map(|user| user["username"].as_str()).collect();
    assert_eq!(names, ["margarete", "boss"]);

    let margarete = Caller::log_in(&app.base, "margarete", "another good phrase").await;
    let path = format!("users/{}/", made.id());
    let changed = staff.patch(&path, json!({ "email": "" })).await.expect(200);
    assert_eq!(
        changed.body,
        json!({ "id": made.id(), "username": "margarete", "email": "", "is_staff": false, "is_active": true })
    );
    margarete.get("auth/user/").await.expect(200);
    assert_eq!(staff.post(&format!("{path}deactivate/"), json!({})).await.expect(200).body["is_active"], false);
    margarete.get("auth/user/").await.expect(401);
    assert_eq!(staff.post(&format!("{path}activate/"), json!({})).await.expect(200).body["is_active"], true);
    // Earlier sessions stay ended.
    margarete.get("auth/user/").await.expect(401);
    assert!(staff.get(&path).await.expect(200).body["last_login"].is_string());
    staff.put(&path, json!({})).await.expect(405);
    staff.delete(&path).await.expect(405);
    staff.get("users/999999/").await.expect(404);
    staff.get("users/x/").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_new_user_is_named_at_once() {
    let app = TestApp::start().await;
    let staff = app.staff("boss").await;
    let fields = json!({ "username": "a b", "password": "1234567", "email": "nonsense" });
    let answer = staff.post("users/", fields).await.expect(400);
    assert!(!answer.fault("username").is_empty() && !answer.fault("email").is_empty());
    assert_eq!(answer.body["password"].as_array().expect("all reasons in one array").len(), 2, "{}", answer.body);
    // Similar to the name: 1.x failed on this.
    let similar = json!({ "username": "margarete", "password": "margarete1" });
    assert!(!staff.post("users/", similar).await.fault("password").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_staff_and_never_a_key_gets_at_users() {
    let app = TestApp::start().await;
    let staff = app.staff("boss").await;
    let user = app.user("margarete").await;
    let project = staff.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201).id();
    let key = json!({ "project": project, "name": "k", "scopes": ["read", "write"] });
    let key = staff.post("api_keys/", key).await.expect(201).body["key"].as_str().expect("a key").to_owned();
    for caller in [user.clone(), staff.with_key(&key)] {
        caller.get("users/").await.expect(403);
        caller.get("users/1/").await.expect(403);
        caller.get("users/999999/").await.expect(403);
        caller.post("users/", json!({})).await.expect(403);
        caller.patch("users/1/", json!({})).await.expect(403);
        for action in ["deactivate", "activate", "reset_password", "password_reset_link"] {
            caller.post(&format!("users/1/{action}/"), json!({})).await.expect(403);
        }
    }
    app.anonymous().get("users/").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_can_neither_deactivate_nor_demote_themselves_in_any_way() {
    let app = TestApp::start().await;
    let staff = app.staff("boss").await;
    let path = format!("users/{}/", id_of(&staff, "boss").await);
    for change in [json!({ "is_active": false }), json!({ "is_staff": false })] {
        assert!(staff.patch(&path, change).await.expect(400).body["detail"].is_string());
    }
    assert!(staff.post(&format!("{path}deactivate/"), json!({})).await.expect(400).body["detail"].is_string());
    staff.patch(&path, json!({ "email": "boss@example.com" })).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_who_are_no_superusers_leave_superusers_alone() {
    let app = TestApp::start().await;
    let root = app.staff("root").await;
    let staff = app.staff("helper").await;
    app.execute("UPDATE users SET is_superuser = FALSE WHERE username = 'helper'").await;
    let path = format!("users/{}/", id_of(&staff, "root").await);
    staff.get(&path).await.expect(200);
    staff.patch(&path, json!({ "is_staff": false })).await.expect(403);
    for action in ["deactivate", "activate", "password_reset_link"] {
        staff.post(&format!("{path}{action}/"), json!({})).await.expect(403);
    }
    staff.post(&format!("{path}reset_password/"), json!({ "new_password": "quite another phrase" })).await.expect(403);
    root.get("auth/user/").await.expect(200);
    let helper = format!("users/{}/", id_of(&root, "helper").await);
    root.patch(&helper, json!({ "is_staff": false })).await.expect(200);
    staff.get("users/").await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_set_by_staff_ends_the_sessions_and_keys_of_its_owner() {
    let app = TestApp::start().await;
    let staff = app.staff("boss").await;
    let user = app.user("margarete").await;
    let project = user.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201).id();
    let key = json!({ "project": project, "name": "k", "scopes": ["read"] });
    let key = user.post("api_keys/", key).await.expect(201).body["key"].as_str().expect("a key").to_owned();
    let program = user.with_key(&key);
    program.get("project/").await.expect(200);
    let path = format!("users/{}/reset_password/", id_of(&staff, "margarete").await);
    let weak = staff.post(&path, json!({ "new_password": "12345" })).await;
    assert!(!weak.fault("new_password").is_empty());
    program.get("project/").await.expect(200);
    staff.post(&path, json!({ "new_password": "quite another phrase" })).await.expect(200);
    user.get("auth/user/").await.expect(401);
    program.get("project/").await.expect(401);
    app.anonymous().post("auth/login/", json!({ "username": "margarete", "password": PASSWORD })).await.expect(400);
    Caller::log_in(&app.base, "margarete", "quite another phrase").await;
}
