//! Deployment slots.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::prepared::prepare;
use crate::support::slots::{give_file, make, model_of, with_model, with_waiting_model};

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_made_listed_changed_and_deleted() {
    let app = TestApp::start_without_worker().await;
    let (prepared, model) = with_model(&app, "margarete").await;
    let user = &prepared.user;
    let first = make(&prepared, model, json!({})).await.expect(201);
    assert_eq!(
        (&first.body["weight"], &first.body["is_active"], &first.body["is_shadow"]),
        (&json!(100.0), &json!(true), &json!(false))
    );
    assert_eq!((&first.body["project"], &first.body["trained_model"]), (&json!(prepared.project), &json!(model)));
    let second = make(&prepared, model, json!({ "name": "A", "weight": "12.5", "is_active": false })).await.expect(201);
    let path = format!("deployment_slot/{}/", second.id());
    assert_eq!(user.get(&path).await.expect(200).body, second.body);

    let listed = user.get(&format!("deployment_slot/?project={}", prepared.project)).await.expect(200).body;
    assert_eq!(listed["results"], json!([second.body, first.body]));
    assert_eq!(user.get("deployment_slot/?is_active=true").await.body["results"], json!([first.body]));
    assert_eq!(user.get("deployment_slot/?is_active=0").await.body["count"], 1);
    assert_eq!(user.get("deployment_slot/?project=999").await.expect(200).body["count"], 0);
    user.get("deployment_slot/?project=x").await.expect(400);

    let changed = user.patch(&path, json!({ "weight": 40 })).await.expect(200).body;
    assert_eq!((&changed["weight"], &changed["name"], &changed["is_active"]), (&json!(40.0), &json!("A"), &json!(false)));
    let replaced =
        user.put(&path, json!({ "project": prepared.project, "name": "B", "trained_model": model, "is_active": true }));
    assert_eq!(replaced.await.expect(200).body["name"], "B");
    user.delete(&path).await.expect(204);
    user.get(&path).await.expect(404);
    let actions =
        "SELECT count(*) FROM slot_changes WHERE changed_by IS NOT NULL AND action IN ('created', 'updated', 'deleted')";
    assert_eq!(app.count(actions).await, 5);
    let undoable = "SELECT count(*) FROM slot_changes WHERE action = 'updated' AND before->0->>'weight' = '12.5' AND after->0->>'weight' = '40.0'";
    assert_eq!(app.count(undoable).await, 1);
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE resource = 'deployment_slot'").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_on_its_field() {
    let app = TestApp::start_without_worker().await;
    let (prepared, model) = with_model(&app, "margarete").await;
    let elsewhere = prepare(prepared.user.clone(), "Q", "TopPop").await;
    let (foreign, foreign_model) = with_model(&app, "friedrich").await;
    for (body, field) in [
        (json!({ "weight": -1 }), "weight"),
        (json!({ "weight": 100.5 }), "weight"),
        (json!({ "weight": null }), "weight"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": "x".repeat(257) }), "name"),
        (json!({ "is_active": "perhaps" }), "is_active"),
        (json!({ "trained_model": 999_999 }), "trained_model"),
        (json!({ "trained_model": model_of(&elsewhere).await }), "trained_model"),
        (json!({ "trained_model": foreign_model }), "trained_model"),
        (json!({ "project": foreign.project }), "project"),
        (json!({ "project": 999_999 }), "project"),
    ] {
        make(&prepared, model, body.clone()).await.fault(field);
    }
    let slot = make(&prepared, model, json!({})).await.expect(201).id();
    let path = format!("deployment_slot/{slot}/");
    prepared.user.patch(&path, json!({ "project": elsewhere.project })).await.fault("project");
    prepared.user.patch(&path, json!({ "trained_model": foreign_model })).await.fault("trained_model");
    foreign.user.patch(&path, json!({ "weight": 1 })).await.expect(404);
    let viewer = app.user("viewer").await;
    app.join("viewer", "margarete", "viewer").await;
    viewer.get(&path).await.expect(200);
    viewer.patch(&path, json!({ "weight": 1 })).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_that_are_all_zero_are_refused_when_set() {
    let app = TestApp::start_without_worker().await;
    let (prepared, model) = with_model(&app, "margarete").await;
    let user = &prepared.user;
    make(&prepared, model, json!({ "weight": 0 })).await.fault("weight");
    let full = make(&prepared, model, json!({})).await.expect(201).id();
    let empty = make(&prepared, model, json!({ "weight": 0 })).await.expect(201).id();
    // A shadow slot serves no users, so its weight does not help.
    make(&prepared, model, json!({ "is_shadow": true })).await.expect(201);
    let (full, empty) = (format!("deployment_slot/{full}/"), format!("deployment_slot/{empty}/"));
    for refused in [json!({ "weight": 0 }), json!({ "is_active": false }), json!({ "is_shadow": true })] {
        user.patch(&full, refused).await.fault("weight");
    }
    user.delete(&full).await.expect(400);
    assert_eq!(user.get(&full).await.expect(200).body["weight"], 100.0);
    user.patch(&empty, json!({ "is_active": false })).await.expect(200);
    // No active slot at all is a way to switch a project off.
    user.patch(&full, json!({ "is_active": false })).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_who_answers_can_be_taken_back_in_one_call() {
    let app = TestApp::start_without_worker().await;
    let (prepared, model) = with_model(&app, "margarete").await;
    let user = &prepared.user;
    let slot = make(&prepared, model, json!({ "weight": 70 })).await.expect(201).id();
    let other = make(&prepared, model, json!({ "weight": 30 })).await.expect(201).id();
    let path = format!("deployment_slot/{slot}/");
    let changes = format!("slot_change/?project={}", prepared.project);
    let newest = async || user.get(&changes).await.expect(200).body["results"][0].clone();
    let revert = async |change: &Value| user.post(&format!("slot_change/{}/revert/", change["id"]), json!({})).await;

    user.patch(&path, json!({ "weight": 5, "name": "B" })).await.expect(200);
    let change = newest().await;
    assert_eq!(
        (&change["action"], &change["before"][0]["weight"], &change["after"][0]["weight"]),
        (&json!("updated"), &json!(70.0), &json!(5.0))
    );
    let reverted = revert(&change).await.expect(200).body;
    assert_eq!((&reverted["action"], &reverted["reverts"]), (&json!("reverted"), &change["id"]));
    let shown = user.get(&path).await.body;
    assert_eq!((&shown["weight"], &shown["name"]), (&json!(70.0), &json!("A")));
    // Reverts the reversal.
    revert(&reverted).await.expect(200);
    assert_eq!(user.get(&path).await.body["weight"], 5.0);

    let test = json!({ "project": prepared.project, "name": "T", "control_slot": slot, "variant_slot": other });
    let test = user.post("ab_test/", test).await.expect(201).id();
    user.post(&format!("ab_test/{test}/start/"), json!({})).await.expect(200);
    revert(&change).await.expect(409);
    user.post(&format!("ab_test/{test}/stop/"), json!({})).await.expect(200);
    user.post(&format!("ab_test/{test}/promote_winner/"), json!({ "slot_id": other })).await.expect(200);
    let promotion = newest().await;
    assert_eq!((&promotion["action"], &promotion["ab_test"]), (&json!("promoted"), &json!(test)));
    let viewer = app.user("viewer").await;
    app.join("viewer", "margarete", "viewer").await;
    let address = format!("slot_change/{}/", promotion["id"]);
    assert_eq!(viewer.get(&address).await.expect(200).body, promotion);
    viewer.post(&format!("{address}revert/"), json!({})).await.expect(403);
    app.user("friedrich").await.get(&address).await.expect(404);
    revert(&promotion).await.expect(200);
    let (first, second) = (user.get(&path).await.body, user.get(&format!("deployment_slot/{other}/")).await.body);
    assert_eq!((&first["is_active"], &first["weight"], &second["weight"]), (&json!(true), &json!(5.0), &json!(30.0)));
    assert_eq!(user.get(&format!("ab_test/{test}/")).await.body["winner_slot"], Value::Null);

    user.delete(&path).await.expect(204);
    revert(&newest().await).await.expect(200);
    assert_eq!(user.get(&path).await.expect(200).body["weight"], 5.0);
    user.delete(&path).await.expect(204);
    let deletion = newest().await;
    app.execute("DELETE FROM trained_models").await;
    revert(&deletion).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cannot_answer_is_given_to_no_slot() {
    let app = TestApp::start_without_worker().await;
    let (prepared, waiting) = with_waiting_model(&app, "margarete").await;
    let user = &prepared.user;
    let (good, failed, unlinked) = (model_of(&prepared).await, model_of(&prepared).await, model_of(&prepared).await);
    give_file(&app, good).await;
    app.execute(&format!("UPDATE trained_models SET status = 'FAILED', error = 'No data.' WHERE id = {failed}")).await;
    app.execute(&format!("UPDATE trained_models SET status = 'COMPLETED' WHERE id = {unlinked}")).await;
    let slot = make(&prepared, good, json!({})).await.expect(201).id();
    let path = format!("deployment_slot/{slot}/");
    for (model, why) in [(waiting, "still being trained"), (failed, "No data."), (unlinked, "has been removed")] {
        for refused in [
            make(&prepared, model, json!({})).await,
            make(&prepared, model, json!({ "is_active": false })).await,
            make(&prepared, model, json!({ "is_shadow": true })).await,
            user.patch(&path, json!({ "trained_model": model })).await,
        ] {
            let fault = refused.fault("trained_model");
            assert!(fault.contains(why), "{fault}");
        }
    }
    let idle = make(&prepared, good, json!({ "is_active": false })).await.expect(201).id();
    user.patch(&path, json!({ "weight": 40 })).await.expect(200);
    user.patch(&path, json!({ "is_active": false })).await.expect(200);
    let switched_off = user.get("slot_change/").await.body["results"][0]["id"].clone();
    app.execute(&format!("UPDATE trained_models SET status = 'COMPLETED', storage_key = NULL WHERE id = {good}")).await;
    // A slot that has it continues, but none starts to serve it.
    user.patch(&path, json!({ "name": "B" })).await.expect(200);
    user.patch(&path, json!({ "is_active": true })).await.fault("trained_model");
    user.patch(&format!("deployment_slot/{idle}/"), json!({ "is_active": true })).await.fault("trained_model");
    user.post(&format!("slot_change/{switched_off}/revert/"), json!({})).await.expect(409);
}
