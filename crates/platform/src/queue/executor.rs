//! One job, from its claim to its recorded result.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::backoff;
use super::finisher::{Outcome, finish};
use super::job::{JobContext, JobError};
use super::model::ClaimedJob;
use super::registry::Handler;
use super::running::{Entry, Running};
use crate::clock::Clock;
use crate::db::Database;

/// Interval at which the clock is compared with the deadline.
const LONGEST_TICK: Duration = Duration::from_secs(1);
/// Time that a timed-out job gets to end itself before it is dropped.
const TIME_TO_END: Duration = Duration::from_secs(5);
/// A result that cannot be written is tried again this often, with this pause: about four minutes, after which the job is left to
/// the rescuer.
const WRITES: u32 = 250;
const WRITE_PAUSE: Duration = Duration::from_secs(1);

/// State shared by all jobs of a worker.
pub(super) struct Executor<C> {
    pub db: Database,
    pub clock: Clock,
    pub context: C,
    pub owner: String,
    pub tick: Duration,
    pub running: Running,
    /// Fires at shutdown: no new jobs.
    pub shutdown: CancellationToken,
    /// Fires when running jobs must be dropped and handed back.
    pub abandon: CancellationToken,
}

/// The end of an attempt.
enum End {
    Returned(Result<(), JobError>),
    Panicked(String),
    TimedOut,
    Abandoned,
}

impl<C: Clone + Send + Sync + 'static> Executor<C> {
    /// Runs the job and records its outcome.
    pub async fn execute(&self, job: ClaimedJob, handler: Arc<Handler<C>>) {
        let entry = self.running.add(job.id);
        if job.cancel_requested {
            entry.request_cancel();
        }
        let task = tokio::spawn((handler.run)(job.payload.clone(), self.context_of(&job, &entry)));
        let end = self.watch(task, &job, &entry).await;
        let outcome = self.outcome(end, &job, &entry);
        // This worker may take its own lost job over as any other: what became of it meanwhile must not be overwritten.
        if entry.is_lost() {
            tracing::warn!(job = job.id, "its result is ignored: its lease was lost");
        } else {
            if let Outcome::Failed { reason } = &outcome {
                self.bury(&job, &handler, reason).await;
            }
            self.record(&job, &outcome).await;
        }
        self.running.remove(job.id, &entry);
    }

    /// Records a job as failed for good, after its owner was notified.
    pub async fn fail(&self, job: &ClaimedJob, handler: &Handler<C>, reason: String) {
        self.bury(job, handler, &reason).await;
        self.record(job, &Outcome::Failed { reason }).await;
    }

    fn context_of(&self, job: &ClaimedJob, entry: &Entry) -> JobContext<C> {
        JobContext {
            app: self.context.clone(),
            job_id: job.id,
            task_id: job.task_id,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            lost_workers: job.lost_workers,
            turn: job.turn(),
            cancel: entry.cancel.clone(),
            shutdown: self.shutdown.clone(),
        }
    }

    /// Waits for the job's end, its deadline, or the order to abandon it.
    async fn watch(&self, task: JoinHandle<Result<(), JobError>>, job: &ClaimedJob, entry: &Entry) -> End {
        let mut task = DropAborts(task);
        let deadline = self.deadline(job);
        loop {
            tokio::select! {
                returned = &mut task.0 => return End::of(returned),
                () = self.abandon.cancelled() => return End::Abandoned,
                () = tokio::time::sleep(self.tick.min(LONGEST_TICK)) => {}
            }
            if self.clock.now() >= deadline {
                entry.cancel.cancel();
                let ended = tokio::time::timeout(TIME_TO_END, &mut task.0).await;
                return match ended.map(End::of) {
                    Ok(End::Returned(Ok(()))) => End::Returned(Ok(())),
                    _ => End::TimedOut,
                };
            }
        }
    }

    fn deadline(&self, job: &ClaimedJob) -> DateTime<Utc> {
        TimeDelta::try_seconds(job.timeout_seconds)
            .and_then(|time| self.clock.now().checked_add_signed(time))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    fn outcome(&self, end: End, job: &ClaimedJob, entry: &Entry) -> Outcome {
        let stopped = self.shutdown.is_cancelled();
        match end {
            End::Returned(Ok(())) => Outcome::Completed,
            _ if entry.cancel_was_requested() => Outcome::Cancelled,
            End::Abandoned => Outcome::HandedBack,
            End::Returned(Err(JobError::Cancelled)) if stopped => Outcome::HandedBack,
            End::Returned(Err(JobError::Yielded)) => Outcome::HandedBack,
            End::Returned(Err(JobError::Cancelled)) => Outcome::Cancelled,
            End::Returned(Err(JobError::Snooze(time))) => Outcome::Snoozed { until: self.after_time(time) },
            End::Returned(Err(JobError::WaitFor { group, at_most })) => {
                Outcome::WaitsFor { group, until: self.after_time(at_most) }
            }
            End::Returned(Err(JobError::Fail { reason })) => Outcome::Failed { reason },
            End::Returned(Err(JobError::Retry { reason })) => self.retry(job, reason),
            End::Panicked(message) => self.retry(job, format!("It crashed: {message}")),
            End::TimedOut => Outcome::Failed { reason: format!("It took longer than {} s.", job.timeout_seconds) },
        }
    }

    fn retry(&self, job: &ClaimedJob, reason: String) -> Outcome {
        if job.own_attempts() >= job.max_attempts {
            return Outcome::Failed { reason };
        }
        tracing::info!(job = job.id, kind = job.kind, attempt = job.attempt, reason, "will be tried again");
        let at = self.after(backoff::pause(job.id, job.own_attempts()));
        Outcome::Retry { reason, at }
    }

    fn after_time(&self, time: Duration) -> DateTime<Utc> {
        self.after(TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX))
    }

    fn after(&self, time: TimeDelta) -> DateTime<Utc> {
        self.clock.now().checked_add_signed(time).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Notifies the owner of the job before the job is marked: if the worker dies in between, the owner is notified again.
    async fn bury(&self, job: &ClaimedJob, handler: &Handler<C>, reason: &str) {
        tracing::warn!(job = job.id, kind = job.kind, reason, "failed for good");
        let told = (handler.failed)(job.payload.clone(), self.context.clone(), job.id, reason.to_owned());
        if tokio::spawn(told).await.is_err() {
            tracing::error!(job = job.id, kind = job.kind, "notifying the owner of a failed job crashed");
        }
    }

    async fn record(&self, job: &ClaimedJob, outcome: &Outcome) {
        for _ in 0..WRITES {
            match self.try_record(job, outcome).await {
                Ok(true) => return,
                Ok(false) => {
                    tracing::warn!(job = job.id, "its result is ignored: another worker has it now");
                    return;
                }
                Err(error) => tracing::warn!(job = job.id, %error, "its result cannot be recorded yet"),
            }
            tokio::time::sleep(WRITE_PAUSE).await;
        }
        tracing::error!(job = job.id, "its result could not be recorded; it will be rescued");
    }

    async fn try_record(&self, job: &ClaimedJob, outcome: &Outcome) -> anyhow::Result<bool> {
        let mut connection = self.db.conn().await?;
        Ok(finish(&mut connection, &self.owner, job, outcome, self.clock.now()).await?)
    }
}

impl End {
    fn of(returned: Result<Result<(), JobError>, JoinError>) -> Self {
        match returned {
            Ok(result) => Self::Returned(result),
            Err(error) if error.is_panic() => Self::Panicked(panic_message(error)),
            Err(_) => Self::Abandoned,
        }
    }
}

fn panic_message(error: JoinError) -> String {
    let payload = error.into_panic();
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// Aborts the task on drop: a dropped handle would leave it running on its own.
struct DropAborts(JoinHandle<Result<(), JobError>>);

impl Drop for DropAborts {
    fn drop(&mut self) {
        self.0.abort();
    }
}
