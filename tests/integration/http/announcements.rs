//! What the database announces to processes that keep rows in memory: the project or the user that a change concerns.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use recotem::platform::db::{Change, ChangedRow};
use serde_json::json;

use crate::support::prepared::prepare;
use crate::support::{Caller, TestApp};

const PATIENCE: Duration = Duration::from_secs(30);

async fn next_change(changes: &mut (impl Stream<Item = Change> + Unpin)) -> Change {
    let change = tokio::time::timeout(PATIENCE, changes.next()).await.expect("an announcement in time");
    change.expect("a stream that does not end")
}

async fn next(changes: &mut (impl Stream<Item = Change> + Unpin)) -> ChangedRow {
    next_change(changes).await.expect("one row, not everything")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_announces_what_it_concerns_and_an_update_that_changes_nothing_is_silent() {
    let app = TestApp::start_without_worker().await;
    let (ada, bob) = (app.user("ada").await, app.user("bob").await);
    let project = ada.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201).id();
    let user = bob.get("auth/user/").await.expect(200).body["pk"].as_i64().expect("an id");
    app.join("bob", "ada", "viewer").await;
    let mut changes = app.services.db.changes();
    // The connection is shared, so changes from before the subscription may arrive before the stream says that anything may
    // have changed, and after it. None of them arrives after a change that was made later.
    while next_change(&mut changes).await.is_some() {}
    app.execute("UPDATE projects SET logged_share = 0.25").await;
    while next_change(&mut changes).await.is_none_or(|row| row.table != "projects") {}

    let path = format!("project/{project}/");
    ada.patch(&path, json!({})).await.expect(200);
    ada.patch(&path, json!({ "name": "Q" })).await.expect(200);
    app.execute("UPDATE projects SET organisation_id = organisation_id, logged_share = logged_share").await;
    app.execute("UPDATE memberships SET role = role").await;
    app.execute("UPDATE users SET is_active = is_active, is_staff = is_staff").await;

    let of_project = |is_moved| ChangedRow { table: "projects".to_owned(), id: project, project_id: Some(project), is_moved };
    let of_user = |table: &str| ChangedRow { table: table.to_owned(), id: user, project_id: None, is_moved: false };
    for (change, announced) in [
        ("UPDATE projects SET unknown_user = 'not_found'".to_owned(), of_project(false)),
        ("UPDATE projects SET logged_share = 0.5".to_owned(), of_project(false)),
        ("UPDATE projects SET new_item_share = 0.1".to_owned(), of_project(false)),
        (format!("UPDATE projects SET organisation_id = personal_organisation({user})"), of_project(true)),
        ("UPDATE memberships SET role = 'editor' WHERE role = 'viewer'".to_owned(), of_user("memberships")),
        ("DELETE FROM memberships WHERE role = 'editor'".to_owned(), of_user("memberships")),
        (format!("UPDATE users SET is_staff = TRUE WHERE id = {user}"), of_user("users")),
        (format!("UPDATE users SET is_active = FALSE WHERE id = {user}"), of_user("users")),
        (format!("DELETE FROM projects WHERE id = {project}"), of_project(false)),
    ] {
        app.execute(&change).await;
        assert_eq!(next(&mut changes).await, announced, "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_removed_member_and_of_a_moved_project_stop_and_the_others_go_on() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let model = prepared.train().await["id"].as_i64().expect("a model");
    let member = app.user("member").await;
    app.join("member", "margarete", "admin").await;
    let key = json!({ "project": prepared.project, "name": "theirs", "scopes": ["predict"] });
    let key = member.post("api_keys/", key).await.expect(201).body["key"].as_str().expect("a key").to_owned();
    let theirs = app.anonymous().with_key(&key);
    let mine = app.anonymous().with_key(&prepared.key("mine", "predict").await);
    let path = format!("/inference/predict/{model}");
    let ask = async |program: &Caller| program.post(&path, json!({ "user_id": "007" })).await.status.as_u16();
    assert_eq!((ask(&mine).await, ask(&theirs).await), (200, 200));

    app.execute("DELETE FROM memberships WHERE role = 'admin'").await;
    app.soon("the key of the removed member is refused", async || ask(&theirs).await == 403).await;
    assert_eq!(ask(&mine).await, 200);

    let to_member =
        "UPDATE projects SET organisation_id = personal_organisation((SELECT id FROM users WHERE username = 'member'))";
    app.execute(to_member).await;
    app.soon("the key of the former owner is refused", async || ask(&mine).await == 403).await;
    app.soon("the key of the new owner is accepted", async || ask(&theirs).await == 200).await;
}
