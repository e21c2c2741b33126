//! The life of one socket: it sends the current state, then every change, until either side closes it.

use std::sync::Arc;
use std::time::Duration;

use actix_ws::{CloseCode, CloseReason, Message as Frame, MessageStream, Session};
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::access::{self, Refusal};
use super::feed::{Feed, News, Standing, Tail};
use super::messages::{Message, Said};
use super::warden::{Beat, Place};
use crate::features::accounts::SessionLimits;
use crate::features::task_logs::{self, TaskLog};
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// The largest frame accepted from a client; no valid message is larger.
pub const LARGEST_FRAME: usize = 4 << 10;
/// Lines sent at the start: the newest, since these matter most to a client that joins late.
const FIRST_LINES: i64 = 500;
/// Lines read in one query for a socket that is behind.
const PAGE: i64 = 100;
/// How long a client may take to accept a message before its socket is closed.
const LONGEST_PATIENCE: Duration = Duration::from_secs(10);

/// The code with which a socket ends; `None` if the client is gone.
type End = Option<CloseCode>;

/// One client that watches one topic.
pub struct Watcher {
    services: Services,
    limits: Arc<SessionLimits>,
    session: Session,
    feed: Arc<Feed>,
    patience: Duration,
    seq: u64,
    /// The id of the last line sent; `None` before the first, unless the client states which one it has.
    last_line: Option<i64>,
    shown: Option<Arc<Standing>>,
    /// Whether no frame of the client has answered the last heartbeat yet.
    unanswered: bool,
}

impl Watcher {
    /// Creates the watcher of an authorised client that already has the lines up to `after`.
    pub fn new(services: Services, limits: Arc<SessionLimits>, session: Session, feed: Arc<Feed>, after: Option<i64>) -> Self {
        let patience = Duration::from_secs(services.settings.live_heartbeat_seconds.max(1)).min(LONGEST_PATIENCE);
        Self { services, limits, session, feed, patience, seq: 0, last_line: after, shown: None, unanswered: false }
    }

    /// Serves the client until the socket closes.
    pub async fn serve(mut self, frames: MessageStream, place: Place, stop: CancellationToken) {
        let ended = tokio::select! {
            () = stop.cancelled() => Some(CloseCode::Away),
            Err(end) = self.run(frames, place) => end,
        };
        let session = self.session;
        drop(self.feed);
        // A client that is too slow gets the close frame after the frames in transit.
        let _ = session.close(ended.map(CloseReason::from)).await;
    }

    async fn run(&mut self, mut frames: MessageStream, mut place: Place) -> Result<(), End> {
        let mut news = self.feed.subscribe();
        self.show(&mut news, true).await?;
        loop {
            tokio::select! {
                changed = news.changed() => {
                    changed.map_err(|_| Some(CloseCode::Away))?;
                    self.show(&mut news, false).await?;
                }
                beaten = place.beats.changed() => {
                    beaten.map_err(|_| Some(CloseCode::Away))?;
                    let beat = *place.beats.borrow_and_update();
                    self.answer_beat(beat).await?;
                }
                frame = frames.next() => {
                    self.unanswered = false;
                    match frame {
                        Some(Ok(Frame::Ping(bytes))) => self.session.pong(&bytes).await.map_err(|_| None)?,
                        Some(Ok(Frame::Close(_)) | Err(_)) | None => return Err(None),
                        Some(Ok(Frame::Text(text))) => self.listen_to(&text, &place).await?,
                        Some(Ok(_)) => {}
                    }
                }
            }
        }
    }

    /// Continues with the new session of a client that has logged in again.
    async fn listen_to(&self, text: &str, place: &Place) -> Result<(), End> {
        let Ok(Said::Token { token }) = serde_json::from_str(text) else { return Ok(()) };
        let renewed = async {
            let caller = access::caller(&self.services, &self.limits, &token).await?;
            access::allow(&self.services, &caller, self.feed.topic.subject).await?;
            caller.session_id.ok_or(Refusal::NotAuthenticated)
        };
        match renewed.await {
            Ok(session) => place.renew(session),
            // Its present session continues.
            Err(Refusal::Unknown) => {}
            Err(refusal) => return Err(Some(refusal.code())),
        }
        Ok(())
    }

    async fn answer_beat(&mut self, beat: Beat) -> Result<(), End> {
        if let Beat(_, Some(refusal)) = beat {
            return Err(Some(refusal.code()));
        }
        // No frame for a whole heartbeat: browsers and libraries answer a ping automatically.
        if std::mem::replace(&mut self.unanswered, true) {
            return Err(None);
        }
        self.send(&Message::Ping).await?;
        self.session.ping(b"").await.map_err(|_| None)
    }

    async fn show(&mut self, news: &mut watch::Receiver<News>, first: bool) -> Result<(), End> {
        // Cloned, so that the publisher does not wait for this socket.
        let news = news.borrow_and_update().clone();
        match news {
            News::Unknown => Ok(()),
            News::Gone => Err(Some(Refusal::NoAccess.code())),
            News::Status(standing) => self.show_standing(standing).await,
            News::Log(tail) => self.show_log(&tail, first).await,
        }
    }

    async fn show_standing(&mut self, standing: Arc<Standing>) -> Result<(), End> {
        let message = Message::status(&standing, self.shown.is_none(), self.seq);
        self.seq += 1;
        self.send(&message).await?;
        self.shown = Some(standing);
        Ok(())
    }

    async fn show_log(&mut self, tail: &Tail, first: bool) -> Result<(), End> {
        if self.last_line.is_none() {
            let lines = self.read(None).await?;
            self.last_line = Some(0);
            self.show_lines(lines.iter(), first).await?;
        }
        // Lines from before the tail are read from the table, a page at a time.
        while let Some(last) = self.last_line.filter(|last| *last < tail.after) {
            let lines = self.read(Some(last)).await?;
            if lines.is_empty() {
                break;
            }
            self.show_lines(lines.iter(), first).await?;
        }
        self.show_lines(tail.lines.iter().map(Arc::as_ref), first).await
    }

    /// Returns the newest lines, or the next page after a line.
    async fn read(&self, after: Option<i64>) -> Result<Vec<TaskLog>, End> {
        let read = async {
            let mut connection = self.services.db.conn().await.map_err(ApiError::from)?;
            let (connection, subject) = (&mut connection, self.feed.topic.subject);
            let lines = match after {
                None => task_logs::newest(connection, subject, FIRST_LINES).await?,
                Some(after) => task_logs::following(connection, subject, after, PAGE).await?,
            };
            ApiResult::Ok(lines)
        };
        // The cause has been logged; the client reconnects for the rest.
        read.await.map_err(|_| Some(CloseCode::Again))
    }

    async fn show_lines(&mut self, lines: impl Iterator<Item = &TaskLog>, first: bool) -> Result<(), End> {
        for line in lines {
            if self.last_line.is_some_and(|last| line.id <= last) {
                continue;
            }
            let message = Message::log(line, first, self.seq);
            self.seq += 1;
            self.send(&message).await?;
            self.last_line = Some(line.id);
        }
        Ok(())
    }

    async fn send(&mut self, message: &Message<'_>) -> Result<(), End> {
        let text = serde_json::to_string(message).map_err(|_| Some(CloseCode::Error))?;
        match tokio::time::timeout(self.patience, self.session.text(text)).await {
            Ok(sent) => sent.map_err(|_| None),
            // The client may reconnect for the rest when it is faster.
            Err(_) => Err(Some(CloseCode::Again)),
        }
    }
}
