//! The background job that carries out a run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::RetrainingError;
use super::runner::{self, Progress};
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
            Err(error @ (RetrainingError::Database(_) | RetrainingError::Connection(_))) => {
                Err(JobError::Retry { reason: error.to_string() })
            }
            Err(error) => Err(JobError::Fail { reason: error.to_string() }),
        }
    }

    async fn failed(self, services: Services, _: i64, reason: String) {
        if let Err(error) = runner::give_up(&services, self.retraining_run_id, &reason).await {
            tracing::error!(%error, run = self.retraining_run_id, "the failure of a retraining could not be recorded");
        }
    }
}
