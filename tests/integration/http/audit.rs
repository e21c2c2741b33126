//! The audit log: complete, readable by the right users, and never rewritten.

use serde_json::{Value, json};

use crate::support::{Caller, Jobs, TestApp, many_weights};

const PASSWORD: &str = "a good long phrase";

fn project(name: &str, organisation: i64) -> Value {
    json!({ "name": name, "user_column": "u", "item_column": "i", "organisation": organisation })
}

/// Returns the lines about one kind of object, oldest first, as action and whole line.
async fn lines(staff: &Caller, resource: &str) -> Vec<(String, Value)> {
    let page = staff.get(&format!("audit_log/?resource={resource}&page_size=100")).await.expect(200).body;
    let rows = page["results"].as_array().expect("rows").iter().rev();
    rows.map(|row| (row["action"].as_str().expect("an action").to_owned(), row.clone())).collect()
}

async fn actions(staff: &Caller, resource: &str) -> Vec<String> {
    lines(staff, resource).await.into_iter().map(|(action, _)| action).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_leaves_one_line_with_who_what_and_from_where() {
    let app = TestApp::start().await;
    let staff = app.staff("boss").await;
    let user = app.user("margarete").await;
    let team = user.post("organisation/", json!({ "name": "Team" })).await.expect(201).id();
    let path = format!("organisation/{team}/");
    user.patch(&path, json!({ "name": "Crew" })).await.expect(200);
    user.patch(&path, json!({ "name": "Crew" })).await.expect(200);
    let shop = user.post("project/", project("Shop", team)).await.expect(201).id();
    user.patch(&format!("project/{shop}/"), json!({ "name": "Store" })).await.expect(200);
    let key = user.post("api_keys/", json!({ "project": shop, "name": "k", "scopes": ["read", "write"] })).await.expect(201);
    let program = user.with_key(key.body["key"].as_str().unwrap());
    program.patch(&format!("project/{shop}/"), json!({ "time_column": "t" })).await.expect(200);
    let config = json!({ "project": shop, "name": "c", "recommender_class_name": "TopPopRecommender" });
    user.post("model_configuration/", config).await.expect(201);
    user.delete(&format!("project/{shop}/")).await.expect(204);
    user.delete(&path).await.expect(204);

    assert_eq!(actions(&staff, "organisation").await, ["created", "updated", "deleted"]);
    let lines = lines(&staff, "project").await;
    assert_eq!(lines.iter().map(|(action, _)| action.as_str()).collect::<Vec<_>>(), ["created", "updated", "updated", "deleted"]);
    let renamed = &lines[1].1;
    assert_eq!((&renamed["before"], &renamed["after"]), (&json!({ "name": "Shop" }), &json!({ "name": "Store" })));
    assert_eq!((&renamed["username"], &renamed["address"]), (&json!("margarete"), &json!("127.0.0.1")));
    assert_eq!((&renamed["organisation"], &renamed["project"]), (&json!(team), &json!(shop)));
    assert_eq!(renamed["resource_id"], shop.to_string());
    assert!(renamed["api_key"].is_null() && renamed["request_id"].as_str().is_some_and(|id| !id.is_empty()));
    assert_eq!(lines[2].1["api_key"], key.id());
    assert_eq!(lines[3].1["before"]["name"], "Store");
    // The salt that assigns users to slots stays secret.
    assert!(lines.iter().all(|(_, line)| !line.to_string().contains("salt")), "{lines:?}");
    // Objects deleted with another one have a line of their own.
    for resource in ["api_keys", "model_configuration", "member"] {
        assert_eq!(actions(&staff, resource).await, ["created", "deleted"], "{resource}");
    }
    let of_team = staff.get(&format!("audit_log/?organisation={team}&resource=api_keys")).await.expect(200).body;
    assert_eq!(of_team["count"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_leave_lines_too_and_no_secret() {
    let app = TestApp::start_with(Jobs::None, |settings| settings.self_sign_up = true).await;
    let staff = app.staff("boss").await;
    let made = staff.post("users/", json!({ "username": "made", "password": PASSWORD })).await.expect(201).id();
    staff.patch(&format!("users/{made}/"), json!({ "email": "made@example.com" })).await.expect(200);
    staff.post(&format!("users/{made}/reset_password/"), json!({ "new_password": "quite another phrase" })).await.expect(200);
    staff.post(&format!("users/{made}/deactivate/"), json!({})).await.expect(200);
    staff.post(&format!("users/{made}/activate/"), json!({})).await.expect(200);
    staff.post(&format!("users/{made}/password_reset_link/"), json!({})).await.expect(200);
    let users = lines(&staff, "users").await;
    assert_eq!(
        users.iter().map(|(action, _)| action.as_str()).collect::<Vec<_>>(),
        ["created", "updated", "updated", "updated", "updated"]
    );
    let of_made = json!(made.to_string());
    assert!(users.iter().all(|(_, line)| line["username"] == "boss" && line["resource_id"] == of_made));
    assert_eq!(users[2].1["after"]["password"], "changed");
    assert_eq!(users[3].1["after"]["is_active"], false);
    assert_eq!(actions(&staff, "password_reset_link").await, ["created"]);

    // A user who signs up is the actor.
    let sign_up = json!({ "username": "margarete", "password": PASSWORD });
    app.anonymous().post("auth/sign_up/", sign_up).await.expect(200);
    let own = lines(&staff, "users").await.pop().expect("a line").1;
    assert_eq!(
        (&own["username"], &own["action"], &own["address"]),
        (&json!("margarete"), &json!("created"), &json!("127.0.0.1"))
    );

    let margarete = Caller::log_in(&app.base, "margarete", PASSWORD).await;
    let team = margarete.post("organisation/", json!({ "name": "Team" })).await.expect(201).id();
    let invite = json!({ "role": "editor" });
    let token = margarete.post(&format!("organisation/{team}/invitations/"), invite).await.expect(201).body["token"].clone();
    let joined = json!({ "token": token, "username": "invited", "password": PASSWORD });
    app.anonymous().post("invitation/accept/", joined).await.expect(200);
    assert_eq!(actions(&staff, "invitation").await, ["created", "updated"]);
    let of_team = staff.get(&format!("audit_log/?organisation={team}&resource=member")).await.expect(200).body;
    assert_eq!(of_team["count"], 2);
    assert_eq!(
        (&of_team["results"][0]["username"], &of_team["results"][0]["after"]["role"]),
        (&json!("invited"), &json!("editor"))
    );

    let everything = staff.get("audit_log/export/?format=ndjson").await.expect(200);
    let text = String::from_utf8(everything.bytes).unwrap();
    for secret in ["argon2", "password_hash", "key_hash", "token_hash", token.as_str().unwrap()] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_large_value_the_log_keeps_its_size_and_a_digest() {
    let app = TestApp::start().await;
    let staff = app.staff("boss").await;
    let user = app.user("margarete").await;
    let shop = user.post("project/", json!({ "name": "Shop", "user_column": "u", "item_column": "i" })).await.expect(201).id();
    let path = format!("project/{shop}/");
    user.patch(&path, json!({ "name": "Store", "event_weights": many_weights(200, 1) })).await.expect(200);
    let kept = "SELECT count(*) FROM projects p, audit_log a WHERE a.action = 'updated'
        AND a.after -> 'event_weights' = jsonb_build_object('bytes', octet_length(p.event_weights::text),
            'sha256', encode(sha256(convert_to(p.event_weights::text, 'UTF8')), 'hex'))";
    assert_eq!(app.count(kept).await, 1);
    user.patch(&path, json!({ "event_weights": many_weights(200, 2) })).await.expect(200);
    user.patch(&path, json!({ "event_weights": many_weights(2, 1) })).await.expect(200);
    user.delete(&path).await.expect(204);

    let lines = lines(&staff, "project").await;
    let [created, first, second, third, deleted] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(created.1["after"]["event_weights"], json!({}));
    assert_eq!((&first.1["before"]["name"], &first.1["after"]["name"]), (&json!("Shop"), &json!("Store")));
    assert_eq!(first.1["before"]["event_weights"], json!({}));
    let (before, after) = (&second.1["before"]["event_weights"], &second.1["after"]["event_weights"]);
    assert_eq!(before, &first.1["after"]["event_weights"], "the same value has the same digest");
    assert_eq!((before["bytes"].as_i64() > Some(50_000), &before["bytes"]), (true, &after["bytes"]));
    assert_ne!(before["sha256"], after["sha256"]);
    assert_eq!(third.1["after"]["event_weights"], many_weights(2, 1), "a small value is kept whole");
    assert_eq!((&deleted.1["before"]["name"], deleted.0.as_str()), (&json!("Store"), "deleted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_read_the_log_of_their_organisation_and_nobody_elses() {
    let app = TestApp::start().await;
    let owner = app.user("owner").await;
    let viewer = app.user("viewer").await;
    let stranger = app.user("stranger").await;
    let staff = app.staff("boss").await;
    app.join("viewer", "owner", "viewer").await;
    let made = owner.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201);
    let (id, organisation) = (made.id(), made.body["organisation"].as_i64().unwrap());
    for path in [format!("audit_log/?organisation={organisation}"), format!("audit_log/?project={id}")] {
        assert_eq!(owner.get(&path).await.expect(200).body["count"], 1);
        assert_eq!(staff.get(&path).await.expect(200).body["count"], 1);
        viewer.get(&path).await.expect(403);
        app.anonymous().get(&path).await.expect(401);
    }
    stranger.get(&format!("audit_log/?organisation={organisation}")).await.expect(403);
    stranger.get("audit_log/?organisation=999999").await.expect(403);
    assert_eq!(stranger.get(&format!("audit_log/?project={id}")).await.expect(200).body["count"], 0);
    assert_eq!(stranger.get("audit_log/?project=999999").await.expect(200).body["count"], 0);
    for caller in [&viewer, &stranger] {
        assert_eq!(caller.get("audit_log/").await.expect(200).body["count"], 0);
        let export = caller.get("audit_log/export/").await.expect(200);
        assert_eq!(String::from_utf8(export.bytes).unwrap().lines().count(), 1, "the header alone");
    }
    assert_eq!(owner.get("audit_log/").await.expect(200).body["count"], 1);
    app.join("stranger", "owner", "admin").await;
    assert_eq!(stranger.get(&format!("audit_log/?project={id}")).await.expect(200).body["count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_filtered_and_exported() {
    let app = TestApp::start().await;
    let owner = app.user("owner").await;
    let made = owner.post("project/", json!({ "name": "P, \"1\"", "user_column": "u", "item_column": "i" })).await.expect(201);
    for number in 0..3 {
        owner.patch(&format!("project/{}/", made.id()), json!({ "name": format!("P{number}") })).await.expect(200);
    }
    let count = async |query: &str| owner.get(&format!("audit_log/?{query}")).await.expect(200).body["count"].clone();
    let me = owner.get("auth/user/").await.expect(200).body["pk"].clone();
    assert_eq!(count("action=updated").await, 3);
    assert_eq!(count(&format!("user={me}")).await, 4);
    assert_eq!(count("user=999999").await, 0);
    assert_eq!(count(&format!("resource=project&resource_id={}", made.id())).await, 4);
    assert_eq!(count("since=2000-01-01&until=2001-01-01T00:00:00Z").await, 0);
    assert_eq!(count("since=2000-01-01T00:00:00%2B09:00").await, 4);
    for wrong in ["action=seen", "since=yesterday", "organisation=x"] {
        owner.get(&format!("audit_log/?{wrong}")).await.expect(400);
    }
    let page = owner.get("audit_log/?page_size=2").await.expect(200).body;
    assert_eq!(page["results"][0]["after"]["name"], "P2", "newest first");
    assert!(page["next"].is_string());
    let csv = owner.get("audit_log/export/").await.expect(200);
    assert!(csv.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
    let mut reader = csv::Reader::from_reader(csv.bytes.as_slice());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    let first: Value = serde_json::from_str(&rows[3][13]).unwrap();
    assert_eq!(first["name"], "P, \"1\"");
    let lines = owner.get("audit_log/export/?format=ndjson&action=created").await.expect(200);
    let line: Value = serde_json::from_slice(&lines.bytes).unwrap();
    assert_eq!(line["action"], "created");
    owner.get("audit_log/export/?format=xml").await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_exported_whole() {
    let app = TestApp::start().await;
    let staff = app.staff("boss").await;
    app.execute(
        "INSERT INTO audit_log (action, resource, resource_id) SELECT 'created', 'many', n FROM generate_series(1, 1500) n",
    )
    .await;
    let export = staff.get("audit_log/export/?format=ndjson&resource=many").await.expect(200);
    let text = String::from_utf8(export.bytes).unwrap();
    assert_eq!(text.lines().count(), 1_500);
    let exact = staff.get("audit_log/export/?resource=many&resource_id=7").await.expect(200);
    assert_eq!(String::from_utf8(exact.bytes).unwrap().lines().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn even_the_program_cannot_rewrite_the_log() {
    let app = TestApp::start().await;
    let owner = app.user("owner").await;
    owner.post("project/", json!({ "name": "P", "user_column": "u", "item_column": "i" })).await.expect(201);
    let mut connection = app.services.db.conn().await.unwrap();
    for sql in ["UPDATE audit_log SET username = 'somebody else'", "DELETE FROM audit_log", "TRUNCATE audit_log"] {
        let refused = diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), &mut connection).await;
        assert!(refused.unwrap_err().to_string().contains("append-only"), "{sql}");
    }
    assert_eq!(app.count("SELECT count(*) FROM audit_log").await, 1);
}
