//! The trait of jobs.

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
use super::turn::Turn;

/// A piece of background work: its fields say what to do, its constants how.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// Name in the database; never change it while such jobs wait.
    const KIND: &'static str;
    /// Number of attempts. Attempts whose worker died are counted separately.
    const MAX_ATTEMPTS: i32 = 5;
    /// Number of workers that may die while running it before it is given up: the job itself may be what kills them.
    const MAX_LOST_WORKERS: i32 = 2;
    /// Time limit of one attempt. A job that exceeds it is not tried again: another attempt would take as long.
    const TIMEOUT: Duration = Duration::from_secs(3_600);
    /// Services that the program passes to its jobs.
    type Context: Clone + Send + Sync + 'static;

    /// Does the work, on the async runtime: computations belong on a thread for blocking work.
    fn run(self, context: JobContext<Self::Context>) -> impl Future<Output = Result<(), JobError>> + Send;

    /// Handles a final failure: an error that is not retried, the last attempt failed, timed out, or was lost with its worker.
    /// May be called again if the worker dies in it.
    fn failed(self, context: Self::Context, job_id: JobId, reason: String) -> impl Future<Output = ()> + Send {
        drop((self, context, reason));
        let _ = job_id;
        std::future::ready(())
    }
}

/// Why a job did not complete.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// May succeed later; tried again after a pause while there are attempts left.
    #[error("{reason}")]
    Retry { reason: String },
    /// Will never succeed.
    #[error("{reason}")]
    Fail { reason: String },
    /// Stopped on request of its flag: cancelled for good if a user cancelled it, handed back to another worker if this one is
    /// shutting down.
    #[error("cancelled")]
    Cancelled,
    /// Stopped between two steps to let others take their turn; continues when its own comes. Does not count as an attempt.
    #[error("yielded to other jobs")]
    Yielded,
    /// Not now: to be run again after this time. Does not count as an attempt.
    #[error("snoozed for {0:?}")]
    Snooze(Duration),
    /// Not before the jobs of a group are over: to be run again as soon as no job of it waits or runs, at the latest after this
    /// time. Does not count as an attempt.
    #[error("waits for the jobs of {group:?}")]
    WaitFor { group: String, at_most: Duration },
}

/// The input of a running job.
#[derive(Debug, Clone)]
pub struct JobContext<C> {
    /// The services of the program.
    pub app: C,
    pub job_id: JobId,
    /// Public id of the job.
    pub task_id: Uuid,
    /// Number of the attempt, from 1.
    pub attempt: i32,
    pub max_attempts: i32,
    /// Workers that died running it.
    pub lost_workers: i32,
    /// The turn that the job took.
    pub turn: Turn,
    /// Set when the job has to stop: cancelled, timed out, lost to another worker, or still running at the end of a shutdown.
    pub cancel: CancellationFlag,
    /// Fires as soon as the worker shuts down. A job of many steps stops between two of them and returns [`JobError::Cancelled`];
    /// a short one finishes.
    pub shutdown: CancellationToken,
}

impl<C> JobContext<C> {
    /// Returns whether a long job should return [`JobError::Yielded`]: a tenant with fewer running jobs waits for a worker, or
    /// another organisation of the same tenant with fewer.
    pub async fn should_yield(&self, connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<bool> {
        claimer::others_wait(connection, &self.turn, now).await
    }
}

/// A flag that tells a job to stop. Clones share one flag.
#[derive(Debug, Clone, Default)]
pub struct CancellationFlag {
    flag: Arc<AtomicBool>,
    token: CancellationToken,
}

impl CancellationFlag {
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Returns the flag for code that does not know jobs and checks it regularly.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// Waits until the job has to stop.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Tells the job to stop.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.token.cancel();
    }
}
