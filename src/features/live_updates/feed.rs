//! The state of one watched object: read once for each change, and shared by every socket that watches it.

use std::collections::VecDeque;
use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};

use crate::features::accounts::Guarded;
use crate::features::models::TrainedModel;
use crate::features::task_logs::{self, Subject, TaskLog};
use crate::features::tuning::{self, SearchStatus};
use crate::platform::db::Database;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::wire_enum;

/// Lines kept for sockets that are up to date; a socket that is further behind reads the table.
const TAIL: usize = 64;
/// Lines read in one query.
const PAGE: i64 = 500;

wire_enum! {
    /// The kinds of sockets, as in their paths.
    #[derive(PartialOrd, Ord)]
    pub enum Kind {
        Status = "status",
        Logs = "logs",
    }
}

/// A subject and what is watched of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic {
    pub subject: Subject,
    pub kind: Kind,
}

/// The state of a search or a training.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The status of a search, or of a training, which cannot be cancelled.
    pub status: SearchStatus,
    pub error: Option<String>,
    /// The other values of the message.
    pub figures: Value,
}

/// The newest lines of a log.
#[derive(Debug, Default)]
pub struct Tail {
    /// No line between this one and the first of `lines` is missing.
    pub after: i64,
    pub lines: VecDeque<Arc<TaskLog>>,
}

/// The current state of a watched object.
#[derive(Debug, Clone, Default)]
pub enum News {
    /// Not read yet.
    #[default]
    Unknown,
    Status(Arc<Standing>),
    Log(Arc<Tail>),
    /// The object has been deleted.
    Gone,
}

/// One watched object.
#[derive(Debug)]
pub struct Feed {
    pub topic: Topic,
    news: watch::Sender<News>,
    /// Ensures one reader at a time, so that subscribers never see an older state after a newer one.
    turn: Mutex<()>,
}

impl Feed {
    pub fn new(topic: Topic) -> Self {
        Self { topic, news: watch::Sender::new(News::Unknown), turn: Mutex::new(()) }
    }

    /// Returns a receiver of the current and all later states. Call [`Self::begin`] first, so that there is one.
    pub fn subscribe(&self) -> watch::Receiver<News> {
        self.news.subscribe()
    }

    /// Reads the state unless it has been read already.
    pub async fn begin(&self, db: &Database) -> ApiResult<()> {
        let turn = self.turn.lock().await;
        if !matches!(*self.news.borrow(), News::Unknown) {
            return Ok(());
        }
        let looked = self.look(db).await;
        drop(turn);
        looked
    }

    /// Reads the state again after a change.
    pub async fn refresh(&self, db: &Database) -> ApiResult<()> {
        let _turn = self.turn.lock().await;
        self.look(db).await
    }

    async fn look(&self, db: &Database) -> ApiResult<()> {
        let mut connection = db.conn().await?;
        match self.topic.kind {
            Kind::Status => self.look_at_status(&mut connection).await,
            Kind::Logs => self.look_at_log(&mut connection).await,
        }
    }

    async fn look_at_status(&self, connection: &mut AsyncPgConnection) -> ApiResult<()> {
        let standing = standing(connection, self.topic.subject).await?;
        self.news.send_if_modified(|news| {
            let same = match (&*news, &standing) {
                (News::Status(shown), Some(standing)) => **shown == *standing,
                (News::Gone, None) => true,
                _ => false,
            };
            if !same {
                *news = standing.map_or(News::Gone, |standing| News::Status(Arc::new(standing)));
            }
            !same
        });
        Ok(())
    }

    async fn look_at_log(&self, connection: &mut AsyncPgConnection) -> ApiResult<()> {
        let shown = match &*self.news.borrow() {
            News::Log(tail) => Some(tail.clone()),
            _ => None,
        };
        let Some(mut shown) = shown else {
            let after = task_logs::last_id(connection, self.topic.subject).await?;
            self.news.send_replace(News::Log(Arc::new(Tail { after, lines: VecDeque::new() })));
            return Ok(());
        };
        loop {
            let lines = task_logs::following(connection, self.topic.subject, shown.last(), PAGE).await?;
            let whole = (lines.len() as i64) < PAGE;
            if !lines.is_empty() {
                shown = Arc::new(shown.with(lines));
                self.news.send_replace(News::Log(shown.clone()));
            }
            if whole {
                return Ok(());
            }
        }
    }
}

impl Tail {
    /// Returns the id of the newest line.
    pub fn last(&self) -> i64 {
        self.lines.back().map_or(self.after, |line| line.id)
    }

    fn with(&self, more: Vec<TaskLog>) -> Self {
        let mut tail = Self { after: self.after, lines: self.lines.clone() };
        tail.lines.extend(more.into_iter().map(Arc::new));
        while tail.lines.len() > TAIL {
            tail.after = tail.lines.pop_front().map_or(tail.after, |line| line.id);
        }
        tail
    }
}

async fn standing(connection: &mut AsyncPgConnection, subject: Subject) -> ApiResult<Option<Standing>> {
    Ok(match subject {
        Subject::Tuning(id) => tuning::snapshot(connection, id).await.map_err(ApiError::from)?.map(|(job, counts)| Standing {
            figures: json!({
                "best_score": job.best_score,
                "n_trials": job.fields.n_trials,
                "n_running": counts.running,
                "n_completed": counts.completed,
                "n_pruned": counts.pruned,
                "n_failed": counts.failed,
            }),
            status: job.status,
            error: job.error,
        }),
        Subject::Model(id) => {
            let found = TrainedModel::load(connection, id).await?;
            found.map(|(model, _)| Standing { figures: json!({}), status: model.status.into(), error: model.error })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: i64) -> TaskLog {
        let at = chrono::DateTime::UNIX_EPOCH;
        TaskLog { id, job_id: None, contents: String::new(), ins_datetime: at, updated_at: at }
    }

    #[test]
    fn a_tail_stays_short_and_knows_where_it_begins() {
        let tail = Tail { after: 7, lines: VecDeque::new() };
        assert_eq!(tail.last(), 7);
        let tail = tail.with((8..=200).map(line).collect());
        assert_eq!((tail.lines.len(), tail.last()), (TAIL, 200));
        assert_eq!(tail.after + 1, tail.lines[0].id);
    }
}
