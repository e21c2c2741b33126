//! The background jobs of a run: one executes it, one combines its sources, and one evaluates its model.

use std::time::Duration;

use super::error::RetrainingError;
use super::model::{CombineData, JudgeRun, RunRetraining};
use super::runner::{self, Progress};
use super::{combining, judging};
use crate::features::datasets;
use crate::features::tuning::TuningError;
use crate::platform::queue::{Job, JobContext, JobError};
use crate::platform::services::Services;

/// The time between two checks of the training or search that a run waits for.
const PAUSE: Duration = Duration::from_secs(3);

impl Job for RunRetraining {
    const KIND: &'static str = "run_retraining";
    const TIMEOUT: Duration = Duration::from_secs(300);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        match runner::advance(&context.app, self.retraining_run_id).await {
            Ok(Progress::Over) => Ok(()),
            Ok(Progress::Waiting) => Err(JobError::Snooze(PAUSE)),
            Err(
                error @ (RetrainingError::Database(_)
                | RetrainingError::Connection(_)
                | RetrainingError::Tuning(TuningError::Database(_) | TuningError::Connection(_))),
            ) => Err(JobError::Retry { reason: error.to_string() }),
            Err(error) => Err(JobError::Fail { reason: error.to_string() }),
        }
    }

    async fn failed(self, services: Services, _: i64, reason: String) {
        give_up(&services, self.retraining_run_id, &reason).await;
    }
}

impl Job for CombineData {
    const KIND: &'static str = "combine_data";
    const MAX_ATTEMPTS: i32 = 3;
    const TIMEOUT: Duration = Duration::from_secs(4 * 3_600);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        Ok(combining::combine(&context.app, self.training_data_id).await?)
    }

    async fn failed(self, services: Services, _: i64, reason: String) {
        if let Err(error) = datasets::give_up(&services, self.training_data_id, &reason).await {
            tracing::error!(%error, training_data = self.training_data_id, "the end of a combination could not be recorded");
        }
    }
}

impl Job for JudgeRun {
    const KIND: &'static str = "judge_run";
    const MAX_ATTEMPTS: i32 = 3;
    /// The operator sets the time limit of a comparison; this one only ends a job that hangs.
    const TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3_600);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        judging::judge(&context, &self).await
    }

    async fn failed(self, services: Services, _: i64, reason: String) {
        give_up(&services, self.retraining_run_id, &reason).await;
    }
}

async fn give_up(services: &Services, run: i64, reason: &str) {
    if let Err(error) = runner::give_up(services, run, reason).await {
        tracing::error!(%error, run, "the failure of a retraining could not be recorded");
    }
}
