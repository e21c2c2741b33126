//! A real client of the live updates.

use std::time::Duration;

use futures_util::stream::SplitSink;
use futures_util::{SinkExt, Stream, StreamExt};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{Caller, TestApp};

pub use tokio_tungstenite::tungstenite::Message;

/// How long a test waits for a message.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A WebSocket to a server.
pub struct Socket(Frames);

/// A message of a server.
#[derive(Debug)]
pub enum Heard {
    Said(Value),
    Closed(Option<u16>),
}

impl Socket {
    /// Opens a socket with these headers; returns the status with which it is refused.
    pub async fn try_open(app: &TestApp, path: &str, headers: &[(&'static str, &str)]) -> Result<Self, StatusCode> {
        let mut request = format!("{}{path}", app.base.replace("http:", "ws:")).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        match connect_async(request).await {
            Ok((stream, _)) => Ok(Self(stream)),
            Err(Error::Http(response)) => Err(StatusCode::from_u16(response.status().as_u16()).unwrap()),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// Opens a socket with these headers.
    pub async fn open(app: &TestApp, path: &str, headers: &[(&'static str, &str)]) -> Self {
        Self::try_open(app, path, headers).await.unwrap_or_else(|status| panic!("{path}: {status}"))
    }

    /// Opens a socket with the cookie of a caller.
    pub async fn of(app: &TestApp, caller: &Caller, path: &str) -> Self {
        Self::open(app, path, &[("cookie", &format!("jwt-access={}", caller.token()))]).await
    }

    /// Returns the next message.
    pub async fn hear(&mut self) -> Heard {
        tokio::time::timeout(PATIENCE, hear_from(&mut self.0)).await.expect("something in time")
    }

    /// Reads the socket continuously from now on, so that it answers every heartbeat while the test does other things.
    pub fn kept_open(self) -> KeptOpen {
        let (sink, mut stream) = self.0.split();
        let (sender, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let heard = hear_from(&mut stream).await;
                let is_over = matches!(heard, Heard::Closed(_));
                let _ = sender.send(heard);
                if is_over {
                    return;
                }
            }
        });
        KeptOpen { sink, heard }
    }

    /// Returns the next message that is no keep-alive.
    pub async fn says(&mut self) -> Value {
        loop {
            match self.hear().await {
                Heard::Said(message) if message["type"] == "ping" => {}
                Heard::Said(message) => return message,
                Heard::Closed(code) => panic!("closed with {code:?}"),
            }
        }
    }

    /// Returns the code that it is closed with, after any messages.
    pub async fn end(&mut self) -> Option<u16> {
        loop {
            if let Heard::Closed(code) = self.hear().await {
                return code;
            }
        }
    }

    /// Returns the next messages that are no keep-alives.
    pub async fn lines(&mut self, count: usize) -> Vec<Value> {
        let mut lines = Vec::new();
        for _ in 0..count {
            lines.push(self.says().await);
        }
        lines
    }

    /// Sends a message unchanged.
    pub async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }
}

type Frames = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn hear_from(frames: &mut (impl Stream<Item = Result<Message, Error>> + Unpin)) -> Heard {
    loop {
        match frames.next().await {
            Some(Ok(Message::Text(text))) => return Heard::Said(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(frame))) => return Heard::Closed(frame.map(|frame| frame.code.into())),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Heard::Closed(None),
        }
    }
}

/// A socket that is read continuously.
pub struct KeptOpen {
    sink: SplitSink<Frames, Message>,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl KeptOpen {
    /// Waits for a heartbeat that began after the call.
    pub async fn lives_on(&mut self) {
        while self.heard.try_recv().is_ok() {}
        // The first may have begun before.
        for _ in 0..2 {
            let next = tokio::time::timeout(PATIENCE, self.heard.recv()).await.expect("a heartbeat in time");
            assert!(matches!(&next, Some(Heard::Said(ping)) if *ping == json!({ "type": "ping" })), "{next:?}");
        }
    }

    /// Returns the code that it is closed with, after any messages.
    pub async fn end(&mut self) -> Option<u16> {
        loop {
            match tokio::time::timeout(PATIENCE, self.heard.recv()).await.expect("an end in time") {
                Some(Heard::Said(_)) => {}
                Some(Heard::Closed(code)) => return code,
                None => return None,
            }
        }
    }

    /// Sends a message.
    pub async fn say(&mut self, message: Value) {
        self.sink.send(Message::text(message.to_string())).await.unwrap();
    }
}
