//! Clients that do not read their answers, or open connections without limit: they cost the server little, and are disconnected.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{Caller, Jobs, TestApp, many_weights};

/// The largest file of the API's pages.
const LARGE: &str = "/api/v1/schema/swagger-ui/swagger-ui-bundle.js";

/// Number of answers, more than the system buffers for a connection.
const TIMES: usize = 8;

fn address(app: &TestApp) -> SocketAddr {
    app.base.trim_start_matches("http://").parse().expect("an address")
}

/// Requests a large file several times, on a connection with a small receive buffer.
async fn ask_and_never_read(app: &TestApp) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(32 << 10).expect("a small buffer");
    let mut stream = socket.connect(address(app)).await.expect("a connection");
    let request = format!("GET {LARGE} HTTP/1.1\r\nHost: {}\r\n\r\n", address(app));
    stream.write_all(request.repeat(TIMES).as_bytes()).await.expect("it takes the requests");
    stream
}

/// Returns whether the server still has its end of a connection open. A client that does not read does not notice.
fn is_open(app: &TestApp, stream: &TcpStream) -> bool {
    let of = |address: SocketAddr| {
        let SocketAddr::V4(address) = address else { panic!("{address}") };
        in_table(address)
    };
    let ends = format!(" {} {} 01 ", of(address(app)), of(stream.local_addr().expect("an address")));
    std::fs::read_to_string("/proc/self/net/tcp").expect("the connections").contains(&ends)
}

/// Formats an address as in the system's table of connections.
fn in_table(address: SocketAddrV4) -> String {
    let mut text = String::new();
    for octet in address.ip().octets().into_iter().rev() {
        let _ = write!(text, "{octet:02X}");
    }
    let _ = write!(text, ":{:04X}", address.port());
    text
}

/// Sends a small request on a connection, and returns the head and body of the answer.
async fn ping(app: &TestApp, stream: &mut TcpStream) -> String {
    let request = format!("GET /api/v1/ping/ HTTP/1.1\r\nHost: {}\r\n\r\n", address(app));
    stream.write_all(request.as_bytes()).await.expect("it is open");
    let mut answer = [0; 8_192];
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read(&mut answer)).await.expect("an answer");
    String::from_utf8_lossy(&answer[..read.expect("an answer")]).into_owned()
}

async fn connect(app: &TestApp) -> TcpStream {
    TcpStream::connect(address(app)).await.expect("a connection")
}

#[test]
fn addresses_are_written_as_in_the_table_of_connections() {
    assert_eq!(in_table(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8_080)), "0100007F:1F90");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let app = TestApp::start_with(Jobs::None, |settings| settings.write_idle_seconds = 1).await;
    let mut unread = Vec::new();
    for _ in 0..30 {
        unread.push(ask_and_never_read(&app).await);
    }
    app.soon("all are closed", async || unread.iter().all(|stream| !is_open(&app, stream))).await;
    // Clients that read get all of it.
    let answer = app.anonymous().get(LARGE).await.expect(200);
    assert!(answer.bytes.len() > 1_000_000, "{} bytes", answer.bytes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_the_end_of_its_answer_is_cut_off() {
    let app = TestApp::start_with(Jobs::None, |settings| {
        settings.write_idle_seconds = 3_600;
        (settings.body_rate_seconds, settings.body_least_rate) = (1, 256 << 10);
    })
    .await;
    let length = app.anonymous().get(LARGE).await.expect(200).bytes.len();
    let mut unread = Vec::new();
    for _ in 0..3 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(32 << 10).expect("a small buffer");
        let mut stream = socket.connect(address(&app)).await.expect("a connection");
        let request = format!("GET {LARGE} HTTP/1.1\r\nHost: {}\r\n\r\n", address(&app));
        stream.write_all(request.as_bytes()).await.expect("it takes the request");
        // The connection has all of the answer, and what is left is more than the client's buffer holds.
        let mut read = vec![0; length - (128 << 10)];
        stream.read_exact(&mut read).await.expect("most of the answer");
        unread.push(stream);
    }
    app.soon("all are closed", async || unread.iter().all(|stream| !is_open(&app, stream))).await;
}

/// Requests all projects on a connection with a small receive buffer, and waits for the head of the answer.
async fn ask_for_projects(app: &TestApp, user: &Caller) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(32 << 10).expect("a small buffer");
    let mut stream = socket.connect(address(app)).await.expect("a connection");
    let (host, token) = (address(app), user.token());
    let request = format!("GET /api/v1/project/?page_size=100 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it takes the request");
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 200");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_leaves_so_many_bytes_of_answers_unread() {
    // One network has an eighth: two answers of 80 projects fit, and a third does not.
    let app = TestApp::start_with(Jobs::None, |settings| settings.max_unread_bytes = 8 * 11_000_000).await;
    let user = app.user("margarete").await;
    let project = json!({ "name": "P", "user_column": "u", "item_column": "i", "event_weights": many_weights(235, 1) });
    user.post("project/", project).await.expect(201);
    app.execute(
        "INSERT INTO projects (organisation_id, owner_id, name, user_column, item_column, event_weights)
         SELECT organisation_id, owner_id, name || n, user_column, item_column, event_weights
         FROM projects, generate_series(2, 80) n",
    )
    .await;
    let all = "project/?page_size=100";
    let length = user.get(all).await.expect(200).bytes.len();
    assert!((4_000_000..5_500_000).contains(&length), "{length} bytes");
    let unread = [ask_for_projects(&app, &user).await, ask_for_projects(&app, &user).await];
    let refused = user.get(all).await.expect(503);
    assert_eq!(refused.body["code"], "too_many_answers");
    assert!(refused.body["detail"].as_str().expect("words").contains("page_size"), "{}", refused.body);
    assert!(!refused.header("retry-after").is_empty());
    user.get("project/?page_size=2").await.expect(200);
    drop(unread);
    app.soon("there is room again", async || user.get(all).await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_does_not_wait_for_clients_that_do_not_read() {
    let app = TestApp::start().await;
    let mut unread = Vec::new();
    for _ in 0..6 {
        unread.push(ask_and_never_read(&app).await);
    }
    for stream in &unread {
        // The answer has begun.
        stream.readable().await.expect("an answer");
        assert!(is_open(&app, stream));
    }
    app.shut_down();
    app.soon("all are closed", async || unread.iter().all(|stream| !is_open(&app, stream))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_has_so_many_connections_and_proxies_have_any_number() {
    let app = TestApp::start_with(Jobs::None, |settings| settings.max_connections_per_network = 3).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&app).await;
        assert!(ping(&app, &mut stream).await.starts_with("HTTP/1.1 200"));
        open.push(stream);
    }
    let mut excess = connect(&app).await;
    let refused = ping(&app, &mut excess).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after"), "{refused}");
    let body = refused.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    assert_eq!(body["code"], "too_many_connections", "{refused}");
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(30), excess.read_to_end(&mut rest)).await;
    assert_eq!(closed.expect("it is closed").expect("in order"), 0);
    // The others continue, and the place of a closed one is given to the next.
    assert!(ping(&app, &mut open[0]).await.starts_with("HTTP/1.1 200"));
    open.pop();
    let accepted = async || ping(&app, &mut connect(&app).await).await.starts_with("HTTP/1.1 200");
    app.soon("there is a place again", accepted).await;

    let proxied = |settings: &mut recotem::platform::config::Settings| {
        settings.max_connections_per_network = 1;
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    };
    let app = TestApp::start_with(Jobs::None, proxied).await;
    let (mut one, mut other) = (connect(&app).await, connect(&app).await);
    for stream in [&mut one, &mut other] {
        assert!(ping(&app, stream).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_ends_once_its_client_closes_the_connection() {
    let app = TestApp::start_without_worker().await;
    let ada = app.user("ada").await;
    let mut lock = AsyncPgConnection::establish(app.services.db.url()).await.expect("a connection");
    lock.batch_execute("BEGIN; LOCK TABLE training_data IN ACCESS EXCLUSIVE MODE").await.expect("a lock");
    let mut stream = TcpStream::connect(address(&app)).await.expect("a connection");
    let (host, token) = (address(&app), ada.token());
    let request = format!("GET /api/v1/training_data/ HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it takes the request");
    let waiting = "SELECT count(*) FROM pg_locks JOIN pg_database ON database = pg_database.oid
                   WHERE NOT granted AND relation = 'training_data'::regclass AND datname = current_database()";
    app.soon("the request waits for the lock", async || app.count(waiting).await == 1).await;
    drop(stream);
    app.soon("the request has ended", async || app.count(waiting).await == 0).await;
    lock.batch_execute("COMMIT").await.expect("it is unlocked");
}
