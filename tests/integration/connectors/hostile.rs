//! Servers that are none, or mean harm.

use recotem::connectors::{ConnectionKind, Connector, Settings};
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
