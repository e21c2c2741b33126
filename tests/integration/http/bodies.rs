//! Bodies that stall, trickle or arrive in large numbers: they delay no other client, and are ended.

use std::time::Duration;

use recotem::platform::config::Settings;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::prepared::prepare;
use crate::support::{Answer, Caller, Jobs, TestApp};

const BOUNDARY: &str = "b";

/// A request whose body is sent piece by piece.
struct Slow {
    stream: TcpStream,
}

impl Slow {
    /// Sends the head of a request and the beginning of its body, of which it announces `length` bytes.
    async fn begin(base: &str, path: &str, headers: &str, length: usize, beginning: &str) -> Self {
        Self::open(base, path, &format!("Content-Length: {length}\r\n{headers}"), beginning).await
    }

    async fn open(base: &str, path: &str, headers: &str, beginning: &str) -> Self {
        let host = base.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).await.expect("a connection");
        let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n{beginning}");
        stream.write_all(head.as_bytes()).await.expect("it takes the head");
        Self { stream }
    }

    /// Begins an upload of a large file.
    async fn upload(base: &str, token: &str, path: &str, beginning: &str) -> Self {
        let headers = format!("Authorization: Bearer {token}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n");
        let part = "Content-Disposition: form-data; name=\"file\"; filename=\"a.csv\"";
        Self::begin(base, path, &headers, 400_000_000, &format!("--{BOUNDARY}\r\n{part}\r\n\r\n{beginning}")).await
    }

    /// Sends more of the body; returns false when the server does not accept it any more.
    async fn send(&mut self, more: &str) -> bool {
        self.stream.write_all(more.as_bytes()).await.is_ok()
    }

    /// Returns whether a response arrives within a moment.
    async fn is_answered(&mut self, within: Duration) -> bool {
        tokio::time::timeout(within, self.stream.readable()).await.is_ok()
    }

    /// Returns the status and body of the response, read until the server closes the connection.
    async fn answer(mut self) -> (u16, Value) {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(30), self.stream.read_to_end(&mut bytes)).await;
        assert!(read.is_ok(), "neither answered nor closed: {}", String::from_utf8_lossy(&bytes));
        let text = String::from_utf8_lossy(&bytes);
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        (status, serde_json::from_str(&body).unwrap_or_default())
    }
}

async fn with_settings(change: impl FnOnce(&mut Settings)) -> TestApp {
    TestApp::start_with(Jobs::None, change).await
}

async fn project(user: &Caller) -> i64 {
    user.post("project/", json!({ "name": "P", "user_column": "user", "item_column": "item" })).await.expect(201).id()
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_stalled_uploads_hold_up_nobody() {
    let many = |settings: &mut Settings| (settings.uploads_per_user, settings.uploads_per_address) = (1_000, 1_000);
    let app = TestApp::start_with(Jobs::Run, many).await;
    let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
    let model = prepared.train().await["id"].as_i64().expect("a model");
    let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
    // The model is in memory, as all that serve are: one that is not would have to wait for the log-ins of the uploads.
    program.post(&format!("/inference/predict/{model}/batch"), json!({ "user_ids": ["007"] })).await.expect(200);
    let mut stalled = Vec::new();
    for upload in 0..600 {
        let path = if upload % 2 == 0 { "/api/v1/training_data/" } else { "/api/v1/item_meta_data/" };
        stalled.push(Slow::upload(&app.base, prepared.user.token(), path, "user,item\n").await);
    }
    let limit = Duration::from_secs(60);
    let others = async {
        for _ in 0..5 {
            program.post(&format!("/inference/predict/{model}/batch"), json!({ "user_ids": ["007"] })).await.expect(200);
            app.anonymous().get("/inference/ready").await.expect(200);
            app.anonymous().get("ping/").await.expect(200);
        }
        app.user("ada").await;
        prepared.user.upload(prepared.project, "b.csv", "user,item\n1,2\n").await.expect(201);
        prepared.user.get(&format!("training_data/{}/preview/", prepared.data)).await.expect(200);
    };
    tokio::time::timeout(limit, others).await.expect("all are answered while the uploads stall");
    assert!(!stalled[0].is_answered(Duration::ZERO).await, "they are still under way");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_arriving_is_answered_408() {
    let app = with_settings(|settings| settings.body_idle_seconds = 1).await;
    let user = app.user("margarete").await;
    let token = user.token();
    let json = "Content-Type: application/json\r\n";
    let body = json!({ "project": project(&user).await, "name": "k", "scopes": ["predict"] });
    let key = user.post("api_keys/", body).await.expect(201).body["key"].as_str().expect("a key").to_owned();
    let stalled = [
        Slow::upload(&app.base, token, "/api/v1/training_data/", "user,item\n").await,
        Slow::upload(&app.base, token, "/api/v1/item_meta_data/", "item,name\n").await,
        Slow::begin(&app.base, "/api/v1/auth/login/", json, 1_000, "{\"username\": ").await,
        Slow::begin(&app.base, "/api/v1/project/", &format!("{json}Authorization: Bearer {token}\r\n"), 1_000, "{").await,
        Slow::begin(&app.base, "/api/v1/conversion_event/", &format!("{json}Authorization: Bearer {token}\r\n"), 99, "{").await,
        Slow::begin(&app.base, "/inference/predict/1", &format!("{json}X-API-Key: {key}\r\n"), 1_000, "{").await,
    ];
    for stalled in stalled {
        let (status, body) = stalled.answer().await;
        assert_eq!((status, &body["code"]), (408, &json!("body_too_slow")), "{body}");
    }
    assert!(app.files().is_empty(), "{:?}", app.files());
    // If the body is not read, the response comes at once and the connection is closed.
    for path in ["/api/v1/training_data/", "/api/v1/project/", "/inference/predict/1", "/inference/next/1"] {
        let (status, _) = Slow::begin(&app.base, path, json, 1_000, "{").await.answer().await;
        assert_eq!(status, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_only_trickles_is_answered_408() {
    let slow = |settings: &mut Settings| (settings.body_idle_seconds, settings.body_rate_seconds) = (3_600, 1);
    let app = with_settings(slow).await;
    let user = app.user("margarete").await;
    let mut trickle = Slow::upload(&app.base, user.token(), "/api/v1/training_data/", "user,item\n").await;
    let mut bytes = 0;
    while bytes < 1_000 && !trickle.is_answered(Duration::from_millis(20)).await && trickle.send("1").await {
        bytes += 1;
    }
    let (status, body) = trickle.answer().await;
    assert_eq!((status, &body["code"]), (408, &json!("body_too_slow")), "{bytes} bytes: {body}");
}

/// Stalls uploads of a user until another is refused, and returns them with the refusal. A stalled one that the server reads only
/// while the other is in progress is refused itself, and begun again.
async fn fill_up(app: &TestApp, user: &Caller, project: i64, most: usize) -> (Vec<Slow>, Answer) {
    let mut stalled: Vec<Slow> = Vec::new();
    for _ in 0..400 {
        let mut still = Vec::new();
        for mut upload in stalled.drain(..) {
            if !upload.is_answered(Duration::ZERO).await {
                still.push(upload);
            }
        }
        stalled = still;
        while stalled.len() < most {
            stalled.push(Slow::upload(&app.base, user.token(), "/api/v1/training_data/", "user,item\n").await);
        }
        let answer = user.upload(project, "a.csv", "user,item\n1,2\n").await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            return (stalled, answer);
        }
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no upload is refused beside {most} that stall");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_are_not_read_count_against_the_largest_upload() {
    let app = with_settings(|settings| settings.max_upload_bytes = 10_000).await;
    let user = app.user("margarete").await;
    let project = project(&user).await;
    let headers = format!(
        "Authorization: Bearer {}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n",
        user.token()
    );
    let part =
        |name: &str, value: &str| format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name={name}\r\n\r\n{value}\r\n");
    let read = [part("\"project\"", &project.to_string()), part("\"file\"; filename=\"a.csv\"", "user,item\n1,2\n")].concat();
    for (skipped, expected) in [(60_000, 201), (10_000 + (64 << 10), 413)] {
        let body = format!("{read}{}--{BOUNDARY}--\r\n", part("\"other\"", &"x".repeat(skipped)));
        // No length is announced.
        let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let (status, answer) = Slow::open(&app.base, "/api/v1/training_data/", &headers, &chunks).await.answer().await;
        assert_eq!(status, expected, "{answer}");
        if expected == 413 {
            let fault = answer["file"][0].as_str().expect("a sentence");
            assert!(fault.contains("the limit for uploads"), "{fault}");
        }
    }
    assert_eq!(app.count("SELECT count(*) FROM training_data").await, 1);
}

/// Begins a body and lets it stall until another one is refused. A body that the server reads only while the other is in progress
/// is refused itself, and begun again.
async fn hold(begin: impl AsyncFn() -> Slow, refused: impl AsyncFn() -> bool) -> Slow {
    let mut held = begin().await;
    for _ in 0..400 {
        if refused().await {
            return held;
        }
        if held.is_answered(Duration::ZERO).await {
            held = begin().await;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("nothing is refused beside a body that stalls");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_and_an_address_have_so_many_uploads_under_way() {
    let limits = |settings: &mut Settings| {
        (settings.uploads_per_user, settings.uploads_per_address) = (2, 3);
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    };
    let app = with_settings(limits).await;
    let (user, other) = (app.user("margarete").await, app.user("ada").await);
    let (of_user, of_other) = (project(&user).await, project(&other).await);
    let (of_one, answer) = fill_up(&app, &user, of_user, 2).await;
    assert_eq!(answer.body["code"], "too_many_uploads");
    assert!(answer.body["detail"].as_str().expect("words").starts_with("2 uploads of yours"), "{}", answer.body);
    assert!(!answer.header("retry-after").is_empty());

    other.upload(of_other, "a.csv", "user,item\n1,2\n").await.expect(201);
    let (of_two, answer) = fill_up(&app, &other, of_other, 1).await;
    assert!(answer.body["detail"].as_str().expect("words").starts_with("3 uploads from your address"), "{}", answer.body);
    // From another address it is accepted.
    let headers = [("x-forwarded-for", "203.0.113.7"), ("content-type", "multipart/form-data; boundary=b")];
    let body = "--b\r\nContent-Disposition: form-data; name=\"project\"\r\n\r\n1\r\n--b--\r\n";
    let elsewhere = other.raw(Method::POST, "training_data/", &headers, body).await.expect(400);
    assert!(elsewhere.body["file"].is_array(), "{}", elsewhere.body);

    drop((of_one, of_two));
    let taken = async || user.upload(of_user, "a.csv", "user,item\n1,2\n").await.status == StatusCode::CREATED;
    app.soon("places are given back", taken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_take_so_much_of_the_disk_and_other_bodies_so_much_memory() {
    let app = with_settings(|settings| (settings.max_incoming_bytes, settings.max_buffered_bytes) = (1 << 20, 1_600_000)).await;
    let user = app.user("margarete").await;
    let project = project(&user).await;
    let rows = |n: usize| format!("user,item\n{}", "1,2\n".repeat(n));
    let refused = user.upload(project, "a.csv", rows(400_000)).await.expect(503);
    assert_eq!(refused.body["code"], "no_room_for_uploads");
    // Bodies that go to the disk take no memory.
    user.upload(project, "a.csv", rows(100_000)).await.expect(201);

    let body = |length: usize| json!({ "name": "Q", "user_column": "u", "item_column": "i", "more": "x".repeat(length) });
    let refused = user.post("project/", body(300_000)).await.expect(503);
    assert_eq!(refused.body["code"], "too_many_bodies");
    assert!(!refused.header("retry-after").is_empty());
    user.post("project/", body(100_000)).await.expect(201);
    // A body that holds much memory while it is sent leaves less for others.
    let headers = format!("Content-Type: application/json\r\nAuthorization: Bearer {}\r\n", user.token());
    let begin = async || Slow::begin(&app.base, "/api/v1/project/", &headers, 1_000_000, &" ".repeat(150_000)).await;
    let refused = async || user.post("project/", body(100_000)).await.status == StatusCode::SERVICE_UNAVAILABLE;
    let held = hold(begin, &refused).await;
    drop(held);
    app.soon("there is room again", async || !refused().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_with_all_keys_leaves_room_for_the_bodies_of_others() {
    let app = with_settings(|settings| settings.max_buffered_bytes = 1_600_000).await;
    let (user, other) = (app.user("margarete").await, app.user("ada").await);
    let project = project(&user).await;
    let key = json!({ "project": project, "name": "k", "scopes": ["predict"] });
    let key = user.post("api_keys/", key).await.expect(201).body["key"].as_str().expect("a key").to_owned();
    let program = app.anonymous().with_key(&key);
    let body = |length: usize| json!({ "name": "Q", "user_column": "u", "item_column": "i", "more": "x".repeat(length) });
    let headers = format!("Content-Type: application/json\r\nX-API-Key: {key}\r\n");
    let begin = async || Slow::begin(&app.base, "/inference/predict/1", &headers, 200_000, &" ".repeat(60_000)).await;
    let predict = async || program.post("/inference/predict/1", json!({ "user_id": "u", "more": "x".repeat(20_000) })).await;
    let held = hold(begin, async || predict().await.status == StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(predict().await.body["code"], "too_many_bodies");
    user.post("project/", body(20_000)).await.expect(503);
    other.post("project/", body(60_000)).await.expect(201);
    drop(held);
    let found = async || predict().await.status == StatusCode::NOT_FOUND;
    app.soon("there is room again", found).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stays_in_memory_has_to_arrive_soon_as_a_whole() {
    let app = with_settings(|settings| settings.body_whole_seconds = 1).await;
    let user = app.user("margarete").await;
    let mut upload = Slow::upload(&app.base, user.token(), "/api/v1/training_data/", "user,item\n").await;
    let headers = format!("Content-Type: application/json\r\nAuthorization: Bearer {}\r\n", user.token());
    let mut held = Slow::begin(&app.base, "/api/v1/project/", &headers, 1_000_000, &" ".repeat(500_000)).await;
    let mut sent = 0;
    while sent < 1_000 && !held.is_answered(Duration::from_millis(20)).await && held.send(" ").await {
        sent += 1;
    }
    let (status, body) = held.answer().await;
    assert_eq!((status, &body["code"]), (408, &json!("body_too_slow")), "{sent}: {body}");
    assert!(!upload.is_answered(Duration::ZERO).await, "an upload may take longer");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_need_no_credentials_are_small() {
    let app = TestApp::start().await;
    let open = [
        "auth/login/",
        "auth/token/refresh/",
        "auth/token/verify/",
        "auth/sign_up/",
        "auth/password/reset/",
        "invitation/look_up/",
    ];
    let json = [("content-type", "application/json")];
    for path in open {
        let body = |length: usize| json!({ "username": "x", "password": "y", "more": "z".repeat(length) }).to_string();
        let refused = app.anonymous().raw(Method::POST, path, &json, body(64 << 10)).await.expect(413);
        assert!(refused.body["detail"].is_string(), "{path}: {}", refused.body);
        assert_ne!(app.anonymous().raw(Method::POST, path, &json, body(60 << 10)).await.status, 413, "{path}");
    }
    // A compressed body counts with its decompressed size.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packed, &vec![b' '; 1 << 20]).expect("it packs");
    let packed = packed.finish().expect("it packs");
    let headers = [json[0], ("content-encoding", "gzip")];
    app.anonymous().raw(Method::POST, "auth/login/", &headers, packed).await.expect(413);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_cuts_off_what_stalls_and_waits_for_what_arrives() {
    let app = TestApp::start().await;
    let user = app.user("margarete").await;
    let project = project(&user).await;
    let mut stalled = Slow::upload(&app.base, user.token(), "/api/v1/training_data/", "user,item\n").await;
    let end =
        format!("\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"project\"\r\n\r\n{project}\r\n--{BOUNDARY}--\r\n");
    let headers = format!(
        "Authorization: Bearer {}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\nTransfer-Encoding: chunked\r\n",
        user.token()
    );
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let beginning =
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nuser,item\n");
    let mut live = Slow::open(&app.base, "/api/v1/training_data/", &headers, &chunk(&beginning)).await;
    let row = chunk(&"1,2\n".repeat(256));
    assert!(live.send(&row).await);
    app.shut_down();
    while !stalled.is_answered(Duration::from_millis(50)).await {
        assert!(live.send(&row).await, "what arrives is waited for");
    }
    let (status, body) = stalled.answer().await;
    assert_eq!((status, &body["code"]), (408, &json!("server_ending")), "{body}");
    assert!(live.send(&format!("{}0\r\n\r\n", chunk(&end))).await);
    let (status, body) = live.answer().await;
    assert_eq!(status, 201, "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_stays_open_for_as_long_as_is_set_and_no_longer() {
    let app = with_settings(|settings| settings.keep_alive_seconds = 1).await;
    let host = app.base.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&host).await.expect("a connection");
    for _ in 0..2 {
        let request = format!("GET /api/v1/ping/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it is still open");
        let mut answer = [0; 4_096];
        let read = stream.read(&mut answer).await.expect("an answer");
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..read]));
    }
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
    assert_eq!(closed.expect("it is closed").expect("in order"), 0);
}
