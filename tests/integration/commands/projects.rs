//! Owners and keys of projects.

use serde_json::json;

use crate::support::TestApp;
use crate::support::commands::Install;

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_shown_by_a_dry_run_and_then_assigned() {
    let app = TestApp::start().await;
    let install = Install::of(&app);
    let (owner, heir) = (app.user("owner").await, app.user("heir").await);
    let fields = |name: &str| json!({ "name": name, "user_column": "u", "item_column": "i" });
    let shop = owner.post("project/", fields("Shop")).await.expect(201).id();
    owner.post("project/", fields("Both")).await.expect(201);
    heir.post("project/", fields("Both")).await.expect(201);
    app.execute("UPDATE projects SET owner_id = NULL WHERE owner_id = (SELECT id FROM users WHERE username = 'owner')").await;

    assert!(install.run(&["assign_owners", "--user", "ghost"]).refused().contains("User \"ghost\" does not exist."));
    let said = install.run(&["assign_owners", "--user", "heir", "--dry-run"]);
    assert!(
        said.output.contains("Project: 1 record(s) would be assigned to \"heir\".")
            && said.output.contains("Dry run complete. No changes made.")
    );
    assert!(said.refused().contains("Both"));
    heir.get(&format!("project/{shop}/")).await.expect(404);
    let said = install.run(&["assign-owners", "--owner", "heir"]);
    assert!(said.output.contains("Project: 1 record(s) assigned to \"heir\"."), "{}", said.output);
    said.refused();
    heir.get(&format!("project/{shop}/")).await.expect(200);
    app.execute(
        "UPDATE projects SET name = 'Third', owner_id = (SELECT id FROM users WHERE username = 'heir') WHERE owner_id IS NULL",
    )
    .await;
    assert!(install.run(&["assign_owners", "--user", "heir"]).done().contains("no unowned records"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_for_an_owner_who_is_in_the_project() {
    let app = TestApp::start().await;
    let install = Install::of(&app);
    let owner = app.user("owner").await;
    app.user("other").await;
    let project = json!({ "name": "Shop", "user_column": "u", "item_column": "i" });
    let project = owner.post("project/", project).await.expect(201).id().to_string();
    let make = |more: &[&str]| install.run(&[&["create_api_key", "--project-id", &project, "--name", "k"], more].concat());

    assert!(make(&["--owner", "other"]).refused().contains("does not match project owner"));
    assert!(make(&["--owner", "ghost"]).refused().contains("not found"));
    assert!(make(&["--owner", "owner", "--scopes", "predict,badscope"]).refused().contains("Invalid scope \"badscope\""));
    let missing = ["create-api-key", "--project-id", "99999", "--name", "k"];
    assert!(install.run(&missing).refused().contains("Project 99999 not found."));

    // The command uses the time of the machine, the server of the test that of the test.
    let key = make(&["--owner", "owner", "--scopes", "read, predict", "--expires-in-days", "3650"]).done();
    let shown = owner.with_key(key.trim()).get("project/").await.expect(200);
    assert_eq!(shown.body["results"][0]["name"], "Shop");
    let stored = owner.get("api_keys/").await.expect(200).body["results"][0].clone();
    assert_eq!(stored["scopes"], json!(["read", "predict"]));
    assert!(!stored["expires_at"].is_null());
    let again = make(&["--owner", "owner"]).refused();
    assert!(again.contains("already exists") && !again.contains('{'), "{again}");
}
