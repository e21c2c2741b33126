use std::fs;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::config::OutboundSettings;
use crate::objects::{FolderSettings, GcsSettings, S3Settings, WebSettings};
use crate::outbound::Policy;

/// A server that answers the requests it gets, which it remembers, with what a function says.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, heads) = (Arc::new(answer), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answer, heads) = (answer.clone(), heads.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                        let mut piece = vec![0; 4096];
                        let read = stream.read(&mut piece).await.unwrap_or(0);
                        if read == 0 {
                            return;
                        }
                        head.extend_from_slice(&piece[..read]);
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let number = {
                        let mut heads = heads.lock().unwrap();
                        heads.push(head.clone());
                        heads.len()
                    };
                    let _ = stream.write_all(answer(number, &head).as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn s3(&self, key: Option<&str>) -> Objects {
        let settings = StoreSettings::S3(S3Settings {
            bucket: "shop".into(),
            region: "eu-west-1".into(),
            endpoint: Some(format!("http://127.0.0.1:{}", self.port)),
            access_key_id: key.map(str::to_owned),
            path_style: true,
        });
        let secret = key.map(|_| SecretString::from("hush-hush"));
        Objects::open(&settings, secret.as_ref(), &outbound(&["127.0.0.1"]), &[]).unwrap()
    }

    fn web(&self, path: &str) -> Objects {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let secret = SecretString::from("hush-hush");
        Objects::open(&StoreSettings::Web(WebSettings { url }), Some(&secret), &outbound(&["127.0.0.1"]), &[]).unwrap()
    }
}

fn outbound(networks: &[&str]) -> Outbound {
    let allow_networks = networks.iter().map(|text| text.parse().unwrap()).collect();
    let settings = OutboundSettings { allow_networks, allow_http: true, ca_file: None };
    Outbound::new(&settings, Policy::new(&settings, Vec::new())).unwrap()
}

const HEAD: &str = "Connection: close\r\nLast-Modified: Tue, 01 Dec 2026 00:00:00 GMT\r\n";

fn file(etag: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{HEAD}ETag: \"{etag}\"\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn failed(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{HEAD}Content-Length: {}\r\n\r\n{body}", body.len())
}

async fn read(objects: &Objects, key: &str, get: Get) -> Result<String, ObjectError> {
    let mut reading = objects.get(key, get).await?;
    let mut text = Vec::new();
    while let Some(piece) = reading.next().await? {
        text.extend_from_slice(&piece);
    }
    Ok(String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_bucket_is_listed_and_read() {
    let listing = "<ListBucketResult><KeyCount>1</KeyCount><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>\
        <Contents><Key>events/a.csv</Key><LastModified>2026-12-01T00:00:00.000Z</LastModified><ETag>\"1\"</ETag><Size>5</Size></Contents>\
        <CommonPrefixes><Prefix>events/b/</Prefix></CommonPrefixes></ListBucketResult>";
    let rest = listing.replace("<CommonPrefixes><Prefix>events/b/</Prefix></CommonPrefixes>", "");
    let server = Server::start(move |_, head| match () {
        () if head.contains("continuation-token") => failed("200 OK", &rest),
        () if head.contains("list-type=2") => failed("200 OK", listing),
        () => file("1", "hello"),
    });
    let server = server.await;
    let objects = server.s3(Some("AKIA"));
    let listed = objects.list("events/", true, 2).await.unwrap();
    assert_eq!((listed.prefixes, listed.is_cut), (vec!["events/b/".to_owned()], true));
    assert_eq!((listed.objects[0].key.as_str(), listed.objects[0].size), ("events/a.csv", Some(5)));
    let get = Get { if_match: Some("\"1\"".into()), ..Get::default() };
    assert_eq!(read(&objects, "events/a.csv", get).await.unwrap(), "hello");
    let asked = server.asked();
    assert!(asked.iter().all(|head| head.to_lowercase().contains("authorization: aws4-hmac-sha256 credential=akia/")));
    assert!(asked.iter().all(|head| !head.contains("hush")));
    assert!(asked.last().unwrap().to_lowercase().contains("if-match: \"1\""));
}

/// Without a key, the library would ask the metadata service of the cloud for one.
#[tokio::test]
async fn without_a_key_nothing_is_signed_and_nothing_else_is_asked() {
    let server = Server::start(|_, _| file("1", "hello")).await;
    assert_eq!(read(&server.s3(None), "a", Get::default()).await.unwrap(), "hello");
    let settings = GcsSettings { bucket: "shop".into(), endpoint: Some(format!("http://127.0.0.1:{}", server.port)) };
    let gcs = Objects::open(&StoreSettings::Gcs(settings), None, &outbound(&["127.0.0.1"]), &[]).unwrap();
    assert_eq!(read(&gcs, "a", Get::default()).await.unwrap(), "hello");
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|head| !head.to_lowercase().contains("authorization")), "{asked:?}");
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_refused() {
    let server = Server::start(|_, _| file("1", "hello")).await;
    let settings = |endpoint: String| {
        StoreSettings::S3(S3Settings {
            bucket: "shop".into(),
            region: "eu-west-1".into(),
            endpoint: Some(endpoint),
            access_key_id: None,
            path_style: true,
        })
    };
    let refused = Objects::open(&settings(format!("http://127.0.0.1:{}", server.port)), None, &outbound(&[]), &[]);
    assert_eq!(refused.err().unwrap().code(), "address_not_allowed");
    let by_name = Objects::open(&settings(format!("http://localhost:{}", server.port)), None, &outbound(&[]), &[]).unwrap();
    assert_eq!(by_name.head("a").await.unwrap_err().code(), "address_not_allowed");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server =
        Server::start(|_, _| "HTTP/1.1 307 Moved\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n".into());
    let server = server.await;
    let error = server.s3(None).head("a").await.unwrap_err();
    assert_eq!(error.code(), "protocol", "{error}");
    assert_eq!(server.web("/a").head("").await.unwrap_err().code(), "protocol");
}

#[tokio::test]
async fn a_short_failure_is_not_noticed() {
    let server = Server::start(|number, _| if number < 3 { failed("503 Slow", "") } else { file("1", "hello") }).await;
    assert_eq!(read(&server.s3(None), "a", Get::default()).await.unwrap(), "hello");
}

#[tokio::test]
async fn an_object_that_ends_early_is_an_error() {
    let server = Server::start(|_, _| file("1", "hello").replace("Content-Length: 5", "Content-Length: 50")).await;
    for objects in [server.s3(None), server.web("/a")] {
        let key = if matches!(objects.place, Place::Web(_)) { "" } else { "a" };
        let error = read(&objects, key, Get::default()).await.unwrap_err();
        assert!(error.is_temporary() && error.code() == "interrupted", "{error}");
    }
}

#[tokio::test]
async fn another_version_of_an_object_is_not_read() {
    let server = Server::start(|_, _| file("2", "hello")).await;
    for objects in [server.s3(None), server.web("/x/")] {
        let get = Get { if_match: Some("\"1\"".into()), ..Get::default() };
        let error = objects.get("a", get).await.err().unwrap();
        assert!(error.is_temporary() && error.code() == "changed", "{error}");
    }
}

#[tokio::test]
async fn errors_hold_no_secret() {
    let said = "<Error><Code>SignatureDoesNotMatch</Code><Message>Wrong.</Message><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>";
    let server = Server::start(move |_, _| failed("403 Forbidden", said)).await;
    let error = server.s3(Some("AKIA")).get("a", Get::default()).await.err().unwrap();
    assert_eq!((error.code(), error.to_string().contains("AKIA")), ("log_in_failed", false), "{error}");
    assert!(!format!("{error:?}").contains("hush"));
}

#[tokio::test]
async fn a_web_server_without_ranges_is_read_in_part() {
    let server = Server::start(|_, _| file("1", "0123456789")).await;
    let web = server.web("/x/");
    let get = Get { range: Some(2..5), ..Get::default() };
    assert_eq!(read(&web, "a.csv?token=1", get).await.unwrap(), "234");
    assert!(server.asked()[0].starts_with("GET /x/a.csv?token=1 ") && server.asked()[0].contains("bytes=2-4"));
    assert!(server.asked()[0].to_lowercase().contains("authorization: bearer hush-hush"));
}

#[tokio::test]
async fn a_part_is_not_longer_than_it_was_asked_for() {
    let server = Server::start(|_, _| {
        let pieces = "5\r\nhello\r\n".repeat(1_000);
        format!("HTTP/1.1 206 Partial Content\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n{pieces}0\r\n\r\n")
    })
    .await;
    let get = Get { range: Some(0..7), ..Get::default() };
    assert_eq!(read(&server.web("/x/"), "a.csv", get).await.unwrap(), "hellohe");
}

#[tokio::test]
async fn a_key_stays_below_the_url_of_a_web_server() {
    let server = Server::start(|_, _| file("1", "hello")).await;
    let web = server.web("/x/y/list.csv");
    for key in ["../z", "/z", "//evil.example/x", "http://evil.example/x/y/z", "..\\z", "%2e%2e/z", "a/../../z"] {
        assert_eq!(web.head(key).await.unwrap_err().code(), "invalid_key", "{key}");
    }
    assert_eq!(web.head("z.csv").await.unwrap().size, Some(5));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn only_released_folders_are_read_and_no_link_leads_out() {
    let folder = tempfile::tempdir().unwrap();
    let (released, outside) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir_all(released.join("day/deep")).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("hush.csv"), "hush").unwrap();
    fs::write(released.join("day/a.csv"), "user,item\n").unwrap();
    fs::write(released.join("day/deep/b.csv"), "u").unwrap();
    symlink(outside.join("hush.csv"), released.join("day/link.csv")).unwrap();
    symlink(&outside, released.join("day/linked")).unwrap();
    let open = |path: &std::path::Path| {
        let settings = StoreSettings::Folder(FolderSettings { path: path.to_str().unwrap().into() });
        Objects::open(&settings, None, &outbound(&[]), std::slice::from_ref(&released))
    };
    for refused in [folder.path(), &outside, &folder.path().join("in2")] {
        assert!(matches!(open(refused).err(), Some(ObjectError::NotReleased)), "{refused:?}");
    }
    let objects = open(&released).unwrap();
    let listed = objects.list("day/", false, 10).await.unwrap();
    let keys: Vec<&str> = listed.objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(keys, ["day/a.csv", "day/deep/b.csv"]);
    let level = objects.list("day/", true, 10).await.unwrap();
    assert_eq!((level.prefixes, level.objects.len()), (vec!["day/deep/".to_owned()], 1));
    assert!(objects.list("", false, 1).await.unwrap().is_cut);
    assert!(!objects.list("", false, 2).await.unwrap().is_cut);
    assert_eq!(read(&objects, "day/a.csv", Get { range: Some(5..99), ..Get::default() }).await.unwrap(), "item\n");
    for key in ["day/link.csv", "day/linked/hush.csv", "../out/hush.csv", "day/../../out/hush.csv", "/etc/passwd", "", "day"] {
        let error = objects.get(key, Get::default()).await.err().unwrap();
        assert!(matches!(error.code(), "not_found" | "invalid_key"), "{key}: {error}");
    }
    assert_eq!(open(&released.join("day/linked")).unwrap().list("", true, 9).await.unwrap_err().code(), "not_found");
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "x".repeat(1 << 20)).unwrap();
    let settings = StoreSettings::Folder(FolderSettings { path: folder.path().to_str().unwrap().into() });
    let objects = Objects::open(&settings, None, &outbound(&[]), &[folder.path().to_owned()]).unwrap();
    let mut reading = objects.get("a.csv", Get::default()).await.unwrap();
    reading.next().await.unwrap();
    fs::OpenOptions::new().append(true).open(&path).and_then(|mut file| std::io::Write::write_all(&mut file, b"y")).unwrap();
    let error = loop {
        match reading.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it has been taken"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "changed");
}
