//! The background job of a search: one task that runs trials until none is left.

use std::time::Duration;

use diesel_async::AsyncConnection;

use super::error::TuningError;
use super::model::{RunSearch, SearchStatus, TuningJob};
use super::{search, service, store};
use crate::features::task_logs;
use crate::platform::memory;
use crate::platform::queue::{Job, JobContext, JobError};
use crate::platform::services::Services;

impl Job for RunSearch {
    const KIND: &'static str = "run_search";
    /// The database may be unavailable at times during a long search; no finished trial is lost.
    const MAX_ATTEMPTS: i32 = 100;
    /// The task itself counts the workers that died of a trial.
    const MAX_LOST_WORKERS: i32 = i32::MAX;
    /// A search has its own time-outs; this one only ends a task that hangs.
    const TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3_600);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        search::run(&self, &context).await.map_err(|stop| match stop {
            search::Stop::HandedBack => JobError::Cancelled,
            search::Stop::Yielded => JobError::Yielded,
            search::Stop::WaitsForMemory => JobError::Snooze(memory::PAUSE),
            search::Stop::Failed(error @ (TuningError::Database(_) | TuningError::Connection(_) | TuningError::Passing(_))) => {
                JobError::Retry { reason: error.to_string() }
            }
            search::Stop::Failed(error) => JobError::Fail { reason: error.to_string() },
        })
    }

    async fn failed(self, services: Services, job_id: i64, reason: String) {
        if let Err(error) = give_up(&services, self.tuning_job_id, job_id, &reason).await {
            tracing::error!(%error, tuning_job = self.tuning_job_id, "the end of a tuning task could not be recorded");
        }
    }
}

/// Gives up this task while others continue; if none is left, and trials are, the whole job fails.
async fn give_up(services: &Services, id: i64, queue_job: i64, reason: &str) -> Result<(), TuningError> {
    let mut connection = services.db.conn().await?;
    let (now, reason) = (services.clock.now(), reason.to_owned());
    connection
        .transaction(async move |connection| -> Result<(), TuningError> {
            // Tasks do this one at a time: of several that fail at once, the last one notices that it is the last.
            let Some(job) = store::lock(connection, id).await?.filter(TuningJob::is_live) else { return Ok(()) };
            store::abandon_trials(connection, id, Some(queue_job), &reason, now).await?;
            store::note_failed_task(connection, id, queue_job).await?;
            let said = format!("A task of this job failed: {reason}");
            task_logs::write(connection, service::line(id, Some(queue_job)), &said).await?;
            let left = (store::trials_of(connection, id).await?.len() as i64) < i64::from(job.fields.n_trials);
            if left && !store::has_other_tasks(connection, id).await? {
                store::end(connection, id, SearchStatus::Failed, Some(&reason), now).await?;
                service::tell_end(connection, id).await?;
            }
            Ok(store::announce(connection, id).await?)
        })
        .await?;
    drop(connection);
    service::finish_if_done(services, id, Some(queue_job), false).await
}
