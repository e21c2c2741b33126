//! Deleting: objects in use stay, deleted ones take their files along, and leftover files are swept.

use recotem::features::projects;
use serde_json::{Value, json};

use crate::support::prepared::{Prepared, prepare};
use crate::support::slots;
use crate::support::{Answer, Caller, TestApp};

struct Job {
    split: i64,
    evaluation: i64,
    id: i64,
}

async fn job_of(prepared: &Prepared) -> Job {
    let user = &prepared.user;
    let split = user.post("split_config/", json!({})).await.expect(201).id();
    let evaluation = user.post("evaluation_config/", json!({})).await.expect(201).id();
    let job = json!({ "data": prepared.data, "split": split, "evaluation": evaluation });
    Job { split, evaluation, id: user.post("parameter_tuning_job/", job).await.expect(201).id() }
}

async fn model_of(prepared: &Prepared) -> i64 {
    let model = json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
    prepared.user.post("trained_model/", model).await.expect(201).id()
}

fn dependents(refused: &Answer) -> Vec<(String, i64)> {
    assert!(refused.body["detail"].is_string(), "{}", refused.body);
    let dependents = refused.body["dependents"].as_array().expect("a list").iter();
    dependents.map(|one| (one["resource"].as_str().unwrap().to_owned(), one["id"].as_i64().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_something_live_depends_on_is_refused_with_a_list() {
    let app = TestApp::start_without_worker().await;
    let prepared = prepare(app.user("ada").await, "P", "TopPop").await;
    let user = &prepared.user;
    let job = job_of(&prepared).await;
    let model = model_of(&prepared).await;
    let (search, training) = (("parameter_tuning_job".to_owned(), job.id), ("trained_model".to_owned(), model));
    let cases = [
        (format!("project/{}/", prepared.project), vec![search.clone(), training.clone()]),
        (format!("training_data/{}/", prepared.data), vec![search.clone(), training.clone()]),
        (format!("training_data/{}/unlink_file/", prepared.data), vec![search.clone(), training.clone()]),
        (format!("split_config/{}/", job.split), vec![search.clone()]),
        (format!("evaluation_config/{}/", job.evaluation), vec![search]),
        (format!("model_configuration/{}/", prepared.configuration), vec![training]),
    ];
    for (path, expected) in &cases {
        let refused = user.delete(path).await.expect(409);
        assert_eq!(&dependents(&refused), expected, "{path}");
    }
    let named = user.delete(&format!("model_configuration/{}/", prepared.configuration)).await.expect(409);
    assert_eq!(named.body["dependents"][0]["name"], "by hand");
    user.post(&format!("parameter_tuning_job/{}/cancel/", job.id), json!({})).await.expect(200);
    user.delete(&format!("parameter_tuning_job/{}/", job.id)).await.expect(204);
    app.execute("UPDATE trained_models SET status = 'FAILED'").await;
    for (path, _) in cases.iter().rev().filter(|(path, _)| !path.ends_with("unlink_file/")) {
        user.delete(path).await.expect(204);
        user.delete(path).await.expect(404);
    }
    assert_eq!(app.count("SELECT count(*) FROM trained_models").await, 0);
    assert_eq!(app.files(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_traffic_or_will_train_again_is_kept() {
    let app = TestApp::start_without_worker().await;
    let prepared = prepare(app.user("ada").await, "P", "TopPop").await;
    let (user, project) = (&prepared.user, prepared.project);
    let model = model_of(&prepared).await;
    slots::give_file(&app, model).await;
    let make = async |kind: &str, body: Value| (kind.to_owned(), user.post(&format!("{kind}/"), body).await.expect(201).id());
    let slot =
        async |name: &str| make("deployment_slot", json!({ "project": project, "name": name, "trained_model": model })).await;
    let (control, variant) = (slot("A").await, slot("B").await);
    let test = json!({ "project": project, "name": "T", "control_slot": control.1, "variant_slot": variant.1 });
    let test = make("ab_test", test).await;
    user.post(&format!("ab_test/{}/start/", test.1), json!({})).await.expect(200);
    let schedule = json!({ "project": project, "training_data": prepared.data, "model_configuration": prepared.configuration,
        "is_enabled": true });
    let schedule = make("retraining_schedule", schedule).await;
    let serving = vec![control.clone(), variant.clone(), test.clone()];
    let all: Vec<_> = serving.iter().cloned().chain([schedule.clone()]).collect();
    let with_model = [vec![("trained_model".to_owned(), model)], all].concat();
    let cases = [
        (format!("trained_model/{model}/"), serving),
        (format!("model_configuration/{}/", prepared.configuration), with_model.clone()),
        (format!("training_data/{}/", prepared.data), with_model.clone()),
        (format!("project/{project}/"), with_model),
    ];
    for (path, expected) in &cases {
        assert_eq!(&dependents(&user.delete(path).await.expect(409)), expected, "{path}");
    }
    user.post(&format!("ab_test/{}/stop/", test.1), json!({})).await.expect(200);
    for (_, slot) in [control, variant] {
        user.delete(&format!("deployment_slot/{slot}/")).await.expect(204);
    }
    user.patch(&format!("retraining_schedule/{}/", schedule.1), json!({ "is_enabled": false })).await.expect(200);
    for (path, _) in &cases {
        user.delete(path).await.expect(204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_takes_its_files_along() {
    let app = TestApp::start_with_worker().await;
    let user = app.user("ada").await;
    let kept = prepare(user.clone(), "kept", "TopPop").await;
    let model = kept.train().await["id"].clone();
    let before = app.files();
    let gone = prepare(user.clone(), "gone", "TopPop").await;
    gone.train().await;
    let bad_rows = "user,item\n1,2\n,3\n";
    user.upload(gone.project, "b.csv", bad_rows).await.expect(201);
    let metadata = reqwest::multipart::Part::text("item,t\n1,2\n").file_name("m.csv");
    let form = reqwest::multipart::Form::new().part("file", metadata).text("project", gone.project.to_string());
    user.send_form(reqwest::Method::POST, "item_meta_data/", form).await.expect(201);
    assert_eq!(app.files().len(), before.len() * 2 + 3 + 2, "{:?}", app.files());
    let third = gone.train().await["id"].as_i64().unwrap();
    user.delete(&format!("trained_model/{third}/")).await.expect(204);
    assert!(!app.files().iter().any(|file| file.starts_with(&format!("models/{third}."))));
    user.delete(&format!("project/{}/", gone.project)).await.expect(204);
    let sorted = |mut files: Vec<String>| {
        files.sort();
        files
    };
    assert_eq!(sorted(app.files()), sorted(before));
    user.delete(&format!("model_configuration/{}/", kept.configuration)).await.expect(409);
    user.delete(&format!("trained_model/{model}/")).await.expect(204);
    user.delete(&format!("model_configuration/{}/", kept.configuration)).await.expect(204);
    assert_eq!(app.files().len(), 2, "the data stays: {:?}", app.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_model_that_answers_traffic_stays() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("ada").await, "P", "TopPop").await;
    let model = prepared.train().await["id"].as_i64().unwrap();
    let slot = slots::make(&prepared, model, json!({ "name": "main" })).await.expect(201).id();
    let path = format!("trained_model/{model}/");
    let refused = prepared.user.delete(&format!("{path}unlink_file/")).await.expect(409).body;
    assert_eq!(refused, prepared.user.delete(&path).await.expect(409).body);
    assert_eq!(refused["dependents"], json!([{ "resource": "deployment_slot", "id": slot, "name": "main" }]));
    prepared.user.get(&format!("{path}download_file/")).await.expect(200);
    prepared.user.patch(&format!("deployment_slot/{slot}/"), json!({ "is_active": false })).await.expect(200);
    prepared.user.delete(&format!("{path}unlink_file/")).await.expect(200);
    assert!(app.files().iter().all(|file| !file.starts_with("models/")), "{:?}", app.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_nothing_refers_to_are_swept_up_after_a_day() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("ada").await, "P", "TopPop").await;
    prepared.train().await;
    prepared.user.upload(prepared.project, "b.csv", "user,item\n1,2\n,3\n").await.expect(201);
    let mut named = app.files();
    let blobs = &app.services.blobs;
    let lost = ["uploads/9-lost", "prepared/9-lost.safetensors", "rejected/9.csv", "metadata/lost.items", "models/9.safetensors"];
    lost.iter().for_each(|key| blobs.write(key, b"x").unwrap());
    blobs.write("elsewhere/kept", b"x").unwrap();
    let root = app.services.settings.data_dir.join("files");
    std::fs::write(root.join("incoming/broken-off"), b"x").unwrap();
    app.date_files();
    app.services.clock.advance(chrono::TimeDelta::hours(23));
    assert_eq!(projects::sweep(&app.services).await.unwrap(), 0);
    app.services.clock.advance(chrono::TimeDelta::hours(2));
    assert_eq!(projects::sweep(&app.services).await.unwrap(), lost.len() + 1);
    named.push("elsewhere/kept".to_owned());
    let (mut left, mut expected) = (app.files(), named);
    left.sort();
    expected.sort();
    assert_eq!(left, expected);
    assert_eq!(projects::sweep(&app.services).await.unwrap(), 0);
}

/// Sends all requests at once and returns the statuses.
async fn at_once(asks: Vec<(Caller, &'static str, String, Value)>) -> Vec<u16> {
    let asks = asks.into_iter().map(|(caller, method, path, body)| {
        tokio::spawn(async move {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let answer = caller.call(method, &path, (!body.is_null()).then_some(body)).await;
            assert!(answer.status.as_u16() < 500, "{path}: {} {}", answer.status, answer.body);
            answer.status.as_u16()
        })
    });
    let mut statuses = Vec::new();
    for ask in asks.collect::<Vec<_>>() {
        statuses.push(ask.await.expect("an answer below 500"));
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_and_creations_at_once_leave_consistent_rows() {
    let app = TestApp::start_without_worker().await;
    let user = app.user("ada").await;
    for round in 0..6 {
        let prepared = prepare(user.clone(), &format!("P{round}"), "TopPop").await;
        let split = user.post("split_config/", json!({})).await.id();
        let evaluation = user.post("evaluation_config/", json!({})).await.id();
        for _ in 0..3 {
            model_of(&prepared).await;
        }
        app.execute("UPDATE trained_models SET status = 'FAILED'; UPDATE tuning_jobs SET status = 'FAILED'").await;
        let model = json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
        let job = json!({ "data": prepared.data, "split": split, "evaluation": evaluation });
        let mut asks = Vec::new();
        for _ in 0..4 {
            let mut ask = |method: &'static str, path: String, body: Value| asks.push((user.clone(), method, path, body));
            ask("POST", "trained_model/".to_owned(), model.clone());
            ask("DELETE", format!("training_data/{}/", prepared.data), Value::Null);
            ask("POST", "parameter_tuning_job/".to_owned(), job.clone());
            ask("DELETE", format!("model_configuration/{}/", prepared.configuration), Value::Null);
            ask("DELETE", format!("split_config/{split}/"), Value::Null);
            ask("PATCH", format!("model_configuration/{}/", prepared.configuration), json!({ "name": "n" }));
            if round % 2 == 1 {
                ask("DELETE", format!("project/{}/", prepared.project), Value::Null);
            }
        }
        let statuses = at_once(asks).await;
        let left = format!("SELECT count(*) FROM training_data WHERE id = {} AND storage_key IS NOT NULL", prepared.data);
        let gone = app.count(&left).await == 0;
        if gone {
            assert!(statuses.contains(&204), "{statuses:?}");
        }
        for job in app.unfinished_jobs().await {
            let Some(search) = job.group_key.as_deref().and_then(|key| key.strip_prefix("tuning:")) else { continue };
            let exists = app.count(&format!("SELECT count(*) FROM tuning_jobs WHERE id = {search}")).await;
            assert_eq!(exists, 1, "a task is left of the deleted search {search}");
        }
    }
    // Kept data have their files, deleted ones have none.
    let kept = app.count("SELECT count(*) FROM training_data WHERE storage_key IS NOT NULL").await;
    assert_eq!(app.files().len() as i64, kept * 2, "{:?}", app.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_clients_on_the_same_things_get_no_5xx() {
    let app = TestApp::start_without_worker().await;
    let user = app.user("ada").await;
    for round in 0..3 {
        let prepared = prepare(user.clone(), &format!("P{round}"), "TopPop").await;
        let split = user.post("split_config/", json!({})).await.id();
        let project = format!("project/{}/", prepared.project);
        let clients = (0..50).map(|client| {
            let (user, project, prepared_data) = (user.clone(), project.clone(), prepared.data);
            let (project_id, configuration) = (prepared.project, prepared.configuration);
            tokio::spawn(async move {
                let mut answers = Vec::new();
                let new = json!({ "project": project_id, "name": format!("c{client}"), "recommender_class_name": "TopPop" });
                answers.push(user.post("model_configuration/", new).await);
                answers.push(user.upload(project_id, "a.csv", "user,item\n1,2\n").await);
                let part = reqwest::multipart::Part::text("item,t\n1,2\n").file_name("m.csv");
                let form = reqwest::multipart::Form::new().part("file", part).text("project", project_id.to_string());
                answers.push(user.send_form(reqwest::Method::POST, "item_meta_data/", form).await);
                answers.push(user.patch(&project, json!({ "item_column": "item" })).await);
                let model = json!({ "configuration": configuration, "data_loc": prepared_data });
                answers.push(user.post("trained_model/", model).await);
                answers.push(user.patch(&format!("split_config/{split}/"), json!({ "random_seed": client })).await);
                if client % 7 == 3 {
                    answers.push(user.delete(&format!("model_configuration/{configuration}/")).await);
                    answers.push(user.delete(&format!("training_data/{prepared_data}/")).await);
                    answers.push(user.delete(&format!("split_config/{split}/")).await);
                }
                if client % 10 == 9 {
                    answers.push(user.delete(&project).await);
                }
                for answer in answers {
                    assert!(answer.status.as_u16() < 500, "{} {}", answer.status, answer.body);
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.expect("no answer of 500 or more");
        }
        app.execute("UPDATE trained_models SET status = 'FAILED'").await;
        user.delete(&project).await;
    }
    assert_eq!(app.count("SELECT count(*) FROM training_data").await, 0);
    assert_eq!(app.files(), Vec::<String>::new(), "nothing is left of what came too late");
}
