//! Workers that are killed, restarted or stopped, and the searches that they run.

use diesel_async::SimpleAsyncConnection;
use recotem::platform::queue;
use serde_json::{Value, json};

use crate::support::processes::{LOOK_AGAIN, PASSWORD, Process, folder, is_alive};
use crate::support::{Caller, TestDatabase};

/// The processes of two jobs that run at once, the default, and of one more.
const WORKERS: usize = 3;

/// Creates a project with interactions, and returns both.
async fn project_with_data(admin: &Caller) -> (i64, i64) {
    let project = json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" });
    let project = admin.post("project/", project).await.expect(201).id();
    let rows = (0..20_000_u64).map(|n| format!("u{},i{}\n", n % 400, n.wrapping_mul(2_654_435_761) % 601));
    let csv: String = std::iter::once("user_id,item_id\n".to_owned()).chain(rows).collect();
    let data = admin.upload(project, "data.csv", csv).await.expect(201).id();
    admin.wait_for(&format!("training_data/{data}/"), |data| data["status"] == "ready").await;
    (project, data)
}

/// Starts a search whose trials take long enough to be interrupted, and returns its path.
async fn start_search(admin: &Caller, n_trials: u32) -> String {
    let (_, data) = project_with_data(admin).await;
    let split = admin.post("split_config/", json!({})).await.expect(201).id();
    let evaluation = admin.post("evaluation_config/", json!({})).await.expect(201).id();
    let job = json!({
        "data": data, "split": split, "evaluation": evaluation, "n_trials": n_trials, "random_seed": 3,
        "tried_algorithms_json": ["IALS"], "train_after_tuning": false,
    });
    format!("parameter_tuning_job/{}/", admin.post("parameter_tuning_job/", job).await.expect(201).id())
}

async fn trials(admin: &Caller, job: &str) -> Vec<Value> {
    admin.get(&format!("{job}trials/")).await.expect(200).body.as_array().cloned().unwrap_or_default()
}

/// Checks that each number occurs once, and that no trial is left running.
fn assert_each_counted_once(trials: &[Value], n: usize) {
    let numbers: Vec<u64> = trials.iter().filter_map(|trial| trial["number"].as_u64()).collect();
    assert_eq!(numbers, (0..n as u64).collect::<Vec<_>>());
    assert!(trials.iter().all(|trial| trial["status"] != "running"), "{trials:?}");
}

/// Waits until a trial runs after `finished` others have ended.
async fn wait_for_running_trial(admin: &Caller, job: &str, finished: i64) {
    admin
        .wait_for(job, |job| {
            job["n_running"].as_i64() > Some(0)
                && job["n_completed"].as_i64().zip(job["n_pruned"].as_i64()).is_some_and(|(a, b)| a + b >= finished)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_outlives_the_worker_that_runs_it() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let url = Some(database.db.url());
    let (_server, address) = Process::serve(&["--no-worker"], folder.path(), url);
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    let job = start_search(&admin, 4).await;
    let first = Process::start(&["worker"], folder.path(), url);
    wait_for_running_trial(&admin, &job, 1).await;
    let before = trials(&admin, &job).await;
    first.kill();
    // The lease of the dead worker expires: in production after its 30 seconds, here at once.
    let mut connection = database.db.conn().await.expect("a connection");
    assert!(queue::give_up_leases(&mut connection, None).await.expect("the queue answers") > 0);
    drop(connection);
    let _second = Process::start(&["worker"], folder.path(), url);
    let ended = admin.wait_for(&job, |job| job["status"] == "COMPLETED").await;
    let after = trials(&admin, &job).await;
    assert_each_counted_once(&after, 4);
    assert_eq!(ended["n_running"], 0);
    for (old, new) in before.iter().zip(&after).filter(|(old, _)| old["status"] != "running") {
        assert_eq!(old, new, "a finished trial was run again");
    }
}

/// Starts a measurement of many fields, and returns its path.
async fn start_measurement(admin: &Caller) -> String {
    const FIELDS: usize = 40;
    let (project, data) = project_with_data(admin).await;
    let columns: Vec<String> = (0..FIELDS).map(|field| format!("c{field}")).collect();
    let row =
        |item: usize| (0..FIELDS).fold(format!("i{item}"), |row, field| row + &format!(",v{}", (item + field) % (field + 2)));
    let csv = (0..601).fold(format!("item_id,{}\n", columns.join(",")), |csv, item| csv + &row(item) + "\n");
    admin.upload_items(project, "items.csv", csv).await.expect(201);
    let fields: Vec<Value> = columns.iter().map(|column| json!({ "column": column, "kind": "category" })).collect();
    let set = json!({ "project": project, "name": "f", "spec": { "version": 1, "fields": fields } });
    let set = admin.post("feature_sets/", set).await.expect(201).id();
    let measurement = admin.post("feature_measurements/", json!({ "feature_set": set, "data": data })).await.expect(201).id();
    format!("feature_measurements/{measurement}/")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_measurement_outlives_the_worker_that_runs_it() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let url = Some(database.db.url());
    let (_server, address) = Process::serve(&["--no-worker"], folder.path(), url);
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    let measurement = start_measurement(&admin).await;
    let first = Process::start(&["worker"], folder.path(), url);
    admin.wait_for(&measurement, |measurement| measurement["status"] != "PENDING").await;
    first.kill();
    let mut connection = database.db.conn().await.expect("a connection");
    queue::give_up_leases(&mut connection, None).await.expect("the queue answers");
    drop(connection);
    let _second = Process::start(&["worker"], folder.path(), url);
    let ended = admin.wait_for(&measurement, |measurement| measurement["status"] == "COMPLETED").await;
    assert_eq!(ended["result"]["fields"].as_array().map(Vec::len), Some(40), "{ended}");
    assert_eq!(ended["progress"]["done"], ended["progress"]["total"], "{ended}");
}

/// Returns the rows of a delivered file of CSV in the order of the file, without the scores.
fn entries(csv: &[u8]) -> Vec<String> {
    let rows = std::str::from_utf8(csv).expect("text").lines().skip(1);
    rows.map(|row| row.rsplit_once(',').expect("columns").0.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_outlives_the_worker_that_runs_it() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let url = Some(database.db.url());
    let (_server, address) = Process::serve(&["--no-worker"], folder.path(), url);
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    let (project, data) = project_with_data(&admin).await;
    let configuration = json!({ "project": project, "name": "c", "recommender_class_name": "CosineKNNRecommender" });
    let configuration = admin.post("model_configuration/", configuration).await.expect(201).id();
    let model = json!({ "configuration": configuration, "data_loc": data });
    let model = admin.post("trained_model/", model).await.expect(201).id();
    let first = Process::start(&["worker"], folder.path(), url);
    admin.wait_for(&format!("trained_model/{model}/"), |model| model["status"] == "COMPLETED").await;
    let destination = json!({ "project": project, "name": "d", "model": model, "format": "csv" });
    let destination = admin.post("destination/", destination).await.expect(201).id();
    // Parts of one list, and so slow that it can be killed between them.
    let mut connection = database.db.conn().await.expect("a connection");
    let small = "CREATE FUNCTION one_list() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.part_lists := 1; RETURN NEW; END';
        CREATE TRIGGER one_list BEFORE INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION one_list()";
    connection.batch_execute(small).await.expect("a trigger");
    let delivery = admin.post(&format!("destination/{destination}/run/"), json!({})).await.expect(201).id();
    let delivery = format!("delivery/{delivery}/");
    admin.wait_for(&delivery, |delivery| delivery["lists"].as_i64() > Some(5)).await;
    first.kill();
    queue::give_up_leases(&mut connection, None).await.expect("the queue answers");
    let _second = Process::start(&["worker"], folder.path(), url);
    let ended = admin.wait_for(&delivery, |delivery| delivery["state"] == "succeeded").await;
    assert_eq!((&ended["lists"], &ended["rows"]), (&json!(400), &json!(4_000)), "{ended}");
    let interrupted = admin.get(&format!("{delivery}download/")).await.expect(200).bytes;
    let again = admin.post(&format!("destination/{destination}/run/"), json!({})).await.expect(201).id();
    admin.wait_for(&format!("delivery/{again}/"), |delivery| delivery["state"] == "succeeded").await;
    let at_once = admin.get(&format!("delivery/{again}/download/")).await.expect(200).bytes;
    assert_eq!(entries(&interrupted), entries(&at_once));
    assert_eq!(entries(&interrupted).len(), 4_000);
}

/// Returns the number of statements that wait for another transaction.
async fn n_locked_out(database: &TestDatabase) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut connection = database.db.conn().await.expect("a connection");
    let count: Count = diesel_async::RunQueryDsl::get_result(diesel::sql_query(sql), &mut connection).await.expect(sql);
    count.n
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_rows_outlive_the_worker_that_merges_them() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let url = Some(database.db.url());
    let (_server, address) = Process::serve(&["--no-worker"], folder.path(), url);
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    let project = json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" });
    let project = admin.post("project/", project).await.expect(201).id();
    admin.upload_items(project, "items.csv", "item_id,title\nold,Old\n").await.expect(201);
    let row = |item: &str| format!("item/{item}/?project={project}");
    admin.put(&row("new"), json!({ "title": "New" })).await.expect(202);

    // Its last statement waits: the form with the change is in place, and nothing is committed.
    let mut holder = database.db.conn().await.expect("a connection");
    holder.batch_execute("BEGIN; SELECT 1 FROM item_changes FOR UPDATE").await.expect("a lock");
    let first = Process::start(&["worker"], folder.path(), url);
    while n_locked_out(&database).await == 0 {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let pids = first.workers(WORKERS).await;
    first.kill();
    while pids.iter().any(|pid| is_alive(*pid)) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    holder.batch_execute("ROLLBACK").await.expect("the lock is released");
    drop(holder);
    let found = admin.get(&row("new")).await.expect(200).body;
    assert_eq!((&found["is_pending"], &found["values"]), (&json!(true), &json!({ "title": "New" })), "{found}");
    assert_eq!(admin.get(&row("old")).await.expect(200).body["values"], json!({ "title": "Old" }));

    let mut connection = database.db.conn().await.expect("a connection");
    queue::give_up_leases(&mut connection, None).await.expect("the queue answers");
    drop(connection);
    let _second = Process::start(&["worker"], folder.path(), url);
    let merged = admin.wait_for(&row("new"), |row| row["is_pending"] == false).await;
    assert_eq!(merged["values"], json!({ "title": "New" }), "{merged}");
    let metadata = admin.get(&format!("item_meta_data/?project={project}")).await.expect(200).body;
    assert_eq!(metadata["results"][0]["report"]["items"], 2, "{metadata}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_program_is_killed_and_its_search_resumes_at_the_next_start() {
    let folder = folder();
    let (server, address) = Process::serve(&[], folder.path(), None);
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    let job = start_search(&admin, 4).await;
    wait_for_running_trial(&admin, &job, 1).await;
    server.kill();
    let (server, address) = Process::serve(&[], folder.path(), None);
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    admin.wait_for(&job, |job| job["status"] == "COMPLETED").await;
    assert_each_counted_once(&trials(&admin, &job).await, 4);
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_of_a_search_hands_it_back() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let url = Some(database.db.url());
    let (_server, address) = Process::serve(&["--no-worker"], folder.path(), url);
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    let job = start_search(&admin, 1_000).await;
    let worker = Process::start(&["worker"], folder.path(), url);
    wait_for_running_trial(&admin, &job, 1).await;
    assert_eq!(worker.stop().await, Some(0));
    let job = admin.get(&job).await.expect(200).body;
    assert_eq!(job["status"], "RUNNING", "{job}");
    assert_eq!(job["task_links"][0]["task"]["status"], "PENDING", "{job}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_process_that_is_killed_takes_neither_the_api_nor_its_search_along() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let (server, address) = Process::serve(&[], folder.path(), Some(database.db.url()));
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    let job = start_search(&admin, 6).await;
    wait_for_running_trial(&admin, &job, 1).await;
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (asking, until) = (admin.clone(), over.clone());
    let asked = tokio::spawn(async move {
        let mut answers = 0;
        while !until.load(std::sync::atomic::Ordering::Relaxed) {
            asking.get("project/").await.expect(200);
            answers += 1;
        }
        answers
    });
    for pid in server.workers(WORKERS).await {
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it was running");
    }
    admin.wait_for(&job, |job| job["status"] == "COMPLETED").await;
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(asked.await.expect("every request is answered") > 10);
    let trials = trials(&admin, &job).await;
    assert_each_counted_once(&trials, 6);
    assert!(trials.iter().all(|trial| trial["status"] != "failed"), "{trials:?}");
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_processes_end_with_the_program_in_order_or_not() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let url = Some(database.db.url());
    let (server, _) = Process::serve(&[], folder.path(), url);
    let workers = server.workers(WORKERS).await;
    assert_eq!(server.stop().await, Some(0));
    assert!(!workers.into_iter().any(is_alive));
    let (server, _) = Process::serve(&[], folder.path(), url);
    let workers = server.workers(WORKERS).await;
    server.kill();
    while workers.iter().any(|pid| is_alive(*pid)) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_process_shows_no_secret_on_its_command_line() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let worker = Process::start(&["worker", "--database-url", database.db.url()], folder.path(), None);
    for pid in worker.workers(WORKERS).await {
        let command = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).expect("it runs");
        let command = String::from_utf8_lossy(&command).into_owned();
        assert!(!command.contains("postgres") && !command.contains("database"), "{command}");
    }
    assert_eq!(worker.stop().await, Some(0));
}
