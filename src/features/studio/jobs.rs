//! The background job of a run: it goes through the stages, and waits for the jobs that search and train.

use std::time::Duration;

use super::error::StudioError;
use super::model::RunStudio;
use super::steps::{self, Progress};
use crate::platform::queue::{Job, JobContext, JobError};
use crate::platform::services::Services;

/// The longest time until a run looks after the job that it waits for, whose end normally wakes it.
const PAUSE: Duration = Duration::from_secs(5);

impl Job for RunStudio {
    const KIND: &'static str = "run_studio";
    /// Reading large files may take long; searching and training are other jobs.
    const TIMEOUT: Duration = Duration::from_secs(12 * 3_600);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        loop {
            match steps::advance(&context.app, self.studio_run_id).await.map_err(StudioError::of_job)? {
                Progress::On if context.shutdown.is_cancelled() || context.cancel.is_cancelled() => {
                    return Err(JobError::Cancelled);
                }
                Progress::On => {}
                Progress::WaitsFor(group) => return Err(JobError::WaitFor { group, at_most: PAUSE }),
                Progress::Over => return Ok(()),
            }
        }
    }

    async fn failed(self, services: Services, _: i64, reason: String) {
        if let Err(error) = steps::give_up(&services, self.studio_run_id, &reason).await {
            tracing::error!(%error, run = self.studio_run_id, "the failure of a studio run could not be recorded");
        }
    }
}
