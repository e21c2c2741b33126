//! Servers that are stopped under load, killed, or asked for much, and what others can see of them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::prepared::Prepared;
use crate::support::processes::{LOOK_AGAIN, PASSWORD, Process, folder, program};
use crate::support::tastes::{configure, tastes};
use crate::support::{Caller, TestDatabase};

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
    assert_eq!(server.stop().await, Some(0));
    let heard = futures_util::future::join_all(clients).await;
    let heard: Vec<Result<usize, String>> = heard.into_iter().map(|client| client.expect("no panic")).collect();
    assert!(heard.iter().all(|heard| matches!(heard, Ok(answered) if *answered > 0)), "{heard:#?}");
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

/// Returns item metadata of 48 items of four colours, and of more items with a colour and a value in one of many columns.
fn wide_metadata(n_more: usize) -> String {
    let own = (0..48).map(|n| format!("{{\"item\":\"t{}-{}\",\"colour\":\"colour {}\"}}\n", n / 12, n % 12, n / 12));
    let more =
        (0..n_more).map(|n| format!("{{\"item\":\"n{n}\",\"colour\":\"colour {}\",\"c{}\":\"v{}\"}}\n", n % 4, n % 990, n % 7));
    own.chain(more).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn wide_item_metadata_takes_the_memory_of_its_values_alone() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let (server, address) = Process::serve(&[], folder.path(), Some(database.db.url()));
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    let project = json!({ "name": "P", "user_column": "user", "item_column": "item" });
    let project = admin.post("project/", project).await.expect(201).id();
    let data = admin.upload(project, "tastes.csv", tastes(40)).await.expect(201).id();
    admin.upload_items(project, "items.jsonl", wide_metadata(0)).await.expect(201);
    let prepared = Prepared { user: admin.clone(), project, data, configuration: 0 };
    let configuration = configure(&prepared, "IALS", json!({ "n_components": 4, "alpha0": 0.1 })).await;
    let prepared = Prepared { configuration, ..prepared };
    let model = prepared.train().await;
    assert_eq!(model["status"], "COMPLETED", "{model}");
    let program = admin.with_key(&prepared.key("program", "predict").await);
    let path = format!("/inference/predict/{}", model["id"]);
    let lists_new_items = async || {
        let answer = program.post(&path, json!({ "user_id": "u0", "cutoff": 1_000 })).await.expect(200);
        answer.body["items"].as_array().expect("items").iter().any(|listed| listed["cold"] == true)
    };
    assert!(!lists_new_items().await);
    let before = server.most_memory();
    let items = admin.upload_items(project, "items.jsonl", wide_metadata(20_000)).await.expect(201).id();
    admin.wait_for(&format!("item_meta_data/{items}/"), |items| items["status"] == "ready").await;
    while !lists_new_items().await {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    // A place for each row and column would be more than 600 MiB.
    let grown = server.most_memory().saturating_sub(before) >> 20;
    assert!(grown < 250, "{grown} MiB");
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
    assert_eq!(server.stop().await, Some(0));
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
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    server.kill();
    assert_eq!(arriving(), 1);
    let (_server, _) = Process::serve(&[], folder.path(), url);
    assert_eq!(arriving(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_variable_is_warned_about_once_and_not_by_worker_processes() {
    let (folder, database) = (folder(), TestDatabase::new().await);
    let mut command = program(&["serve", "--bind", "127.0.0.1:0"], folder.path(), Some(database.db.url()));
    command.env("RECOTEM_WORKER_CONCURRENCY", "1").env("RECOTEM_MAX_UPLOAD_BITES", "1").stderr(Stdio::piped());
    let mut process = Process::spawn(command);
    let log = process.log();
    let address = process.says("Recotem is ready on ");
    let admin = Caller::log_in(&address, "admin", PASSWORD).await;
    // The worker process has read its settings, since it has done a job.
    trained(&admin).await;
    assert_eq!(process.stop().await, Some(0));
    let log = log.join().expect("the log");
    let warnings = log.iter().filter(|line| line.contains("RECOTEM_MAX_UPLOAD_BITES"));
    assert_eq!(warnings.count(), 1, "{log:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_read_is_no_error_of_the_server() {
    use std::io::{Read, Write};
    let (folder, database) = (folder(), TestDatabase::new().await);
    let mut command = program(&["serve", "--bind", "127.0.0.1:0"], folder.path(), Some(database.db.url()));
    command.env("LOG_LEVEL", "debug").stderr(Stdio::piped());
    let mut process = Process::spawn(command);
    let log = process.log();
    let address = process.says("Recotem is ready on http://");
    for wrong in [
        "GET / HTTP/1.1\r\nHost: a\r\nwrong header\r\n\r\n",
        "nonsense\r\n\r\n",
        "POST /api/v1/auth/login/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let mut connection = std::net::TcpStream::connect(&address).expect("a connection");
        connection.write_all(wrong.as_bytes()).expect("sent");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(process.stop().await, Some(0));
    let log = log.join().expect("the log");
    let errors: Vec<&String> = log.iter().filter(|line| line.contains("ERROR")).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let noted =
        log.iter().filter(|line| line.contains("DEBUG") && line.contains("could not be read") && line.contains("127.0.0.1"));
    // The third reached its handler, which answered it.
    assert!(noted.count() >= 2, "{log:#?}");
}
