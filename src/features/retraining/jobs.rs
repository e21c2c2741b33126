//! The background jobs of a run: the one that carries it out, and the one that judges its model.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::RetrainingError;
use super::gate;
use super::runner::{self, Progress};
use crate::features::tuning::TuningError;
use crate::platform::queue::{Job, JobContext, JobError};
use crate::platform::services::Services;

/// How soon to look again at the training or the search that a run waits for.
const PAUSE: Duration = Duration::from_secs(3);

/// Carries out one run. It has others do the work, so it never keeps a worker busy: between two looks it is put off.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Retrain {
    pub retraining_run_id: i64,
}

impl Job for Retrain {
    const KIND: &'static str = "retraining.run";
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

/// Finds the figures of the quality gate: the configurations of the new and of the deployed model are fitted and judged. The
/// run waits for them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JudgeRun {
    pub retraining_run_id: i64,
    pub deployed_model_id: i64,
}

impl Job for JudgeRun {
    const KIND: &'static str = "retraining.judge";
    const MAX_ATTEMPTS: i32 = 3;
    const TIMEOUT: Duration = Duration::from_secs(24 * 3_600);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        gate::judge(&context, &self).await
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
