//! A server that receives webhook messages, and answers well or badly.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use recotem::features::webhooks::{SignatureError, SigningKey, verify};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A message as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub bytes: Vec<u8>,
}

impl Received {
    /// Returns a header; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Returns the id of the message.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// Returns the body.
    pub fn body(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("JSON")
    }

    /// Checks the signature with a secret, as if the message had just been sent.
    pub fn verify(&self, secret: &str) -> Result<(), SignatureError> {
        let (time, signature) = (self.header("webhook-timestamp"), self.header("webhook-signature"));
        let now = time.parse().expect("seconds");
        verify(&SigningKey::read(secret).expect("a secret"), self.id(), time, signature, &self.bytes, now)
    }
}

/// How a receiver answers.
#[derive(Debug, Clone)]
pub enum Reply {
    /// With a status, headers and a body.
    With(u16, &'static str, String),
    /// With a redirect.
    Redirect(String),
    /// With a status, and then a body of this many bytes.
    Flood(u64),
    /// Not at all, until it is told to answer otherwise.
    Hang,
    /// It closes the connection.
    Close,
}

impl Reply {
    /// Returns an answer without a body.
    pub fn status(status: u16) -> Self {
        Self::With(status, "", String::new())
    }
}

/// A receiver on a free port of this machine.
#[derive(Clone)]
pub struct Receiver(Arc<Shared>);

struct Shared {
    url: String,
    reply: Mutex<Reply>,
    changed: Notify,
    received: Mutex<Vec<Received>>,
    at_once: Mutex<(usize, usize)>,
    task: Mutex<Option<tokio::task::AbortHandle>>,
}

impl Receiver {
    /// Starts a receiver.
    pub async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let receiver = Self(Arc::new(Shared {
            url: format!("http://127.0.0.1:{port}/hook"),
            reply: Mutex::new(reply),
            changed: Notify::new(),
            received: Mutex::default(),
            at_once: Mutex::default(),
            task: Mutex::default(),
        }));
        let shared = receiver.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(shared.clone().serve(stream));
            }
        });
        *receiver.0.task.lock().expect("no panic") = Some(task.abort_handle());
        receiver
    }

    /// Returns the address that messages are sent to.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Answers differently from now on; requests that hang get that answer.
    pub fn reply(&self, reply: Reply) {
        *self.0.reply.lock().expect("no panic") = reply;
        self.0.changed.notify_waiters();
    }

    /// Answers later requests differently; those that hang are not answered still.
    pub fn reply_to_later(&self, reply: Reply) {
        *self.0.reply.lock().expect("no panic") = reply;
    }

    /// Returns everything that arrived so far, in its order.
    pub fn received(&self) -> Vec<Received> {
        self.0.received.lock().expect("no panic").clone()
    }

    /// Returns the topics of what arrived so far.
    pub fn topics(&self) -> Vec<String> {
        self.received().iter().map(|one| one.body()["type"].as_str().expect("a type").to_owned()).collect()
    }

    /// Returns the largest number of requests that waited for an answer at the same time.
    pub fn most_at_once(&self) -> usize {
        self.0.at_once.lock().expect("no panic").1
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Some(received) = read(&mut stream, &mut buffer).await {
            {
                let mut at_once = self.0.at_once.lock().expect("no panic");
                at_once.0 += 1;
                at_once.1 = at_once.1.max(at_once.0);
            }
            self.0.received.lock().expect("no panic").push(received);
            let is_open = self.answer(&mut stream).await;
            self.0.at_once.lock().expect("no panic").0 -= 1;
            if !is_open {
                return;
            }
        }
    }

    async fn answer(&self, stream: &mut TcpStream) -> bool {
        loop {
            let changed = self.0.changed.notified();
            let reply = self.0.reply.lock().expect("no panic").clone();
            match reply {
                Reply::With(status, headers, body) => {
                    let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
                    return stream.write_all(head.as_bytes()).await.is_ok();
                }
                Reply::Redirect(target) => {
                    let head = format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
                    return stream.write_all(head.as_bytes()).await.is_ok();
                }
                Reply::Flood(bytes) => {
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
                    let mut written = stream.write_all(head.as_bytes()).await.is_ok();
                    for _ in 0..bytes / 65_536 {
                        written = written && stream.write_all(&[b'x'; 65_536]).await.is_ok();
                    }
                    return false;
                }
                Reply::Close => return false,
                Reply::Hang => changed.await,
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().expect("no panic").take() {
            task.abort();
        }
    }
}

/// Reads one request; `None` at the end of the connection.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Received> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).expect("text");
    let headers: BTreeMap<String, String> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().expect("a number"));
    while buffer.len() < end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let bytes = buffer[end..end + length].to_vec();
    buffer.drain(..end + length);
    Some(Received { headers, bytes })
}
