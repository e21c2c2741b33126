//! What a job is.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::claimer;
use super::model::JobId;

/// A piece of background work: its fields say what to do, its constants how.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// Name in the database; never change it while such jobs wait.
    const KIND: &'static str;
    /// How often it is tried. Attempts whose worker died are counted apart.
    const MAX_ATTEMPTS: i32 = 5;
    /// How many workers may die running it before it is given up: it may well be what kills them.
    const MAX_LOST_WORKERS: i32 = 2;
    /// How long one attempt may take.
    const TIMEOUT: Duration = Duration::from_secs(3_600);
    /// What the program gives to its jobs.
    type Context: Clone + Send + Sync + 'static;

    /// Does the work, on the async runtime: what keeps a core busy belongs on a thread for blocking work.
    fn run(self, context: JobContext<Self::Context>) -> impl Future<Output = Result<(), JobError>> + Send;

    /// Called when the job has failed for good: refused to be retried, out of attempts, timed out the
    /// last time, or lost with its worker the last time. May be called again if the worker dies in it.
    fn failed(self, context: Self::Context, job_id: JobId, reason: String) -> impl Future<Output = ()> + Send {
        drop((self, context, reason));
        let _ = job_id;
        std::future::ready(())
    }
}

/// Why a job did not complete.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// May succeed later; tried again after a pause while attempts are left.
    #[error("{reason}")]
    Retry { reason: String },
    /// Will never succeed.
    #[error("{reason}")]
    Fail { reason: String },
    /// Stopped because its flag asked for it: cancelled for good if somebody cancelled it, handed back
    /// to another worker if this one is shutting down.
    #[error("cancelled")]
    Cancelled,
    /// Stopped between two steps so that others get their turn; goes on when its own comes. Does not count as an attempt.
    #[error("let others go first")]
    Yielded,
    /// Not now; run again after this time. Does not count as an attempt.
    #[error("put off for {0:?}")]
    Snooze(Duration),
}

/// What a running job is given.
#[derive(Debug, Clone)]
pub struct JobContext<C> {
    /// The program's own means.
    pub app: C,
    pub job_id: JobId,
    /// Public id of the job.
    pub task_id: Uuid,
    /// 1 the first time.
    pub attempt: i32,
    pub max_attempts: i32,
    /// Workers that died running it.
    pub lost_workers: i32,
    /// Whose it is, among those who take turns.
    pub tenant: String,
    /// Set when the job has to stop: cancelled, timed out, lost to another worker, or the worker's
    /// patience at shutdown is over.
    pub cancel: CancellationFlag,
    /// Fires as soon as the worker is told to end. A job of many steps stops between two of them and
    /// returns [`JobError::Cancelled`]; a short one finishes.
    pub shutdown: CancellationToken,
}

impl<C> JobContext<C> {
    /// Whether a job that takes long should return [`JobError::Yielded`]: a tenant with fewer running jobs waits for a worker.
    pub async fn should_yield(&self, connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<bool> {
        claimer::others_wait(connection, &self.tenant, now).await
    }
}

/// Asks a job to stop. Clones are one flag.
#[derive(Debug, Clone, Default)]
pub struct CancellationFlag {
    flag: Arc<AtomicBool>,
    token: CancellationToken,
}

impl CancellationFlag {
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// For code that knows nothing of jobs and looks at it now and then.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// Waits until the job has to stop.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Asks the job to stop.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.token.cancel();
    }
}
