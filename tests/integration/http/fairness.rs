//! Organisations share the workers, and a search that kills its workers ends.

use chrono::TimeDelta;
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use recotem::features::datasets::PREVIEWS;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::searches::interactions;
use crate::support::{Answer, Caller, Jobs, TestApp};

/// The data of a user that starts jobs.
struct Tenant {
    user: Caller,
    project: i64,
    data: i64,
    configuration: i64,
    split: i64,
    evaluation: i64,
}

impl Tenant {
    async fn new(app: &TestApp, name: &str) -> Self {
        let user = app.user(name).await;
        let project = json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" });
        let project = user.post("project/", project).await.expect(201).id();
        let data = user.upload(project, "data.csv", interactions()).await.expect(201).id();
        let configuration = json!({ "project": project, "name": "c", "recommender_class_name": "TopPop" });
        let configuration = user.post("model_configuration/", configuration).await.expect(201).id();
        let split = user.post("split_config/", json!({ "heldout_ratio": 0.5 })).await.expect(201).id();
        let evaluation = user.post("evaluation_config/", json!({ "cutoff": 3 })).await.expect(201).id();
        Self { user, project, data, configuration, split, evaluation }
    }

    /// Starts a search and returns its path.
    async fn search(&self, n_trials: u32) -> String {
        format!("parameter_tuning_job/{}/", self.try_search(n_trials).await.expect(201).id())
    }

    async fn try_search(&self, n_trials: u32) -> Answer {
        let job = json!({
            "data": self.data, "split": self.split, "evaluation": self.evaluation, "n_trials": n_trials, "random_seed": 1,
            "tried_algorithms_json": ["TopPop"], "train_after_tuning": false,
        });
        self.user.post("parameter_tuning_job/", job).await
    }

    async fn train(&self) -> Answer {
        let model = json!({ "configuration": self.configuration, "data_loc": self.data });
        self.user.post("trained_model/", model).await
    }

    /// Starts trainings that last for hours, and returns their paths.
    async fn train_endlessly<const N: usize>(&self) -> [String; N] {
        let rows = (0..20_000_u64).map(|n| format!("u{},i{}\n", n % 400, n.wrapping_mul(2_654_435_761) % 601));
        let csv: String = std::iter::once("user_id,item_id\n".to_owned()).chain(rows).collect();
        let data = self.user.upload(self.project, "data.csv", csv).await.expect(201).id();
        self.wait_for_status(&format!("training_data/{data}/"), "ready").await;
        let parameters = json!({ "train_epochs": 100_000, "n_components": 128 });
        let configuration = json!({
            "project": self.project, "name": "endless", "recommender_class_name": "IALS", "parameters_json": parameters,
        });
        let configuration = self.user.post("model_configuration/", configuration).await.expect(201).id();
        let mut paths = [const { String::new() }; N];
        for path in &mut paths {
            let model = json!({ "configuration": configuration, "data_loc": data });
            *path = format!("trained_model/{}/", self.user.post("trained_model/", model).await.expect(201).id());
        }
        paths
    }

    async fn wait_for_status(&self, path: &str, status: &str) -> Value {
        self.user.wait_for(path, |found| found["status"] == status).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_endless_searches_of_one_organisation_leave_a_worker_to_another() {
    let app = TestApp::start_with_worker().await;
    let (alpha, beta) = (Tenant::new(&app, "alpha").await, Tenant::new(&app, "beta").await);
    let searches = [alpha.search(10_000).await, alpha.search(10_000).await];
    for search in &searches {
        alpha.user.wait_for(search, |job| job["n_completed"].as_i64() > Some(0)).await;
    }
    let model = beta.train().await.expect(201).id();
    // Both searches have had their turn by now.
    app.services.clock.advance(TimeDelta::minutes(1));
    beta.wait_for_status(&format!("trained_model/{model}/"), "COMPLETED").await;
    for search in &searches {
        assert_eq!(alpha.user.get(search).await.expect(200).body["status"], "RUNNING");
        alpha.user.post(&format!("{search}cancel/"), json!({})).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_endless_trainings_of_one_organisation_leave_a_place_to_another_until_their_time_limit() {
    let app = TestApp::start_with(Jobs::Run, |settings| settings.max_training_seconds = 60).await;
    let (alpha, beta) = (Tenant::new(&app, "alpha").await, Tenant::new(&app, "beta").await);
    let endless = alpha.train_endlessly::<2>().await;
    for model in &endless {
        alpha.wait_for_status(model, "RUNNING").await;
    }
    let model = beta.train().await.expect(201).id();
    beta.wait_for_status(&format!("trained_model/{model}/"), "COMPLETED").await;
    for model in &endless {
        assert_eq!(alpha.user.get(model).await.expect(200).body["status"], "RUNNING");
    }
    app.services.clock.advance(TimeDelta::seconds(61));
    for model in &endless {
        let ended = alpha.wait_for_status(model, "FAILED").await;
        let reason = ended["error"].as_str().expect("a reason");
        assert!(reason.contains("longer than 60 seconds (max_training_seconds)"), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_waiting_jobs_than_an_organisation_may_have_are_refused_in_words() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.max_waiting_jobs_per_organisation = 2).await;
    let (alpha, beta) = (Tenant::new(&app, "alpha").await, Tenant::new(&app, "beta").await);
    alpha.train().await.expect(201);
    alpha.search(5).await;
    let refused = alpha.train().await.expect(429);
    assert_eq!(refused.body["code"], "too_many_waiting_jobs");
    let words = "2 jobs of this organisation wait for a worker, and 2 may. Try again when some are done, or cancel some.";
    assert_eq!(refused.body["detail"], words);
    beta.train().await.expect(201);
}

/// The requests that wait to enqueue their jobs.
const ENQUEUING: &str = "SELECT count(*) FROM pg_locks WHERE relation = 'jobs'::regclass AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_arrive_together_do_not_pass_the_limit_together() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.max_waiting_jobs_per_organisation = 1).await;
    let alpha = Tenant::new(&app, "alpha").await;
    let mut lock = AsyncPgConnection::establish(app.services.db.url()).await.expect("it answers");
    // Until it is unlocked, no job can be enqueued, while all can be counted.
    lock.batch_execute("BEGIN; LOCK TABLE jobs IN SHARE MODE").await.expect("the lock");
    let unlock = async {
        app.soon("all of them enqueue", async || app.count(ENQUEUING).await == 4).await;
        lock.batch_execute("COMMIT").await.expect("the end");
    };
    let (a, b, c, d, ()) = tokio::join!(alpha.train(), alpha.train(), alpha.try_search(5), alpha.try_search(5), unlock);
    let mut statuses = [a, b, c, d].map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 429, 429, 429]);
    assert_eq!(app.unfinished_jobs().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_a_job_would_prepare_wait_like_other_jobs() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.max_waiting_jobs_per_organisation = 1).await;
    let alpha = Tenant::new(&app, "alpha").await;
    let user = &alpha.user;
    // Small files are prepared at once.
    let data = user.upload(alpha.project, "small.csv", interactions()).await.expect(201);
    let items = user.upload_items(alpha.project, "small.csv", "item_id,title\n1,a\n").await.expect(201);
    alpha.train().await.expect(201);
    let files = app.files();
    let large = |header: &str| format!("{header}\n{}", "1,2\n".repeat(2 << 20));
    let (rows, descriptions) = (large("user_id,item_id"), large("item_id,title"));
    let form = |content: &str| Form::new().part("file", Part::bytes(content.as_bytes().to_vec()).file_name("large.csv"));
    for refused in [
        user.upload(alpha.project, "large.csv", rows.clone()).await,
        user.upload_items(alpha.project, "large.csv", descriptions.clone()).await,
        user.send_form(Method::PATCH, &format!("training_data/{}/", data.id()), form(&rows)).await,
        user.send_form(Method::PATCH, &format!("item_meta_data/{}/", items.id()), form(&descriptions)).await,
    ] {
        assert_eq!(refused.expect(429).body["code"], "too_many_waiting_jobs");
    }
    assert_eq!(app.files(), files, "nothing is kept of what was refused");
    for (slice, before) in [("training_data", data), ("item_meta_data", items)] {
        let now = user.get(&format!("{slice}/{}/", before.id())).await.expect(200).body;
        assert_eq!((&now["basename"], &now["status"]), (&json!("small.csv"), &json!("ready")));
    }
    user.upload(alpha.project, "small.csv", interactions()).await.expect(201);
}

/// Creates an organisation with a project that is ready to train, and returns its id and the body of a training.
async fn organisation(user: &Caller) -> (i64, Value) {
    let id = user.post("organisation/", json!({ "name": "Another" })).await.expect(201).id();
    let project = json!({ "name": format!("Q {id}"), "user_column": "user_id", "item_column": "item_id", "organisation": id });
    let project = user.post("project/", project).await.expect(201).id();
    let data = user.upload(project, "data.csv", interactions()).await.expect(201).id();
    let configuration = json!({ "project": project, "name": "c", "recommender_class_name": "TopPop" });
    let configuration = user.post("model_configuration/", configuration).await.expect(201).id();
    (id, json!({ "configuration": configuration, "data_loc": data }))
}

/// Makes a user a member of an organisation since its beginning.
async fn join(app: &TestApp, organisation: i64, user: &str, role: &str) {
    app.execute(&format!(
        "INSERT INTO memberships (organisation_id, user_id, role, ins_datetime)
         SELECT {organisation}, id, '{role}', 'epoch' FROM users WHERE username = '{user}'"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn organisations_of_one_founder_have_twice_as_many_jobs_waiting_as_one_may() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.max_waiting_jobs_per_organisation = 1).await;
    let (alpha, beta) = (Tenant::new(&app, "alpha").await, Tenant::new(&app, "beta").await);
    let (second, third) = (organisation(&alpha.user).await.1, organisation(&alpha.user).await.1);
    alpha.train().await.expect(201);
    alpha.user.post("trained_model/", second).await.expect(201);
    let refused = alpha.user.post("trained_model/", third).await.expect(429);
    assert_eq!(refused.body["code"], "too_many_waiting_jobs");
    let words = "2 jobs of all organisations with the same founder as this one wait for a worker, and 2 may. Try again when some are \
        done, or cancel some.";
    assert_eq!(refused.body["detail"], words);
    beta.train().await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_one_organisation_leaves_the_others_of_its_founder_their_waiting_jobs() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.max_waiting_jobs_per_organisation = 2).await;
    let (bob, mallory) = (Tenant::new(&app, "bob").await, Tenant::new(&app, "mallory").await);
    let (second, model) = organisation(&bob.user).await;
    join(&app, second, "mallory", "editor").await;
    for _ in 0..2 {
        mallory.user.post("trained_model/", model.clone()).await.expect(201);
    }
    mallory.user.post("trained_model/", model).await.expect(429);
    bob.train().await.expect(201);
    bob.search(5).await;
    bob.train().await.expect(429);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_an_organisation_never_take_the_turn_of_an_owner_who_joined() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.max_waiting_jobs_per_organisation = 1).await;
    let (mallory, victim) = (Tenant::new(&app, "mallory").await, Tenant::new(&app, "victim").await);
    let (id, model) = organisation(&mallory.user).await;
    let further = organisation(&mallory.user).await.1;
    // The victim becomes the only owner, and the founder an admin.
    join(&app, id, "victim", "owner").await;
    let founder = app.count("SELECT id AS count FROM users WHERE username = 'mallory'").await;
    mallory.user.patch(&format!("organisation/{id}/members/{founder}/"), json!({ "role": "admin" })).await.expect(200);
    mallory.user.post("trained_model/", model).await.expect(201);
    victim.train().await.expect(201);
    mallory.train().await.expect(201);
    assert_eq!(mallory.user.post("trained_model/", further).await.expect(429).body["code"], "too_many_waiting_jobs");
}

#[tokio::test(flavor = "multi_thread")]
async fn organisations_that_staff_create_have_a_turn_each() {
    let app = TestApp::start_with(Jobs::Stay, |settings| settings.max_waiting_jobs_per_organisation = 1).await;
    let staff = app.staff("admin").await;
    let models = [organisation(&staff).await.1, organisation(&staff).await.1, organisation(&staff).await.1];
    for model in &models {
        staff.post("trained_model/", model.clone()).await.expect(201);
    }
    for model in models {
        staff.post("trained_model/", model).await.expect(429);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_names_no_time_limit_has_the_operators() {
    let app = TestApp::start_with(Jobs::Run, |settings| settings.default_timeout_overall = 60).await;
    let alpha = Tenant::new(&app, "alpha").await;
    let search = alpha.search(10_000).await;
    let running = alpha.user.wait_for(&search, |job| job["n_completed"].as_i64() > Some(0)).await;
    assert_eq!(running["timeout_overall"], 60);
    app.services.clock.advance(TimeDelta::seconds(61));
    alpha.wait_for_status(&search, "COMPLETED").await;
}

/// Leaves the task of a search as its second dead worker would, in its first trial or before it.
async fn lose_a_second_worker(app: &TestApp, in_trial: bool) {
    app.execute("UPDATE tuning_jobs SET status = 'RUNNING', started_at = program_now()").await;
    let lost = "UPDATE jobs SET state = 'running', attempt = 2, lost_workers = 1, lease_owner = 'dead', lease_until = 'epoch' \
        WHERE kind = 'run_search'";
    app.execute(lost).await;
    if in_trial {
        let trial = "INSERT INTO trials (tuning_job_id, number, algorithm, parameters, state, run_by, started_at) \
            SELECT (payload ->> 'tuning_job_id')::bigint, 0, 'TopPopRecommender', '{}', 'running', id, program_now() FROM jobs \
            WHERE kind = 'run_search'";
        app.execute(trial).await;
    }
    app.work();
    let rescued = "SELECT count(*) AS count FROM jobs WHERE kind = 'run_search' AND lost_workers = 2";
    app.soon("it is rescued", async || app.count(rescued).await == 1).await;
    app.services.clock.advance(TimeDelta::seconds(30));
}

const WORDS: &str = "The worker that ran it died twice, probably for lack of memory.";

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_that_takes_two_workers_with_it_has_failed_and_the_search_goes_on() {
    let app = TestApp::start_without_worker().await;
    let alpha = Tenant::new(&app, "alpha").await;
    let search = alpha.search(4).await;
    lose_a_second_worker(&app, true).await;
    let ended = alpha.wait_for_status(&search, "COMPLETED").await;
    assert_eq!((&ended["n_failed"], &ended["n_completed"]), (&json!(1), &json!(3)), "{ended}");
    let trials = alpha.user.get(&format!("{search}trials/")).await.expect(200).body;
    assert_eq!((&trials[0]["status"], &trials[0]["note"]), (&json!("failed"), &json!(WORDS)));
    let log = alpha.user.get(&format!("task_log/?tuning_job_id={}", ended["id"])).await.expect(200).body;
    assert!(log.to_string().contains(WORDS), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_takes_two_workers_with_it_before_any_trial_has_failed() {
    let app = TestApp::start_without_worker().await;
    let alpha = Tenant::new(&app, "alpha").await;
    let search = alpha.search(4).await;
    lose_a_second_worker(&app, false).await;
    let ended = alpha.wait_for_status(&search, "FAILED").await;
    assert_eq!(ended["error"], WORDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_takes_two_workers_with_it_has_failed() {
    let app = TestApp::start_without_worker().await;
    let alpha = Tenant::new(&app, "alpha").await;
    let model = alpha.train().await.expect(201).id();
    let lost = "UPDATE jobs SET state = 'running', attempt = 2, lost_workers = 1, lease_owner = 'dead', lease_until = 'epoch'";
    app.execute(lost).await;
    app.work();
    let ended = alpha.wait_for_status(&format!("trained_model/{model}/"), "FAILED").await;
    assert_eq!(ended["error"], WORDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_larger_than_the_machine_does_not_let_a_trial_take_more_than_there_is() {
    let app = TestApp::start_with_worker().await;
    let alpha = Tenant::new(&app, "alpha").await;
    let project = alpha.user.get("project/").await.expect(200).body["results"][0]["id"].as_i64().unwrap();
    // A square matrix over this many items is larger than any machine that runs this test.
    let rows: String = (0..700_000).map(|item| format!("u{},i{item}\n", item % 50)).collect();
    let data = alpha.user.upload(project, "wide.csv", format!("user_id,item_id\n{rows}")).await.expect(201).id();
    alpha.user.wait_for(&format!("training_data/{data}/"), |data| data["status"] == "ready").await;
    let job = json!({
        "data": data, "split": alpha.split, "evaluation": alpha.evaluation, "n_trials": 1, "memory_budget": i32::MAX,
        "tried_algorithms_json": ["DenseSLIM"], "train_after_tuning": false,
    });
    let job = alpha.user.post("parameter_tuning_job/", job).await.expect(201).id();
    let ended = alpha.wait_for_status(&format!("parameter_tuning_job/{job}/"), "FAILED").await;
    assert_eq!(ended["n_pruned"], 1, "{ended}");
    assert!(ended["error"].as_str().unwrap().contains("MB are allowed"), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_of_one_founder_share_their_places_for_previews_and_downloads_of_models() {
    const FOUNDER: i64 = 7_000_001;
    let app = TestApp::start_with_worker().await;
    // No other test of this process has a user with this id.
    app.execute(&format!("SELECT setval(pg_get_serial_sequence('users', 'id'), {FOUNDER}, FALSE)")).await;
    let (alpha, beta) = (Tenant::new(&app, "alpha").await, Tenant::new(&app, "beta").await);
    let (_, model) = organisation(&alpha.user).await;
    let trained = async |tenant: &Tenant| {
        let path = format!("trained_model/{}/", tenant.train().await.expect(201).id());
        tenant.wait_for_status(&path, "COMPLETED").await;
        format!("{path}download_file/")
    };
    let (of_alpha, of_beta) = (trained(&alpha).await, trained(&beta).await);
    let mut taken = Vec::new();
    for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
        taken.push(PREVIEWS.admit(Some(FOUNDER)).await.expect("a place"));
    }
    for data in [alpha.data, model["data_loc"].as_i64().expect("an id")] {
        let refused = alpha.user.get(&format!("training_data/{data}/preview/")).await.expect(503);
        assert_eq!(refused.body["code"], "busy");
    }
    assert_eq!(alpha.user.get(&of_alpha).await.expect(503).body["code"], "busy");
    beta.user.get(&format!("training_data/{}/preview/", beta.data)).await.expect(200);
    beta.user.get(&of_beta).await.expect(200);
    drop(taken);
    alpha.user.get(&format!("training_data/{}/preview/", alpha.data)).await.expect(200);
    alpha.user.get(&of_alpha).await.expect(200);
}
