//! The program as a process: killed without warning, restarted, stopped in order.

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::{Caller, TestDatabase};

pub const PASSWORD: &str = "a good long phrase";

/// A started process; killed when dropped.
pub struct Process(Child);

impl Process {
    fn start(arguments: &[&str], data_dir: &Path, database: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recotem"));
        command.args(arguments).arg("--data-dir").arg(data_dir);
        command.env("DEFAULT_ADMIN_PASSWORD", PASSWORD).env("SECRET_KEY", "one secret for all processes of a test");
        command.env("THROTTLE_USER_RATE", "100000/min").env("THROTTLE_LOGIN_RATE", "1000/min");
        command.env("INFERENCE_RATE_LIMIT", "10000000/min");
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        match database {
            Some(url) => command.env("DATABASE_URL", url),
            None => command.env_remove("DATABASE_URL"),
        };
        Self(command.spawn().expect("the program starts"))
    }

    /// Starts a server on a free port; returns it and its address.
    pub fn serve(more: &[&str], data_dir: &Path, database: Option<&str>) -> (Self, String) {
        let arguments = [&["serve", "--bind", "127.0.0.1:0"], more].concat();
        let mut process = Self::start(&arguments, data_dir, database);
        let output = process.0.stdout.take().expect("its output");
        let mut lines = BufReader::new(output).lines();
        let ready = lines.find_map(|line| line.ok()?.strip_prefix("Recotem is ready on ").map(str::to_owned));
        (process, ready.expect("it says where it listens"))
    }

    /// Sends SIGKILL: the process has no chance to clean up.
    fn kill(mut self) {
        self.0.kill().expect("it was running");
        self.0.wait().expect("it ends");
    }

    /// Sends SIGTERM, and returns the exit status.
    pub fn stop(mut self) -> Option<i32> {
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

/// Creates a folder that the private PostgreSQL's own user can reach.
pub fn folder() -> tempfile::TempDir {
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

/// Returns the worker processes that a process has started.
fn worker_processes(parent: &Process) -> Vec<rustix::process::Pid> {
    let parent = parent.0.id().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("processes").flatten() {
        let (stat, command) = (std::fs::read_to_string(entry.path().join("stat")), std::fs::read(entry.path().join("cmdline")));
        let (Ok(stat), Ok(command)) = (stat, command) else { continue };
        let of_parent = stat.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(1)) == Some(parent.as_str());
        if of_parent && command.windows(10).any(|words| words == b"job-worker") {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).expect("a number");
            found.extend(rustix::process::Pid::from_raw(pid));
        }
    }
    found
}

/// Waits for `n` of them.
async fn started_workers(parent: &Process, n: usize) -> Vec<rustix::process::Pid> {
    loop {
        let found = worker_processes(parent);
        if found.len() == n {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn is_alive(pid: rustix::process::Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_process_that_is_killed_takes_neither_the_api_nor_its_search_along() {
    let folder = folder();
    let (server, address) = Process::serve(&[], folder.path(), None);
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
    for pid in started_workers(&server, 2).await {
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it was running");
    }
    admin.wait_for(&job, |job| job["status"] == "COMPLETED").await;
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(asked.await.expect("every request is answered") > 10);
    let trials = trials(&admin, &job).await;
    assert_each_counted_once(&trials, 6);
    assert!(trials.iter().all(|trial| trial["status"] != "failed"), "{trials:?}");
    assert_eq!(tokio::task::spawn_blocking(move || server.stop()).await.expect("it ends"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_processes_end_with_the_program_in_order_or_not() {
    let folder = folder();
    let (server, _) = Process::serve(&[], folder.path(), None);
    let workers = started_workers(&server, 2).await;
    assert_eq!(tokio::task::spawn_blocking(move || server.stop()).await.expect("it ends"), Some(0));
    assert!(!workers.into_iter().any(is_alive));
    let (server, _) = Process::serve(&[], folder.path(), None);
    let workers = started_workers(&server, 2).await;
    server.kill();
    while workers.iter().any(|pid| is_alive(*pid)) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_process_shows_no_secret_on_its_command_line() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let worker = Process::start(&["worker", "--database-url", database.db.url()], folder.path(), None);
    for pid in started_workers(&worker, 2).await {
        let command = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).expect("it runs");
        let command = String::from_utf8_lossy(&command).into_owned();
        assert!(!command.contains("postgres") && !command.contains("database"), "{command}");
    }
    assert_eq!(tokio::task::spawn_blocking(move || worker.stop()).await.expect("it ends"), Some(0));
}

/// Creates a project with a model on that server, and a key for it.
async fn trained(admin: &Caller) -> (i64, Caller) {
    let project = json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" });
    let project = admin.post("project/", project).await.expect(201).id();
    let data = admin.upload(project, "data.csv", "user_id,item_id\nu,i\nv,i\nv,j\n").await.expect(201).id();
    let configuration = json!({ "project": project, "name": "c", "recommender_class_name": "TopPop" });
    let configuration = admin.post("model_configuration/", configuration).await.expect(201).id();
    let model = json!({ "configuration": configuration, "data_loc": data });
    let model = admin.post("trained_model/", model).await.expect(201).id();
    admin.wait_for(&format!("trained_model/{model}/"), |model| model["status"] == "COMPLETED").await;
    let key = json!({ "project": project, "name": "k", "scopes": ["predict"] });
    let key = admin.post("api_keys/", key).await.expect(201).body["key"].as_str().expect("a key").to_owned();
    (model, admin.with_key(&key))
}

/// Sends requests until the server accepts no more connections. Returns how many were answered; a request without an answer is an
/// error.
async fn ask_until_refused(address: String, model: i64, key: String, keep_alive: bool) -> Result<usize, String> {
    let idle = if keep_alive { 1 } else { 0 };
    let client = reqwest::Client::builder().pool_max_idle_per_host(idle).build().expect("a client");
    let mut answered = 0;
    loop {
        let request = client.post(format!("{address}/inference/predict/{model}")).header("x-api-key", &key);
        match request.json(&json!({ "user_id": "u" })).send().await {
            Ok(answer) if answer.status() == 200 => {
                answer.bytes().await.map_err(|error| format!("cut off after {answered}: {error:?}"))?;
                answered += 1;
            }
            Ok(answer) => return Err(format!("{} after {answered}", answer.status())),
            Err(error) if error.is_connect() => return Ok(answered),
            Err(error) => return Err(format!("dropped after {answered}: {error:?}")),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_answers_whoever_got_through() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let (server, address) = Process::serve(&[], folder.path(), Some(database.db.url()));
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    let (model, program) = trained(&admin).await;
    let ask = |keep_alive| tokio::spawn(ask_until_refused(address.clone(), model, program.key().to_owned(), keep_alive));
    let clients: Vec<_> = (0..16).map(|client| ask(client % 2 == 0)).collect();
    let mut warm = 0;
    while warm < 50 {
        warm += i32::from(program.post(&format!("/inference/predict/{model}"), json!({ "user_id": "u" })).await.status == 200);
    }
    assert_eq!(tokio::task::spawn_blocking(move || server.stop()).await.expect("it ends"), Some(0));
    let heard = futures_util::future::join_all(clients).await;
    let heard: Vec<Result<usize, String>> = heard.into_iter().map(|client| client.expect("no panic")).collect();
    assert!(heard.iter().all(|heard| matches!(heard, Ok(answered) if *answered > 0)), "{heard:#?}");
}

impl Process {
    /// Returns the bytes of memory that it holds.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_log_in_at_once_the_memory_stays_and_those_without_a_turn_are_told_when_to_come_back() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let (server, address) = Process::serve(&[], folder.path(), Some(database.db.url()));
    Caller::log_in(&address, "admin", PASSWORD).await;
    let before = server.memory();
    let attempts = (0..160).map(|n| {
        let request = reqwest::Client::new().post(format!("{address}/api/v1/auth/login/"));
        let name = if n % 8 == 0 { "admin".to_owned() } else { format!("nobody{n}") };
        let request = request.json(&json!({ "username": name, "password": PASSWORD }));
        tokio::spawn(async move {
            let response = request.send().await.expect("an answer");
            let (status, retry_after) = (response.status().as_u16(), response.headers().contains_key("retry-after"));
            (status, retry_after, response.json::<Value>().await.unwrap_or_default())
        })
    });
    let mut statuses = Vec::new();
    for attempt in attempts.collect::<Vec<_>>() {
        let (status, retry_after, body) = attempt.await.expect("no panic");
        assert!(matches!(status, 200 | 400 | 429 | 503), "{status} {body}");
        assert_eq!(matches!(status, 429 | 503), retry_after, "{status} {body}");
        assert!(status != 503 || body["code"] == "too_busy", "{body}");
        statuses.push(status);
    }
    assert!(statuses.contains(&400), "{statuses:?}");
    // Each concurrent hash takes 19 MiB.
    let hashes = std::thread::available_parallelism().expect("cores").get() as u64;
    let grown = server.memory().saturating_sub(before) >> 20;
    assert!(grown < 64 + 19 * hashes, "{grown} MiB for {} log-ins", statuses.len());
    // Users who know their password can log in afterwards.
    Caller::log_in(&address, "admin", PASSWORD).await;
}

/// Returns everything below a folder that other users than its owner may access, except one folder.
fn open_to_others(folder: &Path, but: &Path) -> Vec<PathBuf> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let facts = std::fs::symlink_metadata(&path).expect("its mode");
        if path == but || facts.is_symlink() {
            continue;
        }
        if facts.permissions().mode() & 0o077 != 0 {
            open.push(path.clone());
        }
        if facts.is_dir() {
            open.extend(open_to_others(&path, but));
        }
    }
    open
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_user_of_the_machine_can_read_the_data_whatever_the_umask() {
    let folder = folder();
    // An earlier version may have left it so.
    let old = folder.path().join("files/models/1.safetensors");
    std::fs::create_dir_all(old.parent().expect("a folder")).expect("folders");
    std::fs::write(&old, b"x").expect("a file");
    for (path, mode) in [(folder.path().join("files"), 0o755), (old, 0o644)] {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("permissions");
    }
    let umask = rustix::process::umask(rustix::fs::Mode::empty());
    let (server, address) = Process::serve(&[], folder.path(), None);
    rustix::process::umask(umask);
    // The private PostgreSQL can still reach its cluster.
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    trained(&admin).await;
    let open = open_to_others(folder.path(), &folder.path().join("postgres"));
    assert!(open.is_empty(), "{open:?}");
    let mode = std::fs::metadata(folder.path()).expect("its mode").permissions().mode();
    assert_eq!(mode & 0o066, 0, "nobody else can look around: {mode:o}");
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_arriving_when_the_program_was_killed_is_gone_after_the_next_start() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let url = Some(database.db.url());
    let (server, address) = Process::serve(&[], folder.path(), url);
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    let host = address.trim_start_matches("http://");
    let mut upload = tokio::net::TcpStream::connect(host).await.expect("a connection");
    let head = format!(
        "POST /api/v1/training_data/ HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Length: 400000000\r\n\
         Content-Type: multipart/form-data; boundary=b\r\n\r\n\
         --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n",
        admin.token()
    );
    upload.write_all(head.as_bytes()).await.expect("it takes the head");
    upload.write_all(&[b'1'; 2 << 20]).await.expect("it takes the beginning");
    let arriving = || {
        let folders = std::fs::read_dir(folder.path().join("files/incoming")).expect("a folder");
        let files = folders.map(|entry| std::fs::read_dir(entry.expect("an entry").path()).map_or(0, Iterator::count));
        files.sum::<usize>()
    };
    while arriving() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    server.kill();
    assert_eq!(arriving(), 1);
    let (_server, _) = Process::serve(&[], folder.path(), url);
    assert_eq!(arriving(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_schedulers_each_firing_makes_one_run_and_one_goes_on_alone() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let url = Some(database.db.url());
    let (_server, address) = Process::serve(&["--no-worker", "--no-scheduler"], folder.path(), url);
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    let project = json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" });
    let project = admin.post("project/", project).await.expect(201).id();
    let schedule = json!({ "project": project, "is_enabled": true, "cron_expression": "0 0 1 1 *" });
    admin.post("retraining_schedule/", schedule).await.expect(201);
    let [first, second] = [(); 2].map(|()| Process::start(&["scheduler"], folder.path(), url));
    let due = "UPDATE retraining_schedules SET next_run_at = now() - interval '1 second'";
    let count = async |n: u64| {
        let runs = admin.wait_for("retraining_run/", |runs| runs["count"].as_u64() >= Some(n)).await;
        assert_eq!(runs["count"], n, "{runs}");
        // No worker runs it.
        database.execute("UPDATE retraining_runs SET status = 'SKIPPED'").await;
    };
    database.execute(due).await;
    count(1).await;
    first.kill();
    database.execute(due).await;
    count(2).await;
    assert_eq!(tokio::task::spawn_blocking(move || second.stop()).await.expect("it ends"), Some(0));
}

#[test]
fn a_request_that_cannot_be_read_is_no_error_of_the_server() {
    use std::io::{Read, Write};
    let data_dir = folder();
    let mut command = Command::new(env!("CARGO_BIN_EXE_recotem"));
    command.args(["serve", "--bind", "127.0.0.1:0", "--data-dir"]).arg(data_dir.path());
    command.env("DEFAULT_ADMIN_PASSWORD", PASSWORD).env("LOG_LEVEL", "debug").env_remove("DATABASE_URL");
    let mut process = Process(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts"));
    let log = process.0.stderr.take().expect("its log");
    let reading = std::thread::spawn(move || BufReader::new(log).lines().map_while(Result::ok).collect::<Vec<_>>());
    let mut lines = BufReader::new(process.0.stdout.take().expect("its output")).lines();
    let base =
        lines.find_map(|line| line.ok()?.strip_prefix("Recotem is ready on http://").map(str::to_owned)).expect("an address");
    for wrong in [
        "GET / HTTP/1.1\r\nHost: a\r\nwrong header\r\n\r\n",
        "nonsense\r\n\r\n",
        "POST /api/v1/auth/login/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let mut connection = std::net::TcpStream::connect(&base).expect("a connection");
        connection.write_all(wrong.as_bytes()).expect("sent");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(process.stop(), Some(0));
    let log = reading.join().expect("the log");
    let errors: Vec<&String> = log.iter().filter(|line| line.contains("ERROR")).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let noted =
        log.iter().filter(|line| line.contains("DEBUG") && line.contains("could not be read") && line.contains("127.0.0.1"));
    // The third reached its handler, which answered it.
    assert!(noted.count() >= 2, "{log:#?}");
}
