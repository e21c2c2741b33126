//! Projects.

use recotem::features::{accounts, projects};
use serde_json::json;

use crate::support::{Caller, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_made_read_changed_and_deleted() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let fields = json!({ "name": " Shop ", "user_column": "user_id", "item_column": "item_id", "time_column": null });
    let made = user.post("project/", fields.clone()).await.expect(201);
    assert_eq!(made.body["name"], "Shop");
    assert!(user.post("project/", fields).await.expect(400).body["name"].is_array());
    let path = format!("project/{}/", made.id());
    assert_eq!(user.patch(&path, json!({ "time_column": "ts" })).await.expect(200).body["time_column"], "ts");
    assert_eq!(user.get(&path).await.expect(200).body["item_column"], "item_id");
    assert_eq!(user.get("project/?name=Shop").await.expect(200).body["count"], 1);
    assert_eq!(user.get("project/?name=shop").await.expect(200).body["count"], 0);
    let summary = user.get(&format!("project_summary/{}/", made.id())).await.expect(200);
    assert_eq!(summary.body["n_data"], 0);
    user.delete(&path).await.expect(204);
    user.get(&path).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_body_is_named() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let answer = user.post("project/", json!({ "name": "", "user_column": null })).await.expect(400);
    for field in ["name", "user_column", "item_column"] {
        assert!(answer.body[field].is_array(), "{field}: {}", answer.body);
    }
    let same = json!({ "name": "P", "user_column": "id", "item_column": "id" });
    assert!(user.post("project/", same).await.expect(400).body["item_column"].is_array());
    user.get("project/not-a-number/").await.expect(404);
    assert!(user.get("project/?id=x").await.expect(400).body["id"].is_array());
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_that_nobody_owns_stay_among_their_people_until_they_are_given_to_somebody() {
    let app = TestApp::start().await;
    let owner = app.user("owner").await;
    let heir = app.user("heir").await;
    let fields = |name: &str| json!({ "name": name, "user_column": "u", "item_column": "i" });
    let shop = owner.post("project/", fields("Shop")).await.expect(201).id();
    owner.post("project/", fields("Both")).await.expect(201);
    heir.post("project/", fields("Both")).await.expect(201);
    app.execute("UPDATE projects SET owner_id = NULL WHERE owner_id = (SELECT id FROM users WHERE username = 'owner')").await;
    heir.get(&format!("project/{shop}/")).await.expect(404);
    assert!(owner.get(&format!("project/{shop}/")).await.expect(200).body["owner"].is_null());
    let mut connection = app.services.db.conn().await.unwrap();
    let user = accounts::user_by_name(&mut connection, "heir").await.unwrap().unwrap();
    let organisation = accounts::personal_organisation(&mut connection, user.id).await.unwrap();
    let assigned = projects::assign_orphans(&mut connection, user.id, organisation).await.unwrap();
    assert_eq!(assigned, (1, vec!["Both".to_owned()]));
    assert_eq!(heir.get(&format!("project/{shop}/")).await.expect(200).body["owner"], user.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn test_users_are_made_or_get_their_password_back() {
    let app = TestApp::start().await;
    accounts::put_test_user(&app.services, "test", "pw".to_owned()).await.unwrap();
    let before = Caller::log_in(&app.base, "test", "pw").await;
    app.execute("UPDATE users SET is_active = FALSE").await;
    accounts::put_test_user(&app.services, "test", "other".to_owned()).await.unwrap();
    Caller::log_in(&app.base, "test", "other").await;
    before.get("auth/user/").await.expect(401);
}
