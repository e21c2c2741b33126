//! The life of one socket: what stands now, then every change, until either side leaves.

use std::time::Duration;

use actix_ws::{CloseCode, CloseReason, Message as Frame, MessageStream, Session};
use futures_util::StreamExt;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::hub::{Change, Hub};
use super::messages::Message;
use crate::features::task_logs;
use crate::features::tuning;
use crate::platform::services::Services;

const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Lines sent at the start: the newest, since these are what somebody who joins late looks for.
const FIRST_LINES: i64 = 500;

/// Which of the two sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    Status,
    Logs,
}

struct Socket {
    services: Services,
    session: Session,
    topic: Topic,
    job: i64,
    seq: u64,
    last_line: Option<i64>,
    last_status: Option<String>,
}

/// Serves one socket to its end.
pub async fn serve(services: Services, hub: Hub, session: Session, frames: MessageStream, topic: Topic, job: i64) {
    // Subscribed before the first look at the tables, so that nothing falls between the two.
    let changes = hub.subscribe();
    let closing = session.clone();
    let mut socket = Socket { services, session, topic, job, seq: 0, last_line: None, last_status: None };
    let code = match socket.run(changes, frames, &hub).await {
        Ok(code) | Err(code) => code,
    };
    // The other side may be gone already.
    let _ = closing.close(code.map(CloseReason::from)).await;
}

type End = Option<CloseCode>;

impl Socket {
    async fn run(&mut self, mut changes: Receiver<Change>, mut frames: MessageStream, hub: &Hub) -> Result<End, End> {
        self.update(true).await?;
        let mut keep_alive = tokio::time::interval_at(tokio::time::Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
        loop {
            tokio::select! {
                () = hub.stop().cancelled() => return Ok(Some(CloseCode::Away)),
                _ = keep_alive.tick() => self.send(&Message::Ping).await?,
                change = changes.recv() => match change {
                    Ok(change) if self.concerns(change) => self.update(false).await?,
                    Ok(_) => {}
                    // Too slow to hear each change: the tables still know everything.
                    Err(RecvError::Lagged(_)) => self.update(false).await?,
                    Err(RecvError::Closed) => return Ok(Some(CloseCode::Away)),
                },
                frame = frames.next() => match frame {
                    Some(Ok(Frame::Ping(bytes))) => self.session.pong(&bytes).await.map_err(|_| None)?,
                    Some(Ok(Frame::Close(_)) | Err(_)) | None => return Ok(None),
                    Some(Ok(_)) => {}
                },
            }
        }
    }

    fn concerns(&self, change: Change) -> bool {
        match (change, self.topic) {
            (Change::Anything, _) => true,
            (Change::Tuning(id), Topic::Status) | (Change::Log(id), Topic::Logs) => id == self.job,
            _ => false,
        }
    }

    async fn update(&mut self, first: bool) -> Result<(), End> {
        let result = match self.topic {
            Topic::Status => self.send_status(first).await,
            Topic::Logs => self.send_lines(first).await,
        };
        match result {
            Err(Trouble::Database) if !first => Ok(()),
            Err(Trouble::Database) => Err(Some(CloseCode::Again)),
            Err(Trouble::Gone) => Err(None),
            Ok(()) => Ok(()),
        }
    }

    async fn send_status(&mut self, first: bool) -> Result<(), Trouble> {
        let mut connection = self.services.db.conn().await.map_err(|_| Trouble::Database)?;
        let snapshot = tuning::snapshot(&mut connection, self.job).await.map_err(|_| Trouble::Database)?;
        drop(connection);
        let Some((job, counts)) = snapshot else { return Err(Trouble::Gone) };
        let state = format!("{} {counts:?} {:?}", job.status, job.best_score);
        if self.last_status.as_ref() == Some(&state) {
            return Ok(());
        }
        self.last_status = Some(state);
        let message = Message::status(&job, counts, first, self.next_seq());
        self.send(&message).await.map_err(|_| Trouble::Gone)
    }

    async fn send_lines(&mut self, first: bool) -> Result<(), Trouble> {
        let mut connection = self.services.db.conn().await.map_err(|_| Trouble::Database)?;
        let lines = task_logs::newest_of_tuning(&mut connection, self.job, self.last_line, FIRST_LINES)
            .await
            .map_err(|_| Trouble::Database)?;
        drop(connection);
        for line in lines {
            self.last_line = Some(line.id);
            let message = Message::log(line.contents, line.ins_datetime, first, self.next_seq());
            self.send(&message).await.map_err(|_| Trouble::Gone)?;
        }
        Ok(())
    }

    fn next_seq(&mut self) -> u64 {
        let seq = self.seq;
        self.seq += 1;
        seq
    }

    async fn send(&mut self, message: &Message) -> Result<(), End> {
        let text = serde_json::to_string(message).map_err(|_| Some(CloseCode::Error))?;
        self.session.text(text).await.map_err(|_| None)
    }
}

enum Trouble {
    /// Asking again later may help.
    Database,
    /// The job or the other side.
    Gone,
}
