//! Objects of a tenant are managed by its own members: access to configs depends on organisation and project, never on the
//! creator, and nothing finished is deleted with another object.

use serde_json::{Value, json};

use crate::support::prepared::{Prepared, prepare};
use crate::support::{Answer, Caller, TestApp};

/// A finished search, with the configs that it was measured with.
struct Search {
    split: i64,
    evaluation: i64,
    id: i64,
}

async fn config(caller: &Caller, kind: &str, body: Value) -> i64 {
    caller.post(&format!("{kind}/"), body).await.expect(201).id()
}

/// Starts a search; without a worker it waits.
async fn start(prepared: &Prepared, split: i64, evaluation: i64) -> Answer {
    let job = json!({ "data": prepared.data, "split": split, "evaluation": evaluation, "n_trials": 1,
        "tried_algorithms_json": ["TopPop"], "train_after_tuning": false });
    prepared.user.post("parameter_tuning_job/", job).await
}

async fn finished_search(app: &TestApp, prepared: &Prepared) -> Search {
    let split = config(&prepared.user, "split_config", json!({})).await;
    let evaluation = config(&prepared.user, "evaluation_config", json!({})).await;
    let id = start(prepared, split, evaluation).await.expect(201).id();
    app.execute(&format!(
        "UPDATE tuning_jobs SET status = 'COMPLETED', best_score = 0.5, finished_at = now() WHERE id = {id};
         INSERT INTO trials (tuning_job_id, number, algorithm, parameters, state, score, run_by, started_at)
         VALUES ({id}, 0, 'TopPopRecommender', '{{}}', 'completed', 0.5, 1, now())"
    ))
    .await;
    Search { split, evaluation, id }
}

fn dependents(refused: &Answer) -> Vec<(&str, i64)> {
    let rows = refused.body["dependents"].as_array().unwrap_or_else(|| panic!("no list: {}", refused.body)).iter();
    rows.map(|row| (row["resource"].as_str().unwrap_or_default(), row["id"].as_i64().unwrap_or_default())).collect()
}

/// Creates a key of a project with scopes to read and write.
async fn key(owner: &Caller, project: i64, name: &str) -> Caller {
    let body = json!({ "project": project, "name": name, "scopes": ["read", "write"] });
    owner.with_key(owner.post("api_keys/", body).await.expect(201).body["key"].as_str().expect("a key"))
}

async fn organisation(owner: &Caller, name: &str) -> i64 {
    owner.post("organisation/", json!({ "name": name })).await.expect(201).id()
}

/// Makes one user a member of an organisation by invitation.
async fn invite(owner: &Caller, organisation: i64, guest: &Caller, role: &str) {
    let invited = owner.post(&format!("organisation/{organisation}/invitations/"), json!({ "role": role, "email": "" })).await;
    let token = invited.expect(201).body["token"].clone();
    guest.post("invitation/accept/", json!({ "token": token })).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_invitation_gives_no_power_over_the_guests_own_configs() {
    let app = TestApp::start_without_worker().await;
    let prepared = prepare(app.user("victim").await, "beta", "TopPop").await;
    let search = finished_search(&app, &prepared).await;
    let mallory = app.user("mallory").await;
    let free_beer = organisation(&mallory, "free beer").await;
    invite(&mallory, free_beer, &prepared.user, "viewer").await;

    let (split, evaluation) = (format!("split_config/{}/", search.split), format!("evaluation_config/{}/", search.evaluation));
    for list in ["split_config/", "evaluation_config/"] {
        assert_eq!(mallory.get(list).await.expect(200).body["count"], 0, "{list}");
    }
    for path in [&split, &evaluation] {
        mallory.get(path).await.expect(404);
        mallory.patch(path, json!({ "name": "mine" })).await.expect(404);
        mallory.put(path, json!({})).await.expect(404);
        mallory.delete(path).await.expect(404);
    }
    mallory.patch(&split, json!({ "test_user_ratio": 0.01, "random_seed": 1 })).await.expect(404);
    let trials = prepared.user.get(&format!("parameter_tuning_job/{}/trials/", search.id)).await.expect(200).body;
    assert_eq!(trials.as_array().map(Vec::len), Some(1));
    assert_eq!(prepared.user.get(&split).await.expect(200).body["random_seed"], 42);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_roles_of_its_organisation_change_a_config() {
    let app = TestApp::start().await;
    let (owner, editor, viewer) = (app.user("owner").await, app.user("editor").await, app.user("viewer").await);
    let team = organisation(&owner, "team").await;
    invite(&owner, team, &editor, "editor").await;
    invite(&owner, team, &viewer, "viewer").await;
    let project = json!({ "name": "P", "user_column": "u", "item_column": "i", "organisation": team });
    let project = owner.post("project/", project).await.expect(201).id();
    let made = editor.post("split_config/", json!({ "project": project })).await.expect(201);
    assert_eq!((&made.body["organisation"], &made.body["project"]), (&json!(team), &json!(project)));
    viewer.post("split_config/", json!({ "project": project })).await.expect(403);
    let path = format!("split_config/{}/", made.id());
    viewer.get(&path).await.expect(200);
    viewer.patch(&path, json!({ "name": "x" })).await.expect(403);
    owner.patch(&path, json!({ "name": "x" })).await.expect(200);
    // A user who has left has no access any more, and the config stays.
    let editor_id = editor.get("auth/user/").await.expect(200).body["pk"].clone();
    owner.delete(&format!("organisation/{team}/members/{editor_id}/")).await.expect(204);
    editor.get(&path).await.expect(404);
    editor.delete(&path).await.expect(404);
    owner.patch(&path, json!({ "project": project + 1 })).await.fault("project");
    owner.delete(&path).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_reaches_no_config_outside_of_its_project() {
    let app = TestApp::start_without_worker().await;
    let (root, ada) = (app.staff("root").await, app.user("ada").await);
    let (theirs, mine) = (prepare(ada.clone(), "theirs", "TopPop").await, prepare(root.clone(), "mine", "TopPop").await);
    let other = prepare(ada.clone(), "other", "TopPop").await;
    let search = finished_search(&app, &theirs).await;
    let unused = config(&ada, "split_config", json!({})).await;
    let of_other = config(&ada, "split_config", json!({ "project": other.project })).await;
    let staff_key = key(&root, mine.project, "staff").await;
    let foreign = key(&ada, other.project, "foreign").await;
    for caller in [&staff_key, &foreign] {
        for id in [search.split, unused] {
            let path = format!("split_config/{id}/");
            caller.get(&path).await.expect(404);
            caller.patch(&path, json!({ "random_seed": 1 })).await.expect(404);
            caller.delete(&path).await.expect(404);
        }
    }
    assert_eq!(staff_key.get("split_config/").await.expect(200).body["count"], 0);
    for list in ["project/", "training_data/", "parameter_tuning_job/", "model_configuration/"] {
        let rows = staff_key.get(list).await.expect(200).body;
        assert!(rows["count"].as_i64() <= Some(1), "{list}: {rows}");
    }
    let seen = foreign.get("split_config/").await.expect(200).body;
    assert_eq!((&seen["count"], &seen["results"][0]["id"]), (&json!(1), &json!(of_other)));

    // It sees the configs of its own project; only users change those that other projects may use too.
    let own = key(&ada, theirs.project, "own").await;
    let path = format!("split_config/{}/", search.split);
    own.get(&path).await.expect(200);
    assert_eq!(own.get("split_config/").await.expect(200).body["count"], 1);
    own.patch(&path, json!({ "name": "x" })).await.expect(403);
    own.delete(&path).await.expect(403);
    own.get(&format!("split_config/{unused}/")).await.expect(404);
    // Objects that it creates belong to its project.
    let made = own.post("split_config/", json!({})).await.expect(201);
    assert_eq!(made.body["project"], theirs.project);
    let evaluation = config(&own, "evaluation_config", json!({})).await;
    let job = json!({ "data": theirs.data, "split": made.id(), "evaluation": evaluation });
    own.post("parameter_tuning_job/", job).await.expect(201);
    own.post("split_config/", json!({ "project": other.project })).await.fault("project");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_goes_to_the_first_project_that_uses_it_and_stays_in_that_organisation() {
    let app = TestApp::start_without_worker().await;
    let ada = app.user("ada").await;
    let home = prepare(ada.clone(), "home", "TopPop").await;
    let another = prepare(ada.clone(), "another", "TopPop").await;
    let team = organisation(&ada, "team").await;
    let project = json!({ "name": "T", "user_column": "user", "item_column": "item", "organisation": team });
    let project = ada.post("project/", project).await.expect(201).id();
    let data = ada.upload(project, "data.csv", crate::support::prepared::DATA).await.expect(201).id();
    let in_team = Prepared { user: ada.clone(), project, data, configuration: 0 };

    // Within one organisation one config can be used by all projects, as in 1.x.
    let (split, evaluation) = (config(&ada, "split_config", json!({})).await, config(&ada, "evaluation_config", json!({})).await);
    start(&home, split, evaluation).await.expect(201);
    start(&another, split, evaluation).await.expect(201);
    let said = start(&in_team, split, evaluation).await;
    assert!(said.fault("split").contains(&format!("\"project\": {project}")), "{}", said.body);

    let moving = (config(&ada, "split_config", json!({})).await, config(&ada, "evaluation_config", json!({})).await);
    // If the body has another fault, nothing moves.
    let wrong = json!({ "data": data, "split": moving.0, "evaluation": moving.1, "n_trials": "many" });
    ada.post("parameter_tuning_job/", wrong).await.fault("n_trials");
    let wrong = json!({ "project": project, "split_config": moving.0, "evaluation_config": moving.1, "max_retries": -1 });
    ada.post("retraining_schedule/", wrong).await.fault("max_retries");
    assert_ne!(ada.get(&format!("split_config/{}/", moving.0)).await.expect(200).body["organisation"], team);
    start(&in_team, moving.0, moving.1).await.expect(201);
    assert_eq!(ada.get(&format!("split_config/{}/", moving.0)).await.expect(200).body["organisation"], team);
    start(&home, moving.0, moving.1).await.fault("split");

    let of_project = config(&ada, "split_config", json!({ "project": home.project })).await;
    start(&another, of_project, evaluation).await.fault("split");
    start(&home, of_project, evaluation).await.expect(201);
    let schedule = json!({ "project": another.project, "split_config": of_project });
    ada.post("retraining_schedule/", schedule).await.fault("split_config");
    let usable = ada.get(&format!("split_config/?project={}", another.project)).await.expect(200).body;
    assert_eq!((&usable["count"], &usable["results"][0]["id"]), (&json!(1), &json!(split)));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_organisations_that_use_a_config_first_at_once_do_not_share_it() {
    let app = TestApp::start_without_worker().await;
    let ada = app.user("ada").await;
    let home = prepare(ada.clone(), "home", "TopPop").await;
    let team = organisation(&ada, "team").await;
    let project = json!({ "name": "T", "user_column": "user", "item_column": "item", "organisation": team });
    let project = ada.post("project/", project).await.expect(201).id();
    let data = ada.upload(project, "data.csv", crate::support::prepared::DATA).await.expect(201).id();
    let in_team = Prepared { user: ada.clone(), project, data, configuration: 0 };
    for _ in 0..8 {
        let split = config(&ada, "split_config", json!({})).await;
        let evaluations = [
            config(&ada, "evaluation_config", json!({ "project": home.project })).await,
            config(&ada, "evaluation_config", json!({ "project": project })).await,
        ];
        let (one, other) = tokio::join!(start(&home, split, evaluations[0]), start(&in_team, split, evaluations[1]));
        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert!(matches!(statuses, [201, 400 | 409]), "{} {}", one.body, other.body);
    }
    let torn =
        "SELECT count(*) FROM tuning_jobs j JOIN training_data d ON d.id = j.data_id JOIN projects p ON p.id = d.project_id
        JOIN split_configs c ON c.id = j.split_id WHERE c.organisation_id <> p.organisation_id";
    assert_eq!(app.count(torn).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_search_was_measured_with_neither_changes_nor_goes() {
    let app = TestApp::start_without_worker().await;
    let prepared = prepare(app.user("ada").await, "P", "TopPop").await;
    let (user, search) = (&prepared.user, finished_search(&app, &prepared).await);
    let cases = [
        (format!("split_config/{}/", search.split), json!({ "random_seed": 1 })),
        (format!("evaluation_config/{}/", search.evaluation), json!({ "cutoff": 3 })),
    ];
    for (path, change) in &cases {
        let refused = user.patch(path, change.clone()).await.expect(409);
        assert_eq!(dependents(&refused), [("parameter_tuning_job", search.id)]);
        assert!(refused.body["detail"].as_str().is_some_and(|text| text.contains("Make a new")), "{}", refused.body);
        assert_eq!(dependents(&user.delete(path).await.expect(409)), [("parameter_tuning_job", search.id)]);
        // A name says nothing about the measurement.
        user.patch(path, json!({ "name": "halves" })).await.expect(200);
    }
    user.delete(&format!("parameter_tuning_job/{}/", search.id)).await.expect(204);
    let schedule = json!({ "project": prepared.project, "split_config": search.split, "is_enabled": false });
    let schedule = user.post("retraining_schedule/", schedule).await.expect(201).id();
    let (split, change) = &cases[0];
    assert_eq!(dependents(&user.delete(split).await.expect(409)), [("retraining_schedule", schedule)]);
    user.patch(split, change.clone()).await.expect(409);
    user.patch(&format!("retraining_schedule/{schedule}/"), json!({ "split_config": null })).await.expect(200);
    for (path, change) in cases {
        user.patch(&path, change).await.expect(200);
        user.delete(&path).await.expect(204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_finished_goes_with_what_it_was_made_from() {
    let app = TestApp::start_with_worker().await;
    let prepared = prepare(app.user("ada").await, "P", "TopPop").await;
    let (user, project) = (&prepared.user, prepared.project);
    let model = prepared.train().await["id"].as_i64().expect("a model");
    let split = config(user, "split_config", json!({ "heldout_ratio": 0.5 })).await;
    let evaluation = config(user, "evaluation_config", json!({})).await;
    let search = start(&prepared, split, evaluation).await.expect(201).id();
    app.idle().await;

    let slot = async |name: &str| {
        let slot = json!({ "project": project, "name": name, "trained_model": model });
        user.post("deployment_slot/", slot).await.expect(201).id()
    };
    let (control, variant) = (slot("A").await, slot("B").await);
    let test = json!({ "project": project, "name": "T", "control_slot": control, "variant_slot": variant });
    let (test, draft) =
        (user.post("ab_test/", test.clone()).await.expect(201).id(), user.post("ab_test/", test).await.expect(201).id());
    user.post(&format!("ab_test/{test}/start/"), json!({})).await.expect(200);
    for event_type in ["impression", "click"] {
        let event =
            json!({ "project": project, "deployment_slot": variant, "user_id": "u", "item_id": "x", "event_type": event_type });
        user.post("conversion_event/", event).await.expect(201);
    }
    user.post(&format!("ab_test/{test}/stop/"), json!({})).await.expect(200);
    let results = user.get(&format!("ab_test/{test}/results/")).await.expect(200).body;
    let schedule = json!({ "project": project, "training_data": prepared.data, "is_enabled": true,
        "model_configuration": prepared.configuration });
    let schedule = user.post("retraining_schedule/", schedule).await.expect(201).id();
    user.post(&format!("retraining_schedule/{schedule}/trigger/"), json!({})).await.expect(202);
    app.idle().await;

    // The slots are deleted, the observations and decisions about them stay.
    for slot in [control, variant] {
        user.delete(&format!("deployment_slot/{slot}/")).await.expect(204);
    }
    let events = user.get(&format!("conversion_event/?deployment_slot={variant}")).await.expect(200).body;
    assert_eq!(events["count"], 2);
    assert_eq!(user.get(&format!("ab_test/{test}/results/")).await.expect(200).body, results);
    user.patch(&format!("ab_test/{test}/"), json!({ "name": "Spring" })).await.expect(200);
    user.get(&format!("ab_test/{draft}/")).await.expect(404);

    // So do the runs of a schedule.
    user.delete(&format!("retraining_schedule/{schedule}/")).await.expect(204);
    let runs = user.get(&format!("retraining_run/?schedule={schedule}")).await.expect(200).body;
    assert_eq!((&runs["count"], &runs["results"][0]["status"]), (&json!(1), &json!("COMPLETED")));
    let made_by_run = runs["results"][0]["trained_model"].as_i64().expect("a model");

    let configuration = format!("model_configuration/{}/", prepared.configuration);
    let refused = user.delete(&configuration).await.expect(409);
    assert_eq!(dependents(&refused), [("trained_model", model), ("trained_model", made_by_run)]);

    // Data are deleted only with their file.
    user.delete(&format!("training_data/{}/", prepared.data)).await.expect(204);
    user.get(&format!("training_data/{}/", prepared.data)).await.expect(404);
    assert_eq!(user.get(&format!("training_data/?project={project}")).await.expect(200).body["count"], 0);
    assert!(!app.files().iter().any(|file| file.starts_with("uploads/") || file.starts_with("prepared/")), "{:?}", app.files());
    user.get(&format!("trained_model/{model}/")).await.expect(200);
    let trials = user.get(&format!("parameter_tuning_job/{search}/trials/")).await.expect(200).body;
    assert_eq!(trials.as_array().map(Vec::len), Some(1));

    // A whole project is deleted with all of its objects.
    config(user, "split_config", json!({ "project": project })).await;
    user.delete(&format!("project/{project}/")).await.expect(204);
    for table in ["tuning_jobs", "trials", "trained_models", "ab_tests", "conversion_events", "retraining_runs", "training_data"]
    {
        assert_eq!(app.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    assert_eq!(app.count("SELECT count(*) FROM split_configs WHERE project_id IS NOT NULL").await, 0);
    assert_eq!(app.files(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_on_its_way_ends_with_its_schedule() {
    let app = TestApp::start_without_worker().await;
    let prepared = prepare(app.user("ada").await, "P", "TopPop").await;
    let user = &prepared.user;
    let schedule = json!({ "project": prepared.project, "is_enabled": true, "model_configuration": prepared.configuration });
    let schedule = user.post("retraining_schedule/", schedule).await.expect(201).id();
    user.post(&format!("retraining_schedule/{schedule}/trigger/"), json!({})).await.expect(202);
    user.delete(&format!("retraining_schedule/{schedule}/")).await.expect(204);
    let run = &user.get(&format!("retraining_run/?schedule={schedule}")).await.expect(200).body["results"][0];
    assert_eq!(run["status"], "FAILED");
    assert!(run["error_message"].as_str().is_some_and(|text| text.contains("schedule")), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_told_nothing_about_the_person_behind_it_but_the_name() {
    let app = TestApp::start().await;
    let root = app.staff("root").await;
    app.execute("UPDATE users SET email = 'root@example.com', first_name = 'Rosa', last_name = 'Root'").await;
    let prepared = prepare(root.clone(), "P", "TopPop").await;
    let person = root.get("auth/user/").await.expect(200).body;
    assert_eq!((&person["email"], &person["is_staff"]), (&json!("root@example.com"), &json!(true)));
    let told = key(&root, prepared.project, "shop").await.get("auth/user/").await.expect(200).body;
    let expected = json!({ "pk": person["pk"], "username": "root", "email": "", "first_name": "", "last_name": "",
        "is_superuser": false, "is_staff": false });
    assert_eq!(told, expected);
}
