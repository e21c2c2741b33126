//! Servers that are none, or mean harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use recotem::connectors::{ConnectionKind, Connector, Local, Settings};
use recotem::platform::config::OutboundSettings;
use recotem::platform::outbound::{Outbound, Policy};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::source::outbound;

/// Returns a connector to a server that answers a log-in with some bytes, and what comes after it with others.
async fn connector_to(log_in: &'static [u8], later: &'static [u8]) -> Connector {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut received = [0; 4096];
            let _ = client.read(&mut received).await;
            let _ = client.write_all(log_in).await;
            let _ = client.read(&mut received).await;
            let _ = client.write_all(later).await;
            // Keeps the connection open until the client is done.
            let _ = client.read_to_end(&mut Vec::new()).await;
        }
    });
    let value = json!({"host": "127.0.0.1", "port": port, "database": "shop", "username": "reader", "tls": "off"});
    let settings = Settings::read(ConnectionKind::Postgresql, &value).unwrap();
    Connector::open(&settings, None, &outbound(&["127.0.0.1"])).unwrap()
}

/// The log-in succeeded, and the server is ready for a query.
const WELCOME: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

#[tokio::test]
async fn another_protocol_is_recognised() {
    let web = connector_to(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"").await;
    let steps = web.test().await;
    assert_eq!(steps[2].code.as_deref(), Some("protocol"), "{steps:?}");
}

#[tokio::test]
async fn a_field_of_two_gigabytes_is_refused_before_it_arrives() {
    // A row of data whose message announces 2 GiB.
    let server = connector_to(WELCOME, b"D\x7f\xff\xff\xff\0\x01\x7f\xff\xff\xf0").await;
    let error = server.now().await.unwrap_err();
    assert_eq!(error.code(), "too_large", "{error}");
}

#[tokio::test]
async fn nonsense_after_the_log_in_is_an_error() {
    for nonsense in [&b"?\0\0\0\x04"[..], b"D\0\0\0\x03", b"D\0\0\0\0"] {
        let error = connector_to(WELCOME, nonsense).await.now().await.unwrap_err();
        assert!(["protocol", "interrupted"].contains(&error.code()), "{nonsense:?}: {error}");
    }
}

/// Rows of CSV in one piece of a chunked answer: 64 KiB.
const ROWS: &str = "1,2,3,4\n";
const PIECE: usize = 64 << 10;

/// So many bytes are sent at most, for a client that takes all of them.
const MOST: u64 = 256 << 20;

/// Starts a web server that says that a file is empty, or of a known length, and sends `MOST` bytes whatever part is asked for.
/// Returns its port, and how much it has sent.
async fn endless_web(head: &'static str, get: &'static str) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, sent) = (listener.local_addr().unwrap().port(), Arc::new(AtomicU64::new(0)));
    let counted = sent.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut received = [0; 4096];
            let read = client.read(&mut received).await.unwrap_or(0);
            if received[..read].starts_with(b"HEAD") {
                let _ = client.write_all(head.as_bytes()).await;
                continue;
            }
            let _ = client.write_all(get.as_bytes()).await;
            let piece = format!("{PIECE:x}\r\n{}\r\n", ROWS.repeat(PIECE / ROWS.len()));
            while counted.load(Ordering::SeqCst) < MOST && client.write_all(piece.as_bytes()).await.is_ok() {
                counted.fetch_add(PIECE as u64, Ordering::SeqCst);
            }
        }
    });
    (port, sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_takes_no_more_of_a_web_file_than_its_first_rows_need() {
    let scratch = tempfile::tempdir().unwrap();
    for (head, get) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/1099511627776\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
    ] {
        let (port, sent) = endless_web(head, get).await;
        let allow_networks = vec!["127.0.0.1".parse().unwrap()];
        let settings = OutboundSettings { allow_networks, allow_http: true, ..OutboundSettings::default() };
        let outbound = Outbound::new(&settings, Policy::new(&settings, Vec::new())).unwrap();
        let value = json!({ "url": format!("http://127.0.0.1:{port}/x/") });
        let web = Settings::read(ConnectionKind::Http, &value).unwrap();
        let local = Local { folders: Vec::new(), scratch: scratch.path().to_owned() };
        let connector = Connector::open_with(&web, None, &outbound, &local).unwrap();
        let sample = connector.sample_at(&["orders.csv".to_owned()], 50).await.unwrap();
        assert_eq!((sample.columns.len(), sample.rows.len()), (4, 50));
        let sent = sent.load(Ordering::SeqCst);
        assert!(sent < 64 << 20, "{sent} bytes were taken");
    }
    assert_eq!(scratch.path().read_dir().unwrap().count(), 0, "nothing is left on the disk");
}
