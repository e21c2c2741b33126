//! Sections 3 and 6 of the contract over HTTP, beyond the tests of the resources: shapes, words, filters, keys.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::prepared::Prepared;
use crate::support::slots;
use crate::support::{Answer, TestApp};

/// Checks that an object has all these keys; the server may add more at the end.
#[track_caller]
fn assert_shape(body: &Value, expected: &[&str]) {
    let object = body.as_object().unwrap_or_else(|| panic!("no object: {body}"));
    for key in expected {
        assert!(object.contains_key(*key), "{key} is missing: {body}");
    }
}

/// Returns the keys of an object. It has no order (RFC 8259), so they compare as a set.
fn keys(body: &Value) -> BTreeSet<&str> {
    body.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// A project with two slots of a waiting model, a test, a schedule with a run, an event and a tuning job.
struct World {
    prepared: Prepared,
    slot: i64,
    test: i64,
    schedule: i64,
    run: i64,
    event: i64,
    job: i64,
}

async fn world(app: &TestApp, name: &str) -> World {
    let (prepared, model) = slots::with_model(app, name).await;
    let user = &prepared.user;
    let slot = slots::make(&prepared, model, json!({})).await.expect(201).id();
    let variant = slots::make(&prepared, model, json!({ "is_active": false })).await.expect(201).id();
    let make = async |kind: &str, body: Value| user.post(&format!("{kind}/"), body).await.expect(201).id();
    let project = prepared.project;
    let test = json!({ "project": project, "name": "T", "control_slot": slot, "variant_slot": variant });
    let test = make("ab_test", test).await;
    let schedule = json!({ "project": project, "model_configuration": prepared.configuration, "is_enabled": true });
    let schedule = make("retraining_schedule", schedule).await;
    user.post(&format!("retraining_schedule/{schedule}/trigger/"), json!({})).await.expect(202);
    let run = user.get("retraining_run/").await.expect(200).body["results"][0]["id"].as_i64().expect("a run");
    let event = json!({ "project": project, "deployment_slot": slot, "user_id": "1", "event_type": "click" });
    let event = make("conversion_event", event).await;
    let (split, evaluation) = (make("split_config", json!({})).await, make("evaluation_config", json!({})).await);
    let job = make("parameter_tuning_job", json!({ "data": prepared.data, "split": split, "evaluation": evaluation })).await;
    World { prepared, slot, test, schedule, run, event, job }
}

#[allow(clippy::too_many_lines, reason = "a table of requests and fields")]
#[tokio::test(flavor = "multi_thread")]
async fn what_answers_the_traffic_has_the_fields_of_1x() {
    let app = TestApp::start_without_worker().await;
    let world = world(&app, "ada").await;
    let user = &world.prepared.user;
    let shapes: [(&str, i64, &[&str]); 5] = [
        (
            "deployment_slot",
            world.slot,
            &["id", "project", "name", "trained_model", "weight", "is_active", "ins_datetime", "updated_at"],
        ),
        (
            "ab_test",
            world.test,
            &[
                "id",
                "project",
                "name",
                "status",
                "control_slot",
                "variant_slot",
                "target_metric_name",
                "min_sample_size",
                "confidence_level",
                "started_at",
                "ended_at",
                "winner_slot",
                "ins_datetime",
                "updated_at",
            ],
        ),
        (
            "conversion_event",
            world.event,
            &[
                "id",
                "project",
                "deployment_slot",
                "user_id",
                "item_id",
                "event_type",
                "recommendation_request_id",
                "timestamp",
                "metadata_json",
            ],
        ),
        (
            "retraining_schedule",
            world.schedule,
            &[
                "id",
                "project",
                "is_enabled",
                "cron_expression",
                "training_data",
                "model_configuration",
                "retune",
                "split_config",
                "evaluation_config",
                "max_retries",
                "notify_on_failure",
                "last_run_at",
                "last_run_status",
                "next_run_at",
                "auto_deploy",
                "ins_datetime",
                "updated_at",
            ],
        ),
        (
            "retraining_run",
            world.run,
            &[
                "id",
                "schedule",
                "status",
                "trained_model",
                "tuning_job",
                "error_message",
                "ins_datetime",
                "completed_at",
                "data_rows_at_trigger",
            ],
        ),
    ];
    for (kind, id, shape) in shapes {
        let one = user.get(&format!("{kind}/{id}/")).await.expect(200).body;
        assert_shape(&one, shape);
        let listed = user.get(&format!("{kind}/")).await.expect(200).body["results"].clone();
        assert!(listed.as_array().expect("rows").contains(&one), "{kind}: one is shown as in the list");
    }
    // Only the server creates runs.
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        user.call(method, &format!("retraining_run/{}/", world.run), Some(json!({}))).await.expect(405);
    }
    user.post("retraining_run/", json!({ "schedule": world.schedule })).await.expect(405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tuning_job_has_the_fields_and_defaults_of_1x() {
    let app = TestApp::start_without_worker().await;
    let world = world(&app, "ada").await;
    let user = &world.prepared.user;
    let path = format!("parameter_tuning_job/{}/", world.job);
    let job = user.get(&path).await.expect(200).body;
    for (field, default) in [
        ("status", json!("PENDING")),
        ("data", json!(world.prepared.data)),
        ("n_tasks_parallel", json!(1)),
        ("n_trials", json!(40)),
        ("memory_budget", json!(8_000)),
        ("timeout_overall", Value::Null),
        ("timeout_singlestep", Value::Null),
        ("random_seed", Value::Null),
        ("tried_algorithms_json", Value::Null),
        ("irspack_version", Value::Null),
        ("train_after_tuning", json!(true)),
        ("tuned_model", Value::Null),
        ("best_config", Value::Null),
        ("best_score", Value::Null),
    ] {
        assert_eq!(job[field], default, "{field}");
    }
    assert!(job["split"].is_i64() && job["evaluation"].is_i64() && job["ins_datetime"].is_string());
    assert_eq!(
        keys(&job["task_links"][0]["task"]),
        BTreeSet::from(["task_id", "status", "date_created", "date_done", "traceback"])
    );
    let again = json!({ "data": job["data"], "split": job["split"], "evaluation": job["evaluation"], "n_trials": "3" });
    let newer = user.post("parameter_tuning_job/", again).await.expect(201);
    assert_eq!(newer.body["n_trials"], 3);
    let listed = async |query: &str| {
        let body = user.get(&format!("parameter_tuning_job/?{query}")).await.expect(200).body;
        body["results"].as_array().expect("rows").iter().filter_map(|row| row["id"].as_i64()).collect::<Vec<_>>()
    };
    let (data, project) = (world.prepared.data, world.prepared.project);
    assert_eq!(listed("").await, [newer.id(), world.job], "newest first");
    assert_eq!(listed(&format!("id={}", world.job)).await, [world.job]);
    assert_eq!(listed(&format!("data={data}&data__project={project}&status=PENDING")).await.len(), 2);
    assert!(listed("status=FAILED").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_count_for_what_answers_the_traffic_too_and_tell_nothing_about_others() {
    let app = TestApp::start_without_worker().await;
    let (mine, theirs) = (world(&app, "ada").await, world(&app, "bob").await);
    let (user, project) = (&mine.prepared.user, mine.prepared.project);
    let foreign = theirs.prepared.project;
    for (path, admits, refuses) in [
        (format!("deployment_slot/{}/", mine.slot), format!("project={project}&is_active=1"), "is_active=false".to_owned()),
        (format!("ab_test/{}/", mine.test), format!("project={project}&status=DRAFT"), "status=RUNNING".to_owned()),
        (format!("ab_test/{}/results/", mine.test), String::new(), format!("project={foreign}")),
        (format!("retraining_schedule/{}/", mine.schedule), format!("project={project}"), format!("project={foreign}")),
        (format!("retraining_run/{}/", mine.run), format!("schedule={}", mine.schedule), "status=FAILED".to_owned()),
        (format!("parameter_tuning_job/{}/", mine.job), format!("data={}", mine.prepared.data), "status=FAILED".to_owned()),
        (format!("parameter_tuning_job/{}/", mine.job), "status=".to_owned(), format!("data__project={foreign}")),
        (format!("conversion_event/{}/", mine.event), format!("deployment_slot={}", mine.slot), "event_type=purchase".to_owned()),
    ] {
        user.get(&format!("{path}?{admits}")).await.expect(200);
        user.get(&format!("{path}?{refuses}")).await.expect(404);
    }
    for (filter, id) in [
        ("deployment_slot/?project", foreign),
        ("ab_test/?project", foreign),
        ("conversion_event/?project", foreign),
        ("conversion_event/?deployment_slot", theirs.slot),
        ("retraining_schedule/?project", foreign),
        ("retraining_run/?schedule", theirs.schedule),
        ("parameter_tuning_job/?data", theirs.prepared.data),
        ("parameter_tuning_job/?data__project", foreign),
        ("api_keys/?project", foreign),
    ] {
        let bare = |answer: Answer| (answer.status.as_u16(), answer.body);
        let (of_others, of_nobody) = (user.get(&format!("{filter}={id}")).await, user.get(&format!("{filter}=777777")).await);
        let (of_others, of_nobody) = (bare(of_others), bare(of_nobody));
        assert_eq!(of_others, of_nobody, "{filter}");
        assert_eq!((of_others.0, &of_others.1["count"]), (200, &json!(0)), "{filter}");
        let (_, name) = filter.split_once('?').expect("a filter");
        user.get(&format!("{filter}=1x")).await.fault(name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_speak_1x_and_are_checked_when_they_change_too() {
    let app = TestApp::start().await;
    let user = app.user("ada").await;
    let project = async |name: &str| {
        user.post("project/", json!({ "name": name, "user_column": "u", "item_column": "i" })).await.expect(201).id()
    };
    let (one, two) = (project("one").await, project("two").await);
    let fields =
        |name: &str, scopes: Value| json!({ "project": one, "name": name, "scopes": scopes, "expires_at": "2999-01-01" });
    let made = user.post("api_keys/", fields("k", json!(["read", "predict"]))).await.expect(201);
    let made_once = BTreeSet::from(["id", "project", "name", "scopes", "expires_at", "ins_datetime", "key"]);
    assert_eq!(keys(&made.body), made_once);
    let secret = made.body["key"].as_str().expect("a key");
    let random = secret.strip_prefix("rctm_").expect("the prefix");
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    assert!(random.len() == 64 && random.bytes().all(is_safe), "{random}");
    let path = format!("api_keys/{}/", made.id());
    let shown = user.get(&path).await.expect(200).body;
    let shape = ["id", "project", "name", "key_prefix", "scopes", "is_active", "expires_at", "last_used_at", "ins_datetime"];
    assert_eq!(keys(&shown), BTreeSet::from(shape));
    assert_eq!((&shown["key_prefix"], &shown["last_used_at"]), (&json!(random[..8]), &Value::Null));
    app.anonymous().with_key(secret).get("project/").await.expect(200);
    assert!(user.get(&path).await.body["last_used_at"].is_string());
    // A key is as random as its hash is long: a slow hash would cost every request and protect nothing.
    assert_eq!(app.count("SELECT count(*) FROM api_keys WHERE octet_length(key_hash) = 32").await, 1);

    user.post("api_keys/", fields("k", json!(["read"]))).await.fault("non_field_errors");
    user.post("api_keys/", json!({ "project": two, "name": "k", "scopes": ["read"] })).await.expect(201);
    user.post("api_keys/", json!({ "project": one, "name": "none" })).await.fault("scopes");
    for wrong in [json!([]), json!(["admin"]), json!(["read", "everything"]), json!("read"), json!(null)] {
        user.post("api_keys/", fields("wrong", wrong.clone())).await.fault("scopes");
        user.patch(&path, json!({ "scopes": wrong })).await.fault("scopes");
    }
    user.patch(&path, json!({ "project": two })).await.fault("project");
    user.put(&path, json!({ "project": two, "name": "k", "scopes": ["read"] })).await.fault("project");
    user.patch(&path, json!({ "name": "x".repeat(257) })).await.fault("name");
    let changed = user.put(&path, json!({ "project": one, "name": "l", "scopes": ["read"] })).await.expect(200).body;
    assert_eq!((&changed["name"], &changed["scopes"]), (&json!("l"), &json!(["read"])));
    assert_eq!(user.get(&format!("api_keys/?project={one}")).await.body["results"], json!([changed]));

    for _ in 0..2 {
        assert_eq!(user.post(&format!("{path}revoke/"), json!({})).await.expect(200).body, json!({ "status": "revoked" }));
    }
    assert_eq!(user.patch(&path, json!({ "is_active": true })).await.expect(200).body["is_active"], false);
    app.anonymous().with_key(secret).get("project/").await.expect(401);
    user.delete(&path).await.expect(204);
    user.get(&path).await.expect(404);
    // 1.x's UI uses these names for the scope of predictions.
    for alias in ["recommend", "batch"] {
        let made = user.post("api_keys/", fields(alias, json!([alias]))).await.expect(201).body;
        let program = app.anonymous().with_key(made["key"].as_str().expect("a key"));
        program.post("/inference/predict/1", json!({ "user_id": "1" })).await.expect(404);
        // Predictions write no row.
        assert_eq!(user.get(&format!("api_keys/{}/", made["id"])).await.expect(200).body["last_used_at"], Value::Null);
        program.get("project/").await.expect(403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_word_of_the_wire_is_taken_where_it_belongs() {
    let app = TestApp::start_without_worker().await;
    let world = world(&app, "ada").await;
    let user = &world.prepared.user;
    for scheme in ["RG", "TG", "TU"] {
        assert_eq!(user.post("split_config/", json!({ "scheme": scheme })).await.expect(201).body["scheme"], scheme);
    }
    for metric in ["ndcg", "map", "recall", "hit"] {
        let made = user.post("evaluation_config/", json!({ "target_metric": metric })).await.expect(201).body;
        assert_eq!(made["target_metric"], metric);
    }
    for metric in ["ctr", "purchase_rate", "conversion_rate"] {
        let changed = user.patch(&format!("ab_test/{}/", world.test), json!({ "target_metric_name": metric })).await;
        assert_eq!(changed.expect(200).body["target_metric_name"], metric);
    }
    for kind in ["impression", "click", "purchase"] {
        let changed = user.patch(&format!("conversion_event/{}/", world.event), json!({ "event_type": kind })).await;
        assert_eq!(changed.expect(200).body["event_type"], kind);
    }
    for (filter, words) in [
        ("parameter_tuning_job/?status", &["PENDING", "RUNNING", "COMPLETED", "FAILED"][..]),
        ("ab_test/?status", &["DRAFT", "RUNNING", "COMPLETED", "CANCELLED"][..]),
        ("retraining_run/?status", &["PENDING", "RUNNING", "COMPLETED", "FAILED", "SKIPPED"][..]),
        ("conversion_event/?event_type", &["impression", "click", "purchase"][..]),
    ] {
        for word in words {
            user.get(&format!("{filter}={word}")).await.expect(200);
        }
        let (_, name) = filter.split_once('?').expect("a filter");
        user.get(&format!("{filter}=other")).await.fault(name);
    }
}
