//! Retraining schedules and their runs.

use chrono::{DateTime, TimeDelta, Utc};
use recotem::features::retraining::fire_due;
use serde_json::{Value, json};

use crate::support::prepared::{Prepared, prepare};
use crate::support::retraining::{finish, plan, run, runs};
use crate::support::{Caller, Jobs, TestApp, slots};

async fn stage(app: &TestApp) -> Prepared {
    prepare(app.user("margarete").await, "P", "TopPop").await
}

fn moment(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap_or_else(|| panic!("no moment: {value}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_made_shown_changed_and_deleted() {
    let app = TestApp::start().await;
    let prepared = stage(&app).await;
    let user = &prepared.user;
    let made = plan(&prepared, json!({})).await.expect(201);
    for (field, expected) in [
        ("project", json!(prepared.project)),
        ("is_enabled", json!(false)),
        ("cron_expression", json!("0 2 * * 0")),
        ("time_zone", json!("UTC")),
        ("retune", json!(false)),
        ("max_retries", json!(3)),
        ("notify_on_failure", json!(true)),
        ("auto_deploy", json!(false)),
        ("training_data", Value::Null),
        ("last_run_at", Value::Null),
        ("last_run_status", Value::Null),
        ("next_run_at", Value::Null),
    ] {
        assert_eq!(made.body[field], expected, "{field}");
    }
    plan(&prepared, json!({})).await.fault("project");
    assert_eq!(user.get(&format!("retraining_schedule/?project={}", prepared.project)).await.body["results"], json!([made.body]));

    let path = format!("retraining_schedule/{}/", made.id());
    let split = user.post("split_config/", json!({})).await.expect(201).id();
    let evaluation = user.post("evaluation_config/", json!({})).await.expect(201).id();
    let change = json!({ "is_enabled": true, "cron_expression": " 30  4 * * * ", "time_zone": "Asia/Tokyo",
        "training_data": prepared.data, "model_configuration": prepared.configuration, "split_config": split,
        "evaluation_config": evaluation, "gate_tolerance": 0.01, "catch_up": "skip" });
    let changed = user.patch(&path, change).await.expect(200).body;
    assert_eq!((&changed["cron_expression"], &changed["split_config"]), (&json!("30  4 * * *"), &json!(split)));
    let (next, now) = (moment(&changed["next_run_at"]), app.services.clock.now());
    assert!(next > now && next <= now + TimeDelta::days(1), "{next}");
    assert_eq!(next.format("%H:%M").to_string(), "19:30");
    let replaced = user.put(&path, json!({ "project": prepared.project, "training_data": null })).await.expect(200).body;
    assert_eq!((&replaced["training_data"], &replaced["is_enabled"]), (&Value::Null, &json!(true)));
    let disabled = user.patch(&path, json!({ "is_enabled": false })).await.expect(200).body;
    assert_eq!(disabled["next_run_at"], Value::Null);
    user.delete(&path).await.expect(204);
    user.get(&path).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_or_is_somebody_elses_is_refused_on_its_field() {
    let app = TestApp::start_without_worker().await;
    let prepared = stage(&app).await;
    let sibling = prepare(prepared.user.clone(), "Q", "TopPop").await;
    let foreign = prepare(app.user("friedrich").await, "R", "TopPop").await;
    let split = foreign.user.post("split_config/", json!({})).await.expect(201).id();
    let evaluation = foreign.user.post("evaluation_config/", json!({})).await.expect(201).id();
    let wrong = [
        (json!({ "cron_expression": "99 99 * * *" }), "cron_expression"),
        (json!({ "cron_expression": "0 0 2 * * 0" }), "cron_expression"),
        (json!({ "cron_expression": "0 2 * *" }), "cron_expression"),
        (json!({ "cron_expression": "0 0 31 2 *" }), "cron_expression"),
        (json!({ "cron_expression": "" }), "cron_expression"),
        (json!({ "cron_expression": format!("0{} 2 * * *", ",0".repeat(60)) }), "cron_expression"),
        (json!({ "time_zone": "Middle/Earth" }), "time_zone"),
        (json!({ "max_retries": -1 }), "max_retries"),
        (json!({ "max_retries": 101 }), "max_retries"),
        (json!({ "gate_tolerance": -0.1 }), "gate_tolerance"),
        (json!({ "catch_up": "all" }), "catch_up"),
        (json!({ "project": foreign.project }), "project"),
        (json!({ "training_data": foreign.data }), "training_data"),
        (json!({ "training_data": sibling.data }), "training_data"),
        (json!({ "model_configuration": foreign.configuration }), "model_configuration"),
        (json!({ "model_configuration": sibling.configuration }), "model_configuration"),
        (json!({ "split_config": split }), "split_config"),
        (json!({ "evaluation_config": evaluation }), "evaluation_config"),
        (json!({ "evaluation_config": 999_999 }), "evaluation_config"),
    ];
    for (body, field) in wrong.clone() {
        plan(&prepared, body).await.fault(field);
    }
    let path = format!("retraining_schedule/{}/", plan(&prepared, json!({})).await.expect(201).id());
    for (body, field) in wrong {
        prepared.user.patch(&path, body).await.fault(field);
    }
    foreign.user.get(&path).await.expect(404);
    foreign.user.post(&format!("{path}trigger/"), json!({})).await.expect(404);
    let viewer = app.user("viewer").await;
    app.join("viewer", "margarete", "viewer").await;
    viewer.get(&path).await.expect(200);
    viewer.post(&format!("{path}trigger/"), json!({})).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn triggering_a_disabled_schedule_says_so() {
    let app = TestApp::start_without_worker().await;
    let prepared = stage(&app).await;
    let schedule = plan(&prepared, json!({ "model_configuration": prepared.configuration })).await.expect(201).id();
    let path = format!("retraining_schedule/{schedule}/");
    let answer = prepared.user.post(&format!("{path}trigger/"), json!({})).await.expect(409);
    assert!(answer.body["detail"].as_str().unwrap().contains("disabled"));
    assert!(runs(&prepared.user, schedule).await.is_empty());
    prepared.user.patch(&path, json!({ "is_enabled": true })).await.expect(200);
    for _ in 0..2 {
        let answer = prepared.user.post(&format!("{path}trigger/"), json!({})).await.expect(202);
        assert_eq!(answer.body, json!({ "status": "triggered" }));
    }
    let runs = runs(&prepared.user, schedule).await;
    assert_eq!((runs.len(), &runs[0]["status"]), (1, &json!("PENDING")), "one on its way is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_trains_on_the_newest_usable_upload_and_deploys_the_model() {
    let app = TestApp::start_with_worker().await;
    let prepared = stage(&app).await;
    let user = &prepared.user;
    let newest = user.upload(prepared.project, "new.csv", "user,item\na,x\na,y\nb,x\nb,z\nc,x\n").await.expect(201).id();
    let unlinked = user.upload(prepared.project, "gone.csv", "user,item\na,x\na,y\n").await.expect(201).id();
    user.delete(&format!("training_data/{unlinked}/unlink_file/")).await.expect(200);
    let wanted = json!({ "is_enabled": true, "model_configuration": prepared.configuration, "auto_deploy": true });
    let schedule = plan(&prepared, wanted).await.expect(201).id();

    let done = run(&app, user, schedule).await;
    assert_eq!(done["status"], "COMPLETED", "{done}");
    assert_eq!((&done["data_rows_at_trigger"], &done["training_data"]), (&json!(5), &json!(newest)));
    assert_eq!((&done["error_message"], &done["tuning_job"], &done["cause"]), (&json!(""), &Value::Null, &json!("manual")));
    assert!(done["completed_at"].is_string());
    let model = user.get(&format!("trained_model/{}/", done["trained_model"])).await.expect(200).body;
    assert_eq!((&model["status"], &model["data_loc"]), (&json!("COMPLETED"), &json!(newest)));
    let shown = user.get(&format!("retraining_schedule/{schedule}/")).await.expect(200).body;
    assert_eq!(shown["last_run_status"], "COMPLETED");
    assert!(shown["last_run_at"].is_string());
    let slots = user.get("deployment_slot/").await.body["results"].clone();
    assert_eq!((&slots[0]["name"], &slots[0]["trained_model"]), (&json!("auto-deploy-P"), &done["trained_model"]));

    // The next model replaces this one, at the weight that a user gave the slot.
    let slot = slots[0]["id"].as_i64().unwrap();
    user.patch(&format!("deployment_slot/{slot}/"), json!({ "weight": 30 })).await.expect(200);
    let again = run(&app, user, schedule).await;
    assert_eq!((&again["status"], &again["deployed_slot"]), (&json!("COMPLETED"), &json!(slot)));
    let deployed = user.get(&format!("deployment_slot/{slot}/")).await.body;
    assert_eq!((&deployed["trained_model"], &deployed["weight"]), (&again["trained_model"], &json!(30.0)));
    assert_eq!(user.get(&format!("retraining_run/?schedule={schedule}&status=COMPLETED")).await.body["count"], 2);
    assert_eq!(user.get("retraining_run/?status=FAILED").await.body["count"], 0);
    user.get("retraining_run/?status=GOING").await.expect(400);
    assert_eq!(user.get(&format!("retraining_run/{}/", again["id"])).await.expect(200).body, again);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_automatic_slot_takes_the_traffic_over() {
    let app = TestApp::start_with_worker().await;
    let prepared = stage(&app).await;
    let model = prepared.train().await["id"].clone();
    let slot = json!({ "project": prepared.project, "name": "by hand", "trained_model": model });
    let slot = prepared.user.post("deployment_slot/", slot).await.expect(201).id();
    let wanted = json!({ "is_enabled": true, "model_configuration": prepared.configuration, "auto_deploy": true });
    let schedule = plan(&prepared, wanted).await.expect(201).id();
    let done = run(&app, &prepared.user, schedule).await;
    let before = prepared.user.get(&format!("deployment_slot/{slot}/")).await.body;
    let now = prepared.user.get(&format!("deployment_slot/{}/", done["deployed_slot"])).await.body;
    assert_eq!((&before["weight"], &before["is_active"]), (&json!(0.0), &json!(true)));
    assert_eq!((&now["weight"], &now["is_active"]), (&json!(100.0), &json!(true)));
    let undoable = "SELECT count(*) FROM slot_changes WHERE action = 'deployed' AND before->0->>'weight' = '100.0'";
    assert_eq!(app.count(undoable).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_slots_that_share_the_automatic_name_the_newest_gets_the_model() {
    let app = TestApp::start_with_worker().await;
    let prepared = stage(&app).await;
    let user = &prepared.user;
    let model = prepared.train().await["id"].clone();
    let slot = json!({ "project": prepared.project, "name": "auto-deploy-P", "trained_model": model });
    let older = user.post("deployment_slot/", slot.clone()).await.expect(201).id();
    let newer = user.post("deployment_slot/", slot).await.expect(201).id();
    let wanted = json!({ "is_enabled": true, "model_configuration": prepared.configuration, "auto_deploy": true });
    let schedule = plan(&prepared, wanted).await.expect(201).id();
    let done = run(&app, user, schedule).await;
    assert_eq!((&done["status"], &done["deployed_slot"]), (&json!("COMPLETED"), &json!(newer)), "{done}");
    assert_eq!(user.get(&format!("deployment_slot/{newer}/")).await.body["trained_model"], done["trained_model"]);
    assert_eq!(user.get(&format!("deployment_slot/{older}/")).await.body["trained_model"], model);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_is_skipped_and_one_that_goes_wrong_fails_in_words() {
    let app = TestApp::start_with_worker().await;
    let prepared = stage(&app).await;
    let user = &prepared.user;
    let schedule = plan(&prepared, json!({ "is_enabled": true, "retune": true })).await.expect(201).id();
    let path = format!("retraining_schedule/{schedule}/");
    let nothing = run(&app, user, schedule).await;
    assert_eq!(nothing["status"], "SKIPPED");
    assert!(nothing["error_message"].as_str().unwrap().contains("model configuration"), "{nothing}");
    assert_eq!(user.get(&path).await.body["last_run_status"], "SKIPPED");

    // An algorithm that a later version does not have any more.
    app.execute("UPDATE model_configurations SET recommender_class_name = 'ForgottenRecommender'").await;
    user.patch(&path, json!({ "model_configuration": prepared.configuration })).await.expect(200);
    let failed = run(&app, user, schedule).await;
    assert_eq!(failed["status"], "FAILED", "{failed}");
    assert!(failed["error_message"].as_str().unwrap().contains("ForgottenRecommender"), "{failed}");
    assert_eq!(user.get(&path).await.body["last_run_status"], "FAILED");
    user.delete(&format!("training_data/{}/unlink_file/", prepared.data)).await.expect(200);
    let without_data = run(&app, user, schedule).await;
    assert_eq!(without_data["status"], "SKIPPED");
    assert!(without_data["error_message"].as_str().unwrap().contains("data"), "{without_data}");
}

#[tokio::test(flavor = "multi_thread")]
async fn retuning_searches_anew_and_the_run_ends_with_the_model_of_the_search() {
    let app = TestApp::start_with_worker().await;
    let prepared = stage(&app).await;
    let user = &prepared.user;
    let rows: String = (0..400).map(|n| format!("u{},i{}\n", n % 40, (n * n + n / 40) % 23)).collect();
    user.upload(prepared.project, "more.csv", format!("user,item\n{rows}")).await.expect(201);
    let split = user.post("split_config/", json!({ "heldout_ratio": 0.5 })).await.expect(201).id();
    let evaluation = user.post("evaluation_config/", json!({ "cutoff": 5 })).await.expect(201).id();
    let wanted = json!({ "is_enabled": true, "retune": true, "split_config": split, "evaluation_config": evaluation });
    let schedule = plan(&prepared, wanted).await.expect(201).id();
    user.post(&format!("retraining_schedule/{schedule}/trigger/"), json!({})).await.expect(202);
    let jobs = user.wait_for("parameter_tuning_job/", |jobs| jobs["count"] == 1).await;
    assert_eq!((&jobs["results"][0]["n_trials"], &jobs["results"][0]["train_after_tuning"]), (&json!(40), &json!(true)));
    // The default number of trials would take minutes here.
    app.execute("UPDATE tuning_jobs SET n_trials = 2").await;
    let done = finish(&app, user, schedule, 1).await;
    assert_eq!(done["status"], "COMPLETED", "{done}");
    let job = user.get(&format!("parameter_tuning_job/{}/", done["tuning_job"])).await.expect(200).body;
    assert_eq!(job["tuned_model"], done["trained_model"]);
    assert!(done["trained_model"].is_i64());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_falls_due_gets_one_run_however_many_look() {
    let app = TestApp::start_without_worker().await;
    let prepared = stage(&app).await;
    let wanted = json!({ "is_enabled": true, "model_configuration": prepared.configuration, "cron_expression": "0 * * * *" });
    let made = plan(&prepared, wanted).await.expect(201);
    let (schedule, due) = (made.id(), moment(&made.body["next_run_at"]));
    let services = &app.services;
    assert_eq!(fire_due(services).await.unwrap(), 0, "not yet");
    services.clock.advance(due - services.clock.now());
    let both = tokio::join!(fire_due(services), fire_due(services));
    assert_eq!(both.0.unwrap() + both.1.unwrap(), 1);
    assert_eq!(fire_due(services).await.unwrap(), 0, "once");
    let user = Caller::log_in(&app.base, "margarete", "a good long phrase").await;
    let shown = user.get(&format!("retraining_schedule/{schedule}/")).await.body;
    assert_eq!(moment(&shown["next_run_at"]), due + TimeDelta::hours(1));
    let first = runs(&user, schedule).await;
    assert_eq!((first.len(), &first[0]["cause"]), (1, &json!("schedule")));
    assert_eq!(moment(&first[0]["scheduled_for"]), due);
    let kinds: Vec<String> = app.unfinished_jobs().await.into_iter().map(|job| job.kind).collect();
    assert_eq!(kinds, ["run_retraining"]);
    app.execute("UPDATE retraining_runs SET status = 'COMPLETED'").await;

    // Missed runs are made up for once, or not at all, as the schedule says.
    services.clock.advance(TimeDelta::days(3));
    assert_eq!(fire_due(services).await.unwrap(), 1);
    app.execute("UPDATE retraining_runs SET status = 'COMPLETED'; UPDATE retraining_schedules SET catch_up = 'skip'").await;
    services.clock.advance(TimeDelta::minutes(100));
    assert_eq!(fire_due(services).await.unwrap(), 0);
    let user = Caller::log_in(&app.base, "margarete", "a good long phrase").await;
    assert_eq!(runs(&user, schedule).await.len(), 2);
    let next = moment(&user.get(&format!("retraining_schedule/{schedule}/")).await.body["next_run_at"]);
    assert!(next > services.clock.now());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_runs_no_more_often_than_the_operator_allows() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.min_schedule_interval_seconds = 3_600).await;
    let prepared = stage(&app).await;
    let wanted = json!({ "is_enabled": true, "model_configuration": prepared.configuration, "cron_expression": "*/10 * * * *" });
    let made = plan(&prepared, wanted).await.expect(201);
    let due = moment(&made.body["next_run_at"]);
    let services = &app.services;
    services.clock.advance(due - services.clock.now() + TimeDelta::seconds(5));
    assert_eq!(fire_due(services).await.unwrap(), 1);
    let user = Caller::log_in(&app.base, "margarete", "a good long phrase").await;
    let shown = user.get(&format!("retraining_schedule/{}/", made.id())).await.expect(200).body;
    assert_eq!(moment(&shown["next_run_at"]), due + TimeDelta::hours(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_beyond_the_waiting_jobs_of_its_organisation_is_recorded_as_skipped() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.max_waiting_jobs_per_organisation = 1).await;
    let prepared = stage(&app).await;
    let wanted = json!({ "is_enabled": true, "model_configuration": prepared.configuration, "cron_expression": "0 * * * *" });
    let made = plan(&prepared, wanted).await.expect(201);
    let (path, due) = (format!("retraining_schedule/{}/", made.id()), moment(&made.body["next_run_at"]));
    slots::model_of(&prepared).await;
    let refused = prepared.user.post(&format!("{path}trigger/"), json!({})).await.expect(429);
    assert_eq!(refused.body["code"], "too_many_waiting_jobs");
    let services = &app.services;
    services.clock.advance(due - services.clock.now());
    assert_eq!(fire_due(services).await.unwrap(), 1);
    let user = Caller::log_in(&app.base, "margarete", "a good long phrase").await;
    let skipped = runs(&user, made.id()).await;
    assert_eq!((skipped.len(), &skipped[0]["status"], &skipped[0]["cause"]), (1, &json!("SKIPPED"), &json!("schedule")));
    assert!(skipped[0]["error_message"].as_str().unwrap().contains("wait for a worker"), "{}", skipped[0]);
    let shown = user.get(&path).await.expect(200).body;
    assert_eq!((&shown["last_run_status"], moment(&shown["next_run_at"])), (&json!("SKIPPED"), due + TimeDelta::hours(1)));
    let kinds: Vec<String> = app.unfinished_jobs().await.into_iter().map(|job| job.kind).collect();
    assert_eq!(kinds, ["train_model"]);

    // Once there is room, the next run is started.
    app.execute("DELETE FROM jobs").await;
    services.clock.advance(TimeDelta::hours(1));
    assert_eq!(fire_due(services).await.unwrap(), 1);
    let user = Caller::log_in(&app.base, "margarete", "a good long phrase").await;
    assert_eq!(runs(&user, made.id()).await[0]["status"], "PENDING");
}
