//! Live updates, received by a real WebSocket client.

use std::time::Duration;

use chrono::TimeDelta;
use recotem::features::task_logs::{self, Line};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::prepared::prepare;
use crate::support::searches::interactions;
use crate::support::sockets::{Heard, Message, PATIENCE, Socket};
use crate::support::{Caller, Jobs, TestApp};

/// Creates a search that waits; there is no worker to start it.
async fn waiting_job(app: &TestApp, user: &Caller) -> i64 {
    let project = json!({ "name": "P", "user_column": "user", "item_column": "item" });
    let project = user.post("project/", project).await.expect(201).id();
    let split = user.post("split_config/", json!({})).await.expect(201).id();
    let evaluation = user.post("evaluation_config/", json!({})).await.expect(201).id();
    app.execute(&format!(
        "WITH data AS (INSERT INTO training_data (project_id, status, storage_key) VALUES ({project}, 'ready', 'k') RETURNING id)
         INSERT INTO tuning_jobs (data_id, split_id, evaluation_id) SELECT id, {split}, {evaluation} FROM data"
    ))
    .await;
    app.count("SELECT max(id) AS count FROM tuning_jobs").await
}

async fn log(app: &TestApp, job: i64, contents: &str) {
    let line = Line { tuning_job_id: Some(job), ..Line::default() };
    task_logs::write(&mut app.services.db.conn().await.unwrap(), line, contents).await.unwrap();
}

async fn log_many(app: &TestApp, job: i64, count: usize, length: usize) {
    app.execute(&format!(
        "INSERT INTO task_logs (tuning_job_id, contents)
         SELECT {job}, rpad('line ' || n, {length}, '.') FROM generate_series(1, {count}) AS n ORDER BY n;
         SELECT pg_notify('recotem_live', '{{\"kind\":\"log\",\"tuning_job_id\":{job}}}')"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_watch_is_refused_before_the_upgrade() {
    let app = TestApp::start().await;
    let (owner, stranger) = (app.user("olga").await, app.user("stefan").await);
    let (viewer, staff) = (app.user("vera").await, app.staff("admin").await);
    app.join("vera", "olga", "viewer").await;
    let job = waiting_job(&app, &owner).await;
    let key = json!({ "project": app.count("SELECT max(id) AS count FROM projects").await, "name": "k", "scopes": ["read"] });
    let key = owner.post("api_keys/", key).await.expect(201).body["key"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {}", owner.token());
    let refusal = async |path: &str, headers: &[(&'static str, &str)]| Socket::try_open(&app, path, headers).await.err();
    let cookie_of = |caller: &Caller| format!("jwt-access={}", caller.token());
    let (of_owner, of_stranger) = (cookie_of(&owner), cookie_of(&stranger));
    for kind in ["status", "logs"] {
        let path = format!("/ws/job/{job}/{kind}/");
        for headers in
            [vec![], vec![("x-api-key", key.as_str())], vec![("authorization", &bearer)], vec![("cookie", "jwt-access=x")]]
        {
            assert_eq!(refusal(&path, headers.as_slice()).await, Some(StatusCode::UNAUTHORIZED), "{headers:?}");
        }
        assert_eq!(refusal(&path, &[("cookie", of_stranger.as_str())]).await, Some(StatusCode::NOT_FOUND));
        for path in
            [format!("/ws/job/{}/{kind}/", job + 1), format!("/ws/job/9{}/{kind}/", u64::MAX), format!("/ws/model/{job}/{kind}/")]
        {
            assert_eq!(refusal(&path, &[("cookie", of_owner.as_str())]).await, Some(StatusCode::NOT_FOUND), "{path}");
        }
        let with_token = format!("{path}?token={}", owner.token());
        let stale = [("cookie", "jwt-access=stale")];
        assert_eq!(refusal(&with_token, &stale).await, Some(StatusCode::UNAUTHORIZED), "the cookie goes first");
    }
    app.services.clock.advance(TimeDelta::seconds(app.services.settings.access_token_lifetime + 1));
    let expired = format!("/ws/job/{job}/status/?token={}", owner.token());
    assert_eq!(refusal(&expired, &[]).await, Some(StatusCode::UNAUTHORIZED), "a token that has expired opens nothing");
    app.services.clock.advance(TimeDelta::seconds(-app.services.settings.access_token_lifetime - 1));
    log(&app, job, "a line").await;
    for caller in [&owner, &viewer, &staff] {
        assert_eq!(Socket::of(&app, caller, &format!("/ws/job/{job}/status/")).await.says().await["status"], "pending");
        let with_token = format!("/ws/job/{job}/logs/?token={}", caller.token());
        assert_eq!(Socket::open(&app, &with_token, &[]).await.says().await["message"], "a line");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_socket_is_answered_in_json() {
    let app =
        TestApp::start_with(Jobs::None, |settings| settings.cors_allowed_origins = vec!["https://shop.example".into()]).await;
    let user = app.user("olga").await;
    let job = waiting_job(&app, &user).await;
    for path in ["/ws/job/1/status", "/ws/job/x/logs/", "/ws/job/1/other/", "/ws/", "/ws/nothing/1/status/", "/ws/job/-1/status/"]
    {
        assert_eq!(Socket::try_open(&app, path, &[]).await.err(), Some(StatusCode::NOT_FOUND), "{path}");
        assert_eq!(user.get(path).await.expect(404).body, json!({ "detail": "Not found." }));
    }
    let path = format!("/ws/job/{job}/logs/");
    assert!(user.get(&path).await.expect(400).body["detail"].is_string());
    let wrong = user.get(&format!("{path}?after=soon")).await;
    assert!(!wrong.fault("after").is_empty());
    let cookie = format!("jwt-access={}", user.token());
    for (origin, answer) in [
        (app.base.as_str(), None),
        ("https://shop.example", None),
        ("https://evil.example", Some(StatusCode::FORBIDDEN)),
        ("null", Some(StatusCode::FORBIDDEN)),
    ] {
        let socket = Socket::try_open(&app, &path, &[("origin", origin), ("cookie", &cookie)]).await;
        assert_eq!(socket.err(), answer, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_behind_a_proxy_that_leaves_the_port_out_of_the_host_may_watch() {
    let app = TestApp::start().await;
    let user = app.user("olga").await;
    let path = format!("/ws/job/{}/status/", waiting_job(&app, &user).await);
    let cookie = format!("jwt-access={}", user.token());
    for (host, origin, answer) in [
        ("localhost", "http://localhost:8000", None),
        ("recotem.example", "https://recotem.example:8443", None),
        ("localhost:8000", "http://localhost:8000", None),
        ("localhost:8000", "http://localhost:8001", Some(StatusCode::FORBIDDEN)),
        ("localhost", "http://evil.example:8000", Some(StatusCode::FORBIDDEN)),
    ] {
        let socket = Socket::try_open(&app, &path, &[("host", host), ("origin", origin), ("cookie", &cookie)]).await;
        assert_eq!(socket.err(), answer, "{origin} at {host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_lines_come_first_in_order_then_each_new_one_and_none_twice() {
    let app = TestApp::start().await;
    let user = app.user("olga").await;
    let job = waiting_job(&app, &user).await;
    log_many(&app, job, 700, 10).await;
    let path = format!("/ws/job/{job}/logs/");
    let mut socket = Socket::of(&app, &user, &path).await;
    let buffered = socket.lines(500).await;
    for (position, line) in buffered.iter().enumerate() {
        assert_eq!((line["type"].as_str(), line["buffered"].as_bool()), (Some("log"), Some(true)));
        assert_eq!(line["seq"].as_u64(), Some(position as u64));
        assert_eq!(line["message"].as_str().unwrap().trim_end_matches('.'), format!("line {}", position + 201));
        assert!(line["timestamp"].as_str().unwrap().ends_with("+00:00"), "{line}");
    }
    for number in 0..3 {
        log(&app, job, &format!("live {number}")).await;
    }
    for (number, line) in socket.lines(3).await.iter().enumerate() {
        assert_eq!(line["message"], format!("live {number}"));
        assert_eq!(line["seq"].as_u64(), Some(500 + number as u64));
        assert!(line["buffered"].is_null() && line["timestamp"].as_str().unwrap().ends_with("+00:00"), "{line}");
    }
    // A reconnecting client requests the messages since the last one it received; for any number of them none is missing and none
    // comes twice.
    for missed in [20, 650] {
        let has = app.count("SELECT max(id) AS count FROM task_logs").await;
        log_many(&app, job, missed, 10).await;
        let mut back = Socket::of(&app, &user, &format!("{path}?after={has}")).await;
        let lines = back.lines(missed).await;
        let ids: Vec<i64> = lines.iter().map(|line| line["id"].as_i64().unwrap()).collect();
        assert!(ids[0] > has && ids.is_sorted_by(|a, b| a < b));
        assert_eq!(lines[0]["seq"], 0);
        log(&app, job, "after that").await;
        assert_eq!(back.says().await["message"], "after that");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_a_job_is_told_as_it_stands_and_as_it_changes() {
    let app = TestApp::start().await;
    let user = app.user("olga").await;
    let job = waiting_job(&app, &user).await;
    let path = format!("/ws/job/{job}/status/");
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut socket = Socket::of(&app, &user, &path).await;
        let first = socket.says().await;
        assert_eq!((&first["type"], &first["status"], &first["seq"]), (&json!("status_update"), &json!("pending"), &json!(0)));
        assert_eq!((&first["data"]["best_score"], &first["data"]["buffered"]), (&Value::Null, &json!(true)));
        sockets.push(socket);
    }
    user.post(&format!("parameter_tuning_job/{job}/cancel/"), json!({})).await.expect(200);
    for socket in &mut sockets {
        let live = socket.says().await;
        assert_eq!((&live["status"], &live["seq"]), (&json!("error"), &json!(1)));
        assert!(live["data"]["error"].is_string() && live["data"]["buffered"].is_null(), "{live}");
        assert_eq!(live["data"]["job_status"], "CANCELLED");
    }
    let late = Socket::of(&app, &user, &path).await.says().await;
    assert_eq!((&late["status"], &late["seq"]), (&json!("cancelled"), &json!(0)));
    user.delete(&format!("parameter_tuning_job/{job}/")).await.expect(204);
    assert_eq!(sockets[0].end().await, Some(4403), "what is deleted cannot be watched");
    let cookie = format!("jwt-access={}", user.token());
    let again = Socket::try_open(&app, &path, &[("cookie", &cookie)]).await;
    assert_eq!(again.err(), Some(StatusCode::NOT_FOUND), "a client that comes back is told before the upgrade");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_can_be_watched_too() {
    let app = TestApp::start_without_worker().await;
    let prepared = prepare(app.user("olga").await, "P", "TopPopRecommender").await;
    let body = json!({ "configuration": prepared.configuration, "data_loc": prepared.data });
    let model = prepared.user.post("trained_model/", body).await.expect(201).id();
    let mut status = Socket::of(&app, &prepared.user, &format!("/ws/model/{model}/status/")).await;
    let mut logs = Socket::of(&app, &prepared.user, &format!("/ws/model/{model}/logs/")).await;
    assert_eq!(status.says().await["status"], "pending");
    app.work();
    loop {
        let told = status.says().await;
        if told["status"] != "running" {
            assert_eq!((&told["status"], &told["data"]["job_status"]), (&json!("completed"), &json!("COMPLETED")));
            break;
        }
    }
    let lines = logs.lines(2).await;
    assert!(lines[0]["message"].as_str().unwrap().starts_with("Start training model"), "{lines:?}");
    assert!(lines[1]["message"].as_str().unwrap().contains("complete"), "{lines:?}");
    let stranger = app.user("stefan").await;
    let refused = Socket::try_open(&app, &format!("/ws/model/{model}/logs/?token={}", stranger.token()), &[]).await;
    assert_eq!(refused.err(), Some(StatusCode::NOT_FOUND));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_has_gone_ends_the_socket_at_the_next_heartbeat() {
    let app = TestApp::start_with(Jobs::None, |settings| settings.live_heartbeat_seconds = 1).await;
    let owner = app.user("olga").await;
    let job = waiting_job(&app, &owner).await;
    let path = format!("/ws/job/{job}/status/");
    for (name, loss, code) in [
        ("anna", "UPDATE users SET is_active = false WHERE username = 'anna'", 4401),
        ("berta", "UPDATE users SET token_generation = token_generation + 1 WHERE username = 'berta'", 4401),
        ("clara", "DELETE FROM memberships WHERE role = 'viewer'", 4403),
    ] {
        let viewer = app.user(name).await;
        app.join(name, "olga", "viewer").await;
        let mut socket = Socket::of(&app, &viewer, &path).await;
        assert_eq!(socket.says().await["status"], "pending");
        app.execute(loss).await;
        assert_eq!(socket.end().await, Some(code), "{name}");
    }
    let mut staying = Socket::of(&app, &owner, &path).await;
    assert_eq!(staying.says().await["seq"], 0);
    for _ in 0..3 {
        assert!(matches!(staying.hear().await, Heard::Said(ping) if ping == json!({ "type": "ping" })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_lives_as_long_as_the_session_and_not_as_the_token() {
    let app = TestApp::start_with(Jobs::None, |settings| settings.live_heartbeat_seconds = 1).await;
    let user = app.user("olga").await;
    let job = waiting_job(&app, &user).await;
    let path = format!("/ws/job/{job}/status/");
    let with_token = format!("{path}?token={}", user.token());
    let mut by_cookie = Socket::of(&app, &user, &path).await.kept_open();
    let mut by_token = Socket::open(&app, &with_token, &[]).await.kept_open();
    let mut renewed = Socket::of(&app, &user, &path).await.kept_open();
    let mut lent = Socket::of(&app, &user, &path).await.kept_open();
    app.services.clock.advance(TimeDelta::seconds(app.services.settings.access_token_lifetime + 1));
    // The token has expired, the session has not.
    tokio::join!(by_cookie.lives_on(), by_token.lives_on(), renewed.lives_on());
    // A client that has logged in again says so, and stays connected when the first session ends.
    let again = app.log_in("olga").await;
    renewed.say(json!({ "type": "token", "token": again.token() })).await;
    lent.say(json!({ "type": "token", "token": app.user("stefan").await.token() })).await;
    assert_eq!(lent.end().await, Some(4403), "the other may not watch this");
    renewed.lives_on().await;
    let first = "SELECT min(id) FROM sessions WHERE user_id = (SELECT id FROM users WHERE username = 'olga')";
    app.execute(&format!("UPDATE sessions SET revoked_at = now() WHERE id = ({first})")).await;
    assert_eq!((by_cookie.end().await, by_token.end().await), (Some(4401), Some(4401)));
    renewed.lives_on().await;
    app.services.clock.advance(TimeDelta::seconds(app.services.settings.refresh_token_lifetime + 1));
    assert_eq!(renewed.end().await, Some(4401), "the session was not renewed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gives_no_sign_of_life_is_dropped() {
    let app = TestApp::start_with(Jobs::None, |settings| settings.live_heartbeat_seconds = 1).await;
    let user = app.user("olga").await;
    let job = waiting_job(&app, &user).await;
    let mut raw = TcpStream::connect(app.base.strip_prefix("http://").unwrap()).await.unwrap();
    let request = format!(
        "GET /ws/job/{job}/status/?token={} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        user.token()
    );
    raw.write_all(request.as_bytes()).await.unwrap();
    // It reads, and never answers.
    let mut heard = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, raw.read_to_end(&mut heard)).await;
    assert!(ended.is_ok(), "still connected");
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.contains("status_update") && heard.contains(r#"{"type":"ping"}"#), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_keep_up_is_sent_away_and_can_come_back_for_the_rest() {
    const LINES: usize = 10_000;
    let app = TestApp::start_with(Jobs::None, |settings| settings.live_heartbeat_seconds = 1).await;
    let user = app.user("olga").await;
    let job = waiting_job(&app, &user).await;
    log_many(&app, job, LINES, 2_000).await;
    let mut slow = Socket::of(&app, &user, &format!("/ws/job/{job}/logs/?after=0")).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut ids: Vec<i64> = Vec::new();
    let code = loop {
        match slow.hear().await {
            Heard::Said(line) => ids.extend(line["id"].as_i64()),
            Heard::Closed(code) => break code,
        }
    };
    assert_eq!(code, Some(1013));
    assert!(!ids.is_empty() && ids.len() < LINES, "{} lines", ids.len());
    let mut back = Socket::of(&app, &user, &format!("/ws/job/{job}/logs/?after={}", ids.last().unwrap())).await;
    while ids.len() < LINES {
        ids.push(back.says().await["id"].as_i64().unwrap());
    }
    assert!(ids.is_sorted_by(|a, b| a < b), "each line once and in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_down_says_so() {
    let app = TestApp::start().await;
    let user = app.user("olga").await;
    let job = waiting_job(&app, &user).await;
    let mut socket = Socket::of(&app, &user, &format!("/ws/job/{job}/status/")).await;
    assert_eq!(socket.says().await["status"], "pending");
    app.shut_down();
    assert_eq!(socket.end().await, Some(1001));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_client_says_changes_nothing() {
    let app = TestApp::start().await;
    let user = app.user("olga").await;
    let job = waiting_job(&app, &user).await;
    let mut socket = Socket::of(&app, &user, &format!("/ws/job/{job}/status/")).await;
    assert_eq!(socket.says().await["seq"], 0);
    for said in [r#"{"type":"pong"}"#, r#"{"type":"cancel"}"#, r#"{"type":"token"}"#, "no JSON", ""] {
        socket.send(Message::text(said)).await;
    }
    socket.send(Message::binary(vec![0, 255])).await;
    user.post(&format!("parameter_tuning_job/{job}/cancel/"), json!({})).await.expect(200);
    let live = socket.says().await;
    assert_eq!((&live["seq"], &live["data"]["job_status"]), (&json!(1), &json!("CANCELLED")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_told_from_its_start_to_its_score_in_the_order_of_1x() {
    let app = TestApp::start_without_worker().await;
    let user = app.user("olga").await;
    let project = json!({ "name": "P", "user_column": "user_id", "item_column": "item_id" });
    let project = user.post("project/", project).await.expect(201).id();
    let data = user.upload(project, "data.csv", interactions()).await.expect(201).id();
    let split = user.post("split_config/", json!({ "heldout_ratio": 0.5 })).await.expect(201).id();
    let evaluation = user.post("evaluation_config/", json!({ "cutoff": 3 })).await.expect(201).id();
    let job = json!({ "data": data, "split": split, "evaluation": evaluation, "n_trials": 2, "train_after_tuning": false,
        "tried_algorithms_json": ["TopPop"] });
    let job = user.post("parameter_tuning_job/", job).await.expect(201).id();
    let mut status = Socket::of(&app, &user, &format!("/ws/job/{job}/status/")).await;
    let mut logs = Socket::of(&app, &user, &format!("/ws/job/{job}/logs/")).await;
    assert_eq!(status.says().await["status"], "pending");
    app.work();
    let (mut told, mut seq) = (Vec::new(), 0);
    while told.last().is_none_or(|word| word == "running") {
        let live = status.says().await;
        seq += 1;
        assert_eq!((&live["type"], &live["seq"]), (&json!("status_update"), &json!(seq)));
        told.push(live["status"].as_str().unwrap().to_owned());
        assert!(live["data"]["best_score"].is_f64() || told.last().unwrap() == "running", "{live}");
    }
    assert_eq!((told[0].as_str(), told.last().unwrap().as_str()), ("running", "completed"), "{told:?}");
    let beginnings =
        ["Start job", "Trial 0 with TopPopRecommender / {}: COMPLETE.\nndcg@3=", "Trial 1 with", "Job ", "Found best"];
    for (seq, (line, beginning)) in logs.lines(5).await.iter().zip(beginnings).enumerate() {
        assert_eq!((&line["type"], &line["seq"]), (&json!("log"), &json!(seq)));
        assert!(line["message"].as_str().unwrap().starts_with(beginning), "{line} instead of {beginning}");
    }
}
