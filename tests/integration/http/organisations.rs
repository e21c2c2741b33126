//! Organisations and their members.

use serde_json::{Value, json};

use crate::support::{Caller, Jobs, TestApp};

async fn me(caller: &Caller) -> i64 {
    caller.get("auth/user/").await.expect(200).body["pk"].as_i64().expect("an id")
}

fn project(name: &str, organisation: i64) -> Value {
    json!({ "name": name, "user_column": "u", "item_column": "i", "organisation": organisation })
}

/// Creates a team of an owner, an admin, an editor and a viewer.
async fn team(app: &TestApp) -> (i64, [Caller; 4]) {
    let people = [app.user("owner").await, app.user("admin").await, app.user("editor").await, app.user("viewer").await];
    let made = people[0].post("organisation/", json!({ "name": "Team" })).await.expect(201);
    for role in ["admin", "editor", "viewer"] {
        app.execute(&format!(
            "INSERT INTO memberships (organisation_id, user_id, role)
             SELECT {}, id, '{role}' FROM users WHERE username = '{role}'",
            made.id()
        ))
        .await;
    }
    (made.id(), people)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_is_made_renamed_and_deleted_once_it_is_empty() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let mine = user.get("organisation/").await.expect(200);
    assert_eq!(mine.body["count"], 1);
    let personal = &mine.body["results"][0];
    assert_eq!((&personal["is_personal"], &personal["role"]), (&json!(true), &json!("owner")));
    let personal = personal["id"].as_i64().expect("an id");
    user.delete(&format!("organisation/{personal}/")).await.expect(409);

    assert!(!user.post("organisation/", json!({ "name": " " })).await.fault("name").is_empty());
    let team = user.post("organisation/", json!({ "name": "Team" })).await.expect(201);
    let path = format!("organisation/{}/", team.id());
    let keys: Vec<&String> = team.body.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["id", "name", "is_personal", "role", "n_members", "n_projects", "stored_bytes", "ins_datetime"]);
    assert_eq!(user.patch(&path, json!({ "name": "Crew" })).await.expect(200).body["name"], "Crew");
    let shop = user.post("project/", project("Shop", team.id())).await.expect(201).id();
    assert_eq!(user.get(&path).await.expect(200).body["n_projects"], 1);
    let refused = user.delete(&path).await.expect(409);
    assert_eq!(refused.body["dependents"], json!([{ "resource": "project", "id": shop, "name": "Shop" }]));
    user.delete(&format!("project/{shop}/")).await.expect(204);
    user.delete(&path).await.expect(204);
    user.get(&path).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_belongs_to_the_organisation_it_was_made_in() {
    let app = TestApp::start().await;
    let (id, [owner, _, editor, viewer]) = team(&app).await;
    let stranger = app.user("stranger").await;
    let staff = app.staff("boss").await;
    let made = editor.post("project/", project("Shop", id)).await.expect(201);
    assert_eq!(made.body["organisation"], id);
    assert_eq!(made.body["owner"], me(&editor).await);
    owner.get(&format!("project/{}/", made.id())).await.expect(200);
    viewer.get(&format!("project/{}/", made.id())).await.expect(200);
    stranger.get(&format!("project/{}/", made.id())).await.expect(404);
    viewer.post("project/", project("Mine", id)).await.expect(403);
    assert!(!stranger.post("project/", project("Mine", id)).await.fault("organisation").is_empty());
    assert!(!stranger.post("project/", project("Mine", 999_999)).await.fault("organisation").is_empty());
    // Staff may help in any organisation.
    staff.post("project/", project("Help", id)).await.expect(201);
    let config = json!({ "project": made.id(), "name": "c", "recommender_class_name": "TopPopRecommender" });
    staff.post("model_configuration/", config).await.expect(201);
    staff.upload(made.id(), "data.csv", "u,i\n1,2\n").await.expect(201);
    staff.post("api_keys/", json!({ "project": made.id(), "name": "k", "scopes": ["read"] })).await.expect(201);
    let own = stranger.post("project/", json!({ "name": "Own", "user_column": "u", "item_column": "i" })).await.expect(201);
    assert_ne!(own.body["organisation"], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_do_what_it_should_to_an_organisation() {
    let app = TestApp::start().await;
    let (id, people) = team(&app).await;
    let stranger = app.user("stranger").await;
    let path = format!("organisation/{id}/");
    let expected = [("owner", 200), ("admin", 200), ("editor", 403), ("viewer", 403)];
    for (caller, (role, status)) in people.iter().zip(expected) {
        assert_eq!(caller.get(&path).await.expect(200).body["role"], role);
        let members = caller.get(&format!("{path}members/")).await.expect(200).body;
        assert_eq!(members["count"], 4, "{role}");
        assert!(caller.get(&format!("{path}invitations/")).await.status.as_u16() == status, "{role}");
        caller.patch(&path, json!({ "name": "Team" })).await.expect(status);
        let deleted = if role == "owner" { continue } else { caller.delete(&path).await };
        deleted.expect(403);
    }
    for tail in ["", "members/", "invitations/"] {
        stranger.get(&format!("{path}{tail}")).await.expect(404);
        app.anonymous().get(&format!("{path}{tail}")).await.expect(401);
    }
    stranger.patch(&path, json!({ "name": "x" })).await.expect(404);
    stranger.delete(&path).await.expect(404);
    assert_eq!(stranger.get("organisation/").await.expect(200).body["count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_manage_up_to_admins_and_owners_everybody() {
    let app = TestApp::start().await;
    let (id, [owner, admin, editor, viewer]) = team(&app).await;
    let member = async |caller: &Caller| format!("organisation/{id}/members/{}/", me(caller).await);
    let [of_owner, of_admin, of_editor, of_viewer] =
        [member(&owner).await, member(&admin).await, member(&editor).await, member(&viewer).await];
    let changed = admin.patch(&of_viewer, json!({ "role": "admin" })).await.expect(200);
    assert_eq!((&changed.body["username"], &changed.body["role"]), (&json!("viewer"), &json!("admin")));
    admin.patch(&of_viewer, json!({ "role": "viewer" })).await.expect(200);
    admin.patch(&of_viewer, json!({ "role": "owner" })).await.expect(403);
    admin.patch(&of_owner, json!({ "role": "viewer" })).await.expect(403);
    admin.delete(&of_owner).await.expect(403);
    editor.patch(&of_viewer, json!({ "role": "viewer" })).await.expect(403);
    editor.delete(&of_viewer).await.expect(403);
    assert!(!admin.patch(&of_viewer, json!({ "role": "king" })).await.fault("role").is_empty());
    admin.patch(&format!("organisation/{id}/members/999999/"), json!({ "role": "viewer" })).await.expect(404);
    admin.delete(&format!("organisation/{id}/members/x/")).await.expect(404);
    owner.patch(&of_admin, json!({ "role": "owner" })).await.expect(200);
    owner.patch(&of_owner, json!({ "role": "viewer" })).await.expect(200);
    owner.patch(&of_owner, json!({ "role": "owner" })).await.expect(403);
    admin.delete(&of_editor).await.expect(204);
    editor.get(&format!("organisation/{id}/")).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_may_leave_but_the_last_owner_stays() {
    let app = TestApp::start().await;
    let (id, [owner, admin, _, viewer]) = team(&app).await;
    let member = async |caller: &Caller| format!("organisation/{id}/members/{}/", me(caller).await);
    viewer.delete(&member(&viewer).await).await.expect(204);
    viewer.get(&format!("organisation/{id}/")).await.expect(404);
    owner.delete(&member(&owner).await).await.expect(409);
    owner.patch(&member(&owner).await, json!({ "role": "admin" })).await.expect(409);
    let staff = app.staff("boss").await;
    staff.delete(&member(&owner).await).await.expect(409);
    owner.patch(&member(&admin).await, json!({ "role": "owner" })).await.expect(200);
    // Both at once: one of them stays.
    let (mine, theirs) = (member(&owner).await, member(&admin).await);
    let (first, second) = tokio::join!(owner.delete(&mine), admin.delete(&theirs));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_organisation_has_one_owner() {
    let app = TestApp::start().await;
    let owner = app.user("owner").await;
    app.user("friend").await;
    app.join("friend", "owner", "editor").await;
    let id = owner.get("organisation/").await.expect(200).body["results"][0]["id"].as_i64().expect("an id");
    let members = owner.get(&format!("organisation/{id}/members/")).await.expect(200).body;
    let friend = members["results"].as_array().expect("rows").iter().find(|row| row["username"] == "friend").expect("a friend");
    let path = format!("organisation/{id}/members/{}/", friend["user"]);
    assert!(!owner.patch(&path, json!({ "role": "owner" })).await.fault("role").is_empty());
    assert!(!owner.post(&format!("organisation/{id}/invitations/"), json!({ "role": "owner" })).await.fault("role").is_empty());
    owner.patch(&path, json!({ "role": "admin" })).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_have_no_business_with_organisations() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let project = user.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201);
    let key = json!({ "project": project.id(), "name": "k", "scopes": ["read", "write"] });
    let key = user.post("api_keys/", key).await.expect(201).body["key"].as_str().expect("a key").to_owned();
    let (program, id) = (user.with_key(&key), project.body["organisation"].as_i64().expect("an id"));
    program.get("organisation/").await.expect(403);
    program.post("organisation/", json!({ "name": "x" })).await.expect(403);
    for tail in ["", "members/", "invitations/"] {
        program.get(&format!("organisation/{id}/{tail}")).await.expect(404);
    }
    program.post(&format!("organisation/{id}/invitations/"), json!({ "role": "viewer" })).await.expect(404);
    program.get("audit_log/").await.expect(403);
    program.get("auth/sessions/").await.expect(403);
    program.post("invitation/accept/", json!({ "token": "x" })).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_change_an_organisation_at_once_get_in_nobodys_way() {
    let app = TestApp::start().await;
    for round in 0..3 {
        let owner = app.user(&format!("owner{round}")).await;
        let id = owner.post("organisation/", json!({ "name": "Team" })).await.expect(201).id();
        let path = format!("organisation/{id}/");
        let mut tokens = Vec::new();
        for _ in 0..6 {
            let invited = owner.post(&format!("{path}invitations/"), json!({ "role": "admin" })).await.expect(201);
            tokens.push(invited.body["token"].clone());
        }
        let calls = (0..24).map(async |number: usize| match number % 4 {
            0 => {
                let name = format!("new{round}-{number}");
                let fields = json!({ "token": tokens[number / 4], "username": name, "password": "a good long phrase" });
                app.anonymous().post("invitation/accept/", fields).await
            }
            1 => owner.post(&format!("{path}invitations/"), json!({ "role": "viewer" })).await,
            2 if number == 14 => owner.delete(&path).await,
            2 => owner.patch(&path, json!({ "name": format!("Team {number}") })).await,
            _ => owner.get(&format!("{path}members/")).await,
        });
        let answers = futures_util::future::join_all(calls).await;
        let broken: Vec<_> = answers.iter().filter(|answer| answer.status.is_server_error()).collect();
        assert!(broken.is_empty(), "{broken:?}");
        let orphans = format!("SELECT count(*) FROM memberships WHERE organisation_id = {id}");
        assert_eq!(app.count(&orphans).await, 0, "it was deleted, with its members");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_owns_only_so_many_organisations_and_staff_any_number() {
    let app = TestApp::start_with(Jobs::None, |settings| settings.max_organisations_per_user = 2).await;
    let (user, staff) = (app.user("margarete").await, app.staff("boss").await);
    let create = async |caller: &Caller, name: &str| caller.post("organisation/", json!({ "name": name })).await;
    let first = create(&user, "One").await.expect(201).id();
    create(&user, "Two").await.expect(201);
    let refused = create(&user, "Three").await.expect(409).body;
    assert_eq!(refused["code"], "too_many_organisations");
    let words = "You own 2 organisations, which is as many as one user may. Delete one, or ask staff to create more.";
    assert_eq!(refused["detail"], words);
    assert_eq!(user.get("organisation/").await.expect(200).body["count"], 3, "the personal one does not count");
    user.delete(&format!("organisation/{first}/")).await.expect(204);
    create(&user, "Three").await.expect(201);
    for name in ["One", "Two", "Three"] {
        create(&staff, name).await.expect(201);
    }
}
