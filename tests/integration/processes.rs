//! The program as a process: killed without warning, started again, stopped in order.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Caller, TestDatabase};

const PASSWORD: &str = "a good long phrase";

/// A started process; killed when dropped.
struct Process(Child);

impl Process {
    fn start(arguments: &[&str], data_dir: &Path, database: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recotem"));
        command.args(arguments).arg("--data-dir").arg(data_dir);
        command.env("DEFAULT_ADMIN_PASSWORD", PASSWORD).env("SECRET_KEY", "one secret for all processes of a test");
        command.env("THROTTLE_USER_RATE", "100000/min").env("THROTTLE_LOGIN_RATE", "1000/min");
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        match database {
            Some(url) => command.env("DATABASE_URL", url),
            None => command.env_remove("DATABASE_URL"),
        };
        Self(command.spawn().expect("the program starts"))
    }

    /// A server on a free port, and where it listens.
    fn serve(more: &[&str], data_dir: &Path, database: Option<&str>) -> (Self, String) {
        let arguments = [&["serve", "--bind", "127.0.0.1:0"], more].concat();
        let mut process = Self::start(&arguments, data_dir, database);
        let output = process.0.stdout.take().expect("its output");
        let mut lines = BufReader::new(output).lines();
        let ready = lines.find_map(|line| line.ok()?.strip_prefix("Recotem is ready on ").map(str::to_owned));
        (process, ready.expect("it says where it listens"))
    }

    /// SIGKILL: no chance to tidy up.
    fn kill(mut self) {
        self.0.kill().expect("it was running");
        self.0.wait().expect("it ends");
    }

    /// SIGTERM, and the status it ends with.
    fn stop(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it was running");
        self.0.wait().expect("it ends").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder that the private PostgreSQL's own user can reach.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("permissions");
    folder
}

/// Starts a search whose trials take long enough to be interrupted, and returns its path.
async fn start_search(admin: &Caller, n_trials: u32) -> String {
    let project = json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" });
    let project = admin.post("project/", project).await.expect(201).id();
    let rows = (0..20_000_u64).map(|n| format!("u{},i{}\n", n % 400, n.wrapping_mul(2_654_435_761) % 601));
    let csv: String = std::iter::once("user_id,item_id\n".to_owned()).chain(rows).collect();
    let data = admin.upload(project, "data.csv", csv).await.expect(201).id();
    admin.wait_for(&format!("training_data/{data}/"), |data| data["status"] == "ready").await;
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

/// Each number once, none left running.
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
    // The lease of the dead worker is over: in life after its 30 seconds, here at once.
    database.execute("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE state = 'running'").await;
    let _second = Process::start(&["worker"], folder.path(), url);
    let ended = admin.wait_for(&job, |job| job["status"] == "COMPLETED").await;
    let after = trials(&admin, &job).await;
    assert_each_counted_once(&after, 4);
    assert_eq!(ended["n_running"], 0);
    for (old, new) in before.iter().zip(&after).filter(|(old, _)| old["status"] != "running") {
        assert_eq!(old, new, "a finished trial was run again");
    }
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
    assert_eq!(server.stop(), Some(0));
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
    assert_eq!(tokio::task::spawn_blocking(move || worker.stop()).await.expect("it ends"), Some(0));
    let job = admin.get(&job).await.expect(200).body;
    assert_eq!(job["status"], "RUNNING", "{job}");
    assert_eq!(job["task_links"][0]["task"]["status"], "PENDING", "{job}");
}
