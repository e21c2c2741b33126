//! Conversion events.

use chrono::{Datelike, Months, NaiveTime, TimeDelta};
use serde_json::{Value, json};

use crate::support::events::{Stage, stage_with};
use crate::support::prepared::{Prepared, prepare};
use crate::support::{Caller, slots};

const REQUEST: &str = "0d9e6b0c-5a4f-4c3e-9b7a-3f0f6f1f2a3b";

async fn stage() -> Stage {
    stage_with(|_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_reported_read_changed_and_deleted() {
    let stage = stage().await;
    let program = &stage.program;
    let sent = json!({ "item_id": "a/b c", "recommendation_request_id": REQUEST, "metadata_json": [1, { "a": null }] });
    let event = program.post("conversion_event/", stage.event(sent)).await.expect(201);
    assert_eq!((&event.body["item_id"], &event.body["recommendation_request_id"]), (&json!("a/b c"), &json!(REQUEST)));
    assert_eq!((&event.body["metadata_json"], &event.body["event_id"]), (&json!([1, { "a": null }]), &Value::Null));
    let now = stage.app.services.clock.now();
    assert_eq!(event.body["timestamp"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap(), now);
    stage.app.services.clock.advance(TimeDelta::minutes(1));
    let plain = stage.event(json!({ "event_type": "impression", "timestamp": "2001-01-01" }));
    let second = program.post("conversion_event/", plain).await.expect(201);
    assert_eq!((&second.body["item_id"], &second.body["metadata_json"]), (&json!(""), &json!({})));

    let path = format!("conversion_event/{}/", event.id());
    assert_eq!(program.get(&path).await.expect(200).body, event.body);
    assert_eq!(program.get("conversion_event/").await.expect(200).body["results"], json!([second.body, event.body]));
    let clicks = format!("conversion_event/?project={}&event_type=click&deployment_slot={}", stage.prepared.project, stage.slot);
    assert_eq!(program.get(&clicks).await.expect(200).body["results"], json!([event.body]));
    assert_eq!(program.get("conversion_event/?deployment_slot=999").await.expect(200).body["count"], 0);
    program.get("conversion_event/?event_type=view").await.expect(400);

    let changed = program.patch(&path, json!({ "event_type": "purchase" })).await.expect(200).body;
    assert_eq!((&changed["event_type"], &changed["item_id"]), (&json!("purchase"), &json!("a/b c")));
    let replaced = program.put(&path, stage.event(json!({ "event_type": "impression" }))).await.expect(200).body;
    assert_eq!((&replaced["item_id"], &replaced["timestamp"]), (&json!(""), &event.body["timestamp"]));
    program.delete(&path).await.expect(204);
    program.get(&path).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_needs_predict_for_every_verb_and_a_person_a_role() {
    let stage = stage().await;
    let event = stage.prepared.user.post("conversion_event/", stage.event(json!({}))).await.expect(201).id();
    let path = format!("conversion_event/{event}/");
    for scope in ["read", "write"] {
        let key = stage.app.anonymous().with_key(&stage.prepared.key(scope, scope).await);
        key.get("conversion_event/").await.expect(403);
        key.get(&path).await.expect(403);
        key.post("conversion_event/", stage.event(json!({}))).await.expect(403);
        key.delete(&path).await.expect(403);
    }
    let anonymous = stage.app.anonymous();
    anonymous.get("conversion_event/").await.expect(401);
    let viewer = stage.app.user("viewer").await;
    stage.app.join("viewer", "margarete", "viewer").await;
    viewer.get(&path).await.expect(200);
    viewer.patch(&path, json!({ "event_type": "click" })).await.expect(403);
    viewer.post("conversion_event/", stage.event(json!({}))).await.expect(403);
    viewer.post("conversion_event/batch/", json!({ "events": [stage.event(json!({}))] })).await.expect(403);
    let stranger = stage.app.user("friedrich").await;
    stranger.get(&path).await.expect(404);
    assert_eq!(stranger.get("conversion_event/").await.expect(200).body["count"], 0);
    stranger.post("conversion_event/", stage.event(json!({}))).await.expect(403);
    stage.app.staff("staff").await.post("conversion_event/", stage.event(json!({}))).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_project_or_slot_is_403_whether_it_is_there_or_not() {
    let stage = stage().await;
    let other = prepare(stage.prepared.user.clone(), "Q", "TopPop").await;
    let body = json!({ "configuration": other.configuration, "data_loc": other.data });
    let model = other.user.post("trained_model/", body).await.expect(201).id();
    slots::give_file(&stage.app, model).await;
    let other_slot = slots::make(&other, model, json!({})).await.expect(201).id();
    let user = &stage.prepared.user;
    for (caller, wrong) in [
        (&stage.program, json!({ "project": other.project, "deployment_slot": other_slot })),
        (&stage.program, json!({ "project": other.project })),
        (user, json!({ "deployment_slot": other_slot })),
        (user, json!({ "deployment_slot": 999_999 })),
        (user, json!({ "project": 999_999 })),
    ] {
        let event = stage.event(wrong);
        assert!(caller.post("conversion_event/", event.clone()).await.expect(403).body["detail"].is_string());
        let batch = json!({ "events": [stage.event(json!({})), event] });
        caller.post("conversion_event/batch/", batch).await.expect(403);
    }
    assert_eq!(user.get("conversion_event/").await.body["count"], 0);
    for (wrong, field) in [
        (json!({ "user_id": "" }), "user_id"),
        (json!({ "user_id": "x".repeat(257) }), "user_id"),
        (json!({ "event_type": "view" }), "event_type"),
        (json!({ "recommendation_request_id": 5 }), "recommendation_request_id"),
        (json!({ "metadata_json": null }), "metadata_json"),
        (json!({ "metadata_json": { "a": "\0" } }), "metadata_json"),
        (json!({ "item_id": null }), "item_id"),
        (json!({ "project": "x" }), "project"),
    ] {
        user.post("conversion_event/", stage.event(wrong)).await.fault(field);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_stored_whole_or_not_at_all() {
    let stage = stage().await;
    let program = &stage.program;
    let batch = |events: Vec<Value>| json!({ "events": events });
    let path = "conversion_event/batch/";
    assert_eq!(program.post(path, batch(vec![])).await.expect(201).body, json!({ "created": 0 }));
    let bad = vec![stage.event(json!({})), stage.event(json!({ "event_type": "view" })), json!(7)];
    let faults = program.post(path, batch(bad)).await.expect(400).body;
    assert_eq!(faults["events"][0], json!({}));
    assert!(faults["events"][1]["event_type"].is_array() && faults["events"][2]["non_field_errors"].is_array(), "{faults}");
    assert_eq!(program.get("conversion_event/").await.body["count"], 0);
    program.post(path, json!({})).await.fault("events");
    program.post(path, json!({ "events": {} })).await.fault("events");

    let many: Vec<Value> = (0..10_000).map(|n| stage.event(json!({ "user_id": n, "item_id": "千と千尋" }))).collect();
    assert_eq!(program.post(path, batch(many.clone())).await.expect(201).body, json!({ "created": 10_000 }));
    let page = program.get("conversion_event/?page_size=1").await.expect(200).body;
    assert_eq!((&page["count"], &page["results"][0]["user_id"]), (&json!(10_000), &json!("9999")));
    let too_many = [many, vec![stage.event(json!({}))]].concat();
    program.post(path, batch(too_many)).await.fault("events");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_an_id_of_the_client_is_stored_once() {
    let stage = stage().await;
    let program = &stage.program;
    let named = |name: &str, kind: &str| stage.event(json!({ "event_id": name, "event_type": kind }));
    let first = program.post("conversion_event/", named("a", "click")).await.expect(201);
    let again = program.post("conversion_event/", named("a", "purchase")).await.expect(200);
    assert_eq!(again.body, first.body);
    let batch = json!({ "events": [named("a", "click"), named("b", "click"), named("b", "purchase"), named("c", "click")] });
    assert_eq!(program.post("conversion_event/batch/", batch.clone()).await.expect(201).body["created"], 2);
    assert_eq!(program.post("conversion_event/batch/", batch).await.expect(201).body["created"], 0);
    let b = program.post("conversion_event/", named("b", "purchase")).await.expect(200).body;
    assert_eq!(b["event_type"], "click");
    program.patch(&format!("conversion_event/{}/", first.id()), json!({ "event_id": "z" })).await.fault("event_id");

    let same_time = (0..8).map(|_| {
        let (program, event) = (program.clone(), named("race", "click"));
        tokio::spawn(async move { program.post("conversion_event/", event).await.status.as_u16() })
    });
    let mut statuses = Vec::new();
    for call in same_time.collect::<Vec<_>>() {
        statuses.push(call.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 201]);
    // Another project may use the same ids.
    let other = prepare(stage.prepared.user.clone(), "Q", "TopPop").await;
    let body = json!({ "configuration": other.configuration, "data_loc": other.data });
    let model = other.user.post("trained_model/", body).await.expect(201).id();
    slots::give_file(&stage.app, model).await;
    let slot = slots::make(&other, model, json!({})).await.expect(201).id();
    let theirs =
        json!({ "project": other.project, "deployment_slot": slot, "user_id": "1", "event_type": "click", "event_id": "a" });
    other.user.post("conversion_event/", theirs).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_kept_by_month_and_never_refused_for_want_of_a_partition() {
    let stage = stage().await;
    let services = &stage.app.services;
    let in_default = "SELECT count(*) FROM ONLY conversion_events_default";
    stage.program.post("conversion_event/", stage.event(json!({ "event_id": "early" }))).await.expect(201);
    assert_eq!(stage.app.count(in_default).await, 1);
    assert_eq!(recotem::features::events::make_ahead(services).await.unwrap(), 4);
    assert_eq!(stage.app.count(in_default).await, 0);
    assert_eq!(recotem::features::events::make_ahead(services).await.unwrap(), 0);
    let now = services.clock.now();
    let next_month = now.date_naive().with_day(1).unwrap() + Months::new(1);
    services.clock.advance(next_month.and_time(NaiveTime::MIN).and_utc() - now);
    stage
        .prepared
        .user
        .post("auth/login/", json!({ "username": "margarete", "password": "a good long phrase" }))
        .await
        .expect(200);
    stage.program.post("conversion_event/", stage.event(json!({}))).await.expect(201);
    assert_eq!(stage.app.count(in_default).await, 0);
    assert_eq!(recotem::features::events::make_ahead(services).await.unwrap(), 1);
    assert_eq!(stage.program.get("conversion_event/").await.expect(200).body["count"], 2);
    let path = format!("deployment_slot/{}/", stage.slot);
    let user = Caller::log_in(&stage.app.base, "margarete", "a good long phrase").await;
    slots::make(&Prepared { user: user.clone(), ..stage.prepared }, stage.model, json!({})).await.expect(201);
    user.delete(&path).await.expect(204);
    assert_eq!(stage.app.count("SELECT count(*) FROM conversion_events").await, 2, "what users did outlives the slot");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_adds_to_an_event_has_a_largest_size() {
    let stage = stage().await;
    let (fits, too_much) = (json!({ "k": "x".repeat(8_000) }), json!({ "k": "x".repeat(5 << 20) }));
    stage.program.post("conversion_event/", stage.event(json!({ "metadata_json": fits }))).await.expect(201);
    let refused = stage.program.post("conversion_event/", stage.event(json!({ "metadata_json": too_much }))).await;
    assert!(refused.fault("metadata_json").contains("8192 bytes"), "{}", refused.body);
    let batch = json!({ "events": [stage.event(json!({})), stage.event(json!({ "metadata_json": vec![0; 8_192] }))] });
    let refused = stage.program.post("conversion_event/batch/", batch).await.expect(400);
    assert_eq!(refused.body["events"][0], json!({}));
    assert!(refused.body["events"][1]["metadata_json"].is_array());
    assert_eq!(stage.app.count("SELECT count(*) FROM conversion_events").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_room_on_the_disk_asks_reporters_to_try_again() {
    let stage = stage().await;
    stage.program.post("conversion_event/", stage.event(json!({}))).await.expect(201);
    let full = "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION USING ERRCODE = 'disk_full', HINT = 'Check free disk space.',
                MESSAGE = 'could not extend file \"base/16384/16500\": No space left on device';
        END $$";
    stage.app.execute(full).await;
    stage
        .app
        .execute("CREATE TRIGGER full_disk BEFORE INSERT ON conversion_events FOR EACH ROW EXECUTE FUNCTION no_room()")
        .await;
    for (path, body) in [
        ("conversion_event/", stage.event(json!({}))),
        ("conversion_event/batch/", json!({ "events": [stage.event(json!({}))] })),
    ] {
        let refused = stage.program.post(path, body).await.expect(503);
        assert_eq!(refused.body["code"], "temporarily_unavailable");
        assert!(!refused.header("retry-after").is_empty());
    }
    stage.app.execute("DROP TRIGGER full_disk ON conversion_events").await;
    stage.program.post("conversion_event/", stage.event(json!({}))).await.expect(201);
}
