use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::*;
use crate::outbound::resolver::Lookup;

const LIMITS: Limits = Limits { total: Duration::from_secs(20), body: 1_000 };

fn settings(networks: &[&str]) -> OutboundSettings {
    let allow_networks = networks.iter().map(|text| text.parse().unwrap()).collect();
    OutboundSettings { allow_networks, allow_http: true, ca_file: None }
}

/// Creates a client for which names resolve to these addresses, one answer per look-up; the last one is repeated.
fn client(networks: &[&str], answers: &[&str]) -> (Outbound, Arc<Mutex<usize>>) {
    let (settings, asked) = (settings(networks), Arc::new(Mutex::new(0)));
    let answers: Vec<std::net::IpAddr> = answers.iter().map(|text| text.parse().unwrap()).collect();
    let counter = asked.clone();
    let lookup: Lookup = Arc::new(move |_| {
        let mut asked = counter.lock().unwrap();
        let answer = answers[(*asked).min(answers.len() - 1)];
        *asked += 1;
        Box::pin(async move { Ok(vec![answer]) })
    });
    (Outbound::with_lookup(&settings, Policy::new(&settings, Vec::new()), lookup).unwrap(), asked)
}

/// Starts a server that answers every connection with these bytes.
async fn server(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(respond(stream, answer.clone()));
        }
    });
    port
}

async fn respond(mut stream: TcpStream, answer: Vec<u8>) {
    let _ = stream.read(&mut [0; 4096]).await;
    let _ = stream.write_all(&answer).await;
}

fn get(url: &str) -> Request {
    Request::new(reqwest::Method::GET, Url::parse(url).unwrap())
}

#[tokio::test]
async fn an_allowed_server_answers() {
    let port = server(b"HTTP/1.1 201 Created\r\nX-Kind: test\r\nContent-Length: 2\r\n\r\nok".to_vec()).await;
    let (client, _) = client(&["127.0.0.0/8"], &["127.0.0.1"]);
    let answer = client.send(get(&format!("http://receiver.example:{port}/")), LIMITS).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.as_slice(), answer.is_cut), (201, &b"ok"[..], false));
    assert_eq!(answer.headers["x-kind"], "test");
}

#[tokio::test]
async fn a_name_that_resolves_to_this_machine_is_refused() {
    let port = server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    for inner in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "10.0.0.1"] {
        let (client, _) = client(&[], &[inner]);
        let refused = client.send(get(&format!("http://receiver.example:{port}/")), LIMITS).await.unwrap_err();
        assert_eq!(refused.code(), "address_not_allowed", "{inner}: {refused}");
        let refused = client.dial("receiver.example", port).await.unwrap_err();
        assert_eq!(refused.code(), "address_not_allowed", "{inner}: {refused}");
    }
}

/// DNS rebinding: the first answer is allowed, the next one is not. The name is resolved once, so the connection goes to the
/// address that was judged; the next connection is judged again.
#[tokio::test]
async fn a_name_is_resolved_once_for_each_connection() {
    let port = server(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let (client, asked) = client(&["127.0.0.1"], &["127.0.0.1", "127.0.0.2"]);
    let url = format!("http://rebinding.example:{port}/");
    assert_eq!(client.send(get(&url), LIMITS).await.unwrap().status.as_u16(), 200);
    assert_eq!(*asked.lock().unwrap(), 1);
    assert_eq!(client.send(get(&url), LIMITS).await.unwrap_err().code(), "address_not_allowed");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let head = format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{target}/\r\nContent-Length: 0\r\n\r\n");
    let port = server(head.into_bytes()).await;
    let (client, _) = client(&["127.0.0.0/8"], &["127.0.0.1"]);
    let answer = client.send(get(&format!("http://receiver.example:{port}/")), LIMITS).await.unwrap();
    assert_eq!(answer.status.as_u16(), 302);
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.resize(answer.len() + 1_000_000, b'x');
    let port = server(answer).await;
    let (client, _) = client(&["127.0.0.0/8"], &["127.0.0.1"]);
    let answer = client.send(get(&format!("http://receiver.example:{port}/")), LIMITS).await.unwrap();
    assert!(answer.is_cut);
    assert_eq!(answer.body.len(), 1_000);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (client, _) = client(&["127.0.0.0/8"], &["127.0.0.1"]);
    let limits = Limits { total: Duration::from_millis(200), ..LIMITS };
    let error = client.send(get(&format!("http://receiver.example:{port}/")), limits).await.unwrap_err();
    assert_eq!(error.code(), "timeout", "{error}");
    drop(listener);
    let error = client.send(get(&format!("http://receiver.example:{port}/")), LIMITS).await.unwrap_err();
    assert_eq!(error.code(), "unreachable", "{error}");
}

#[tokio::test]
async fn the_server_itself_is_never_reached_whatever_is_allowed() {
    let port = server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let settings = settings(&["0.0.0.0/0", "::/0"]);
    let own = vec![format!("0.0.0.0:{port}").parse().unwrap()];
    let lookup: Lookup = Arc::new(|_| Box::pin(async { Ok(vec![std::net::IpAddr::from([127, 0, 0, 3])]) }));
    let client = Outbound::with_lookup(&settings, Policy::new(&settings, own), lookup).unwrap();
    for url in [format!("http://own.example:{port}/"), format!("http://127.0.0.1:{port}/")] {
        assert_eq!(client.send(get(&url), LIMITS).await.unwrap_err().code(), "address_not_allowed", "{url}");
    }
    assert_eq!(client.dial("127.0.0.1", port).await.unwrap_err().code(), "address_not_allowed");
}
