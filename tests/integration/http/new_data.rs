//! The data of the next retraining: uploads and events since the last one, and the model's report of them.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::prepared::{DATA, Prepared, prepare};
use crate::support::retraining::{finish, plan, run};
use crate::support::slots;
use crate::support::{Caller, TestApp};

const MORE: &str = "user,item\n007,\"new, \"\"one\"\"\"\nnobody yet,x\n";

struct Stage {
    app: TestApp,
    prepared: Prepared,
    slot: i64,
}

/// Creates a project with a deployed model, a minute after its upload.
async fn stage() -> Stage {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let model = prepared.train().await["id"].as_i64().unwrap();
    let slot = slots::make(&prepared, model, json!({})).await.expect(201).id();
    app.services.clock.advance(TimeDelta::minutes(1));
    Stage { app, prepared, slot }
}

impl Stage {
    async fn schedule(&self, more: Value) -> i64 {
        let mut wanted = json!({ "is_enabled": true, "model_configuration": self.prepared.configuration });
        wanted.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        plan(&self.prepared, wanted).await.expect(201).id()
    }

    async fn report(&self, user: &str, item: &str, kind: &str) -> i64 {
        let event = json!({ "project": self.prepared.project, "deployment_slot": self.slot, "user_id": user, "item_id": item,
            "event_type": kind });
        self.prepared.user.post("conversion_event/", event).await.expect(201).id()
    }

    async fn run(&self, schedule: i64) -> Value {
        let done = run(&self.app, &self.prepared.user, schedule).await;
        assert_eq!(done["status"], "COMPLETED", "{done}");
        done
    }

    async fn model_of(&self, run: &Value) -> Value {
        self.prepared.user.get(&format!("trained_model/{}/", run["trained_model"])).await.expect(200).body
    }

    async fn recommended(&self, model: &Value, user: &str) -> Vec<String> {
        let path = format!("trained_model/{}/recommendation/?user_id={user}&cutoff=50", model["id"]);
        let list = self.prepared.user.get(&path).await.expect(200).body;
        list.as_array().unwrap().iter().map(|scored| scored["item_id"].as_str().unwrap().to_owned()).collect()
    }
}

async fn upload_of(user: &Caller, id: &Value) -> Value {
    user.get(&format!("training_data/{id}/")).await.expect(200).body
}

#[tokio::test(flavor = "multi_thread")]
async fn all_uploads_together_make_the_next_model_and_it_says_which() {
    let stage = stage().await;
    let user = &stage.prepared.user;
    let more = user.upload(stage.prepared.project, "more.csv", MORE).await.expect(201);
    let unlinked = user.upload(stage.prepared.project, "gone.csv", "user,item\na,secret\n").await.expect(201).id();
    user.delete(&format!("training_data/{unlinked}/unlink_file/")).await.expect(200);
    let schedule = stage.schedule(json!({ "data_source": "all" })).await;

    let done = stage.run(schedule).await;
    assert_eq!(done["data_rows_at_trigger"], 9);
    let model = stage.model_of(&done).await;
    let sources = model["lineage"]["data_sources"].as_array().unwrap();
    assert_eq!(sources.len(), 2);
    assert_eq!((&sources[0]["kind"], &sources[0]["training_data"]), (&json!("upload"), &json!(stage.prepared.data)));
    assert_eq!((&sources[1]["training_data"], &sources[1]["rows"]), (&json!(more.id()), &json!(2)));
    assert_eq!((&sources[1]["basename"], sources[1]["sha256"].as_str().unwrap().len()), (&json!("more.csv"), 64));
    assert_eq!((&model["lineage"]["n_rows"], &model["n_users"]), (&json!(9), &json!(5)));
    assert!(stage.recommended(&model, "7").await.contains(&"new, \"one\"".to_owned()));

    // The rows can be viewed and downloaded like those of an upload, but are not an upload.
    let combined = upload_of(user, &model["data_loc"]).await;
    assert_eq!((&combined["status"], &combined["sources"]), (&json!("ready"), &model["lineage"]["data_sources"]));
    assert_eq!(combined["report"]["rows_kept"], 9);
    let file = user.get(&format!("training_data/{}/download_file/", combined["id"])).await.expect(200);
    assert_eq!(hex_sha256(&file.bytes), combined["sha256"].as_str().unwrap());
    let preview = user.get(&format!("training_data/{}/preview/", combined["id"])).await.expect(200).body;
    assert_eq!((&preview["columns"], &preview["rows"][7]), (&json!(["user", "item"]), &json!(["007", "new, \"one\""])));
    assert_eq!(user.get(&format!("project_summary/{}/", stage.prepared.project)).await.body["n_data"], 2);
    let again = stage.run(schedule).await;
    assert_eq!(stage.model_of(&again).await["lineage"]["data_sources"], model["lineage"]["data_sources"]);
}

fn hex_sha256(bytes: &[u8]) -> String {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_since_the_upload_are_learnt_from_as_the_schedule_says() {
    let stage = stage().await;
    let first = stage.report("007", "clicked", "click").await;
    stage.report("7", "shown", "impression").await;
    stage.report("7", "", "click").await;
    stage.app.services.clock.advance(TimeDelta::minutes(1));
    let last = stage.report("a newcomer", "bought", "purchase").await;
    stage.report("a newcomer", "bought", "purchase").await;
    let last = last + 1;
    let schedule = stage.schedule(json!({ "event_types": ["purchase", "click", "click"] })).await;
    let shown = stage.prepared.user.get(&format!("retraining_schedule/{schedule}/")).await.body;
    assert_eq!((&shown["event_types"], &shown["data_source"]), (&json!(["click", "purchase"]), &json!("newest")));

    let model = stage.model_of(&stage.run(schedule).await).await;
    let sources = &model["lineage"]["data_sources"];
    assert_eq!(sources[0]["training_data"], stage.prepared.data);
    let events = &sources[1];
    assert_eq!((&events["kind"], &events["rows"]), (&json!("events"), &json!(3)));
    assert_eq!((&events["first_id"], &events["last_id"]), (&json!(first), &json!(last)));
    assert_eq!((&events["event_types"], events["sha256"].as_str().unwrap().len()), (&json!(["click", "purchase"]), 64));
    // A purchase reported twice is one interaction.
    let pairs = DATA.lines().count() - 1 + 2;
    assert_eq!((&model["lineage"]["n_rows"], &model["lineage"]["n_interactions"]), (&json!(pairs + 1), &json!(pairs)));
    let for_seven = stage.recommended(&model, "7").await;
    assert!(for_seven.contains(&"clicked".to_owned()) && for_seven.contains(&"bought".to_owned()), "{for_seven:?}");
    assert!(!for_seven.contains(&"shown".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_sources_are_not_learnt_from_twice_and_one_is_not_copied() {
    let stage = stage().await;
    let user = &stage.prepared.user;
    let wanted = json!({ "data_source": "all", "event_types": ["click"], "skip_unchanged": true });
    let schedule = stage.schedule(wanted).await;
    let alone = stage.run(schedule).await;
    assert_eq!(alone["training_data"], stage.prepared.data, "an upload without events is used as it is");
    let fire = async |count: usize| {
        // A run of the schedule itself: runs that a user requests are never skipped.
        stage.app.execute("UPDATE retraining_schedules SET next_run_at = '2001-01-01', catch_up = 'once'").await;
        assert_eq!(recotem::features::retraining::fire_due(&stage.app.services).await.unwrap(), 1);
        finish(&stage.app, user, schedule, count).await
    };
    assert_eq!(fire(2).await["status"], "SKIPPED");
    stage.report("7", "clicked", "click").await;
    let with_click = fire(3).await;
    assert_eq!(with_click["status"], "COMPLETED", "{with_click}");
    assert_eq!(stage.model_of(&with_click).await["lineage"]["data_sources"][1]["rows"], 1);
    stage.report("7", "shown", "impression").await;
    assert_eq!(fire(4).await["status"], "SKIPPED");
    user.upload(stage.prepared.project, "more.csv", MORE).await.expect(201);
    assert_eq!(fire(5).await["status"], "COMPLETED");
}

#[tokio::test(flavor = "multi_thread")]
async fn types_and_times_of_events_go_to_the_columns_of_the_project() {
    let app = TestApp::start_with_worker().await;
    let user = app.user("margarete").await;
    let project = json!({ "name": "P", "user_column": "user", "item_column": "item", "time_column": "at", "event_column": "kind",
        "event_weights": { "click": 0.5 } });
    let project = user.post("project/", project).await.expect(201).id();
    let data = "user,item,at,kind\na,x,2026-01-01,view\nb,y,2026-01-02T03:04:05.678901Z,\n";
    let data = user.upload(project, "data.csv", data).await.expect(201).id();
    let configuration = json!({ "project": project, "recommender_class_name": "TopPop", "parameters_json": {} });
    let configuration = user.post("model_configuration/", configuration).await.expect(201).id();
    let prepared = Prepared { user: user.clone(), project, data, configuration };
    let model = prepared.train().await["id"].as_i64().unwrap();
    let slot = slots::make(&prepared, model, json!({})).await.expect(201).id();
    app.services.clock.advance(TimeDelta::minutes(1));
    let stage = Stage { app, prepared, slot };
    stage.report("a", "y", "click").await;
    let at = stage.app.services.clock.now();
    let done = stage.run(stage.schedule(json!({ "event_types": ["click"] })).await).await;
    let combined = upload_of(&user, &done["training_data"]).await;
    assert_eq!(combined["report"]["rejected"], 0);
    let preview = user.get(&format!("training_data/{}/preview/", combined["id"])).await.expect(200).body;
    assert_eq!(preview["columns"], json!(["user", "item", "at", "kind"]));
    let micros = at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    assert_eq!(preview["rows"][1], json!(["b", "y", "2026-01-02T03:04:05.678901Z", null]));
    assert_eq!(preview["rows"][2], json!(["a", "y", micros, "click"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn combined_data_goes_when_no_model_needs_it() {
    let stage = stage().await;
    let user = &stage.prepared.user;
    user.upload(stage.prepared.project, "more.csv", MORE).await.expect(201);
    let schedule = stage.schedule(json!({ "data_source": "all" })).await;
    let (kept, dropped) = (stage.run(schedule).await, stage.run(schedule).await);
    user.delete(&format!("trained_model/{}/", dropped["trained_model"])).await.expect(204);
    let services = &stage.app.services;
    let sweep = async || recotem::features::projects::sweep(services).await.unwrap();
    sweep().await;
    upload_of(user, &dropped["training_data"]).await;
    stage.app.date_files();
    services.clock.advance(TimeDelta::days(2));
    assert_eq!(sweep().await, 2, "the file and its prepared form");
    let user = Caller::log_in(&stage.app.base, "margarete", "a good long phrase").await;
    user.get(&format!("training_data/{}/", dropped["training_data"])).await.expect(404);
    assert_eq!(upload_of(&user, &kept["training_data"]).await["status"], "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_schedule_cannot_learn_from_is_refused() {
    let app = TestApp::start().await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    for (body, field) in [
        (json!({ "data_source": "some" }), "data_source"),
        (json!({ "data_source": "all", "training_data": prepared.data }), "training_data"),
        (json!({ "event_types": ["view"] }), "event_types"),
        (json!({ "event_types": "click" }), "event_types"),
    ] {
        plan(&prepared, body).await.fault(field);
    }
    let path =
        format!("retraining_schedule/{}/", plan(&prepared, json!({ "training_data": prepared.data })).await.expect(201).id());
    prepared.user.patch(&path, json!({ "data_source": "all" })).await.fault("training_data");
    prepared.user.patch(&path, json!({ "data_source": "all", "training_data": null })).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_anew_begins_once_its_data_is_put_together() {
    let stage = stage().await;
    let user = &stage.prepared.user;
    let rows: String = (0..400).map(|n| format!("u{},i{}\n", n % 40, (n * n + n / 40) % 23)).collect();
    user.upload(stage.prepared.project, "more.csv", format!("user,item\n{rows}")).await.expect(201);
    let split = user.post("split_config/", json!({ "heldout_ratio": 0.5 })).await.expect(201).id();
    let evaluation = user.post("evaluation_config/", json!({ "cutoff": 5 })).await.expect(201).id();
    let wanted = json!({ "data_source": "all", "retune": true, "split_config": split, "evaluation_config": evaluation });
    let schedule = stage.schedule(wanted).await;
    user.post(&format!("retraining_schedule/{schedule}/trigger/"), json!({})).await.expect(202);
    let begun = async || {
        stage.app.wake().await;
        user.get("parameter_tuning_job/").await.body["count"] == 1
    };
    stage.app.soon("a search", begun).await;
    // The default number of trials would take minutes here.
    stage.app.execute("UPDATE tuning_jobs SET n_trials = 2").await;
    let job = user.get("parameter_tuning_job/").await.body["results"][0].clone();
    let data = upload_of(user, &job["data"]).await;
    assert_eq!((&data["status"], &data["report"]["rows_kept"]), (&json!("ready"), &json!(407)));
    let done = finish(&stage.app, user, schedule, 1).await;
    assert_eq!((&done["status"], &done["training_data"]), (&json!("COMPLETED"), &job["data"]), "{done}");
    let model = stage.model_of(&done).await;
    assert_eq!(model["lineage"]["data_sources"].as_array().unwrap().len(), 2);
}
