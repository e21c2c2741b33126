//! The background jobs of sources: one reads a window or snapshot, one counts the last windows again.

use std::time::Duration;

use super::error::SourceError;
use super::model::{PullSource, RecheckWindows};
use super::pulling::{self, Progress};
use super::recheck;
use crate::platform::queue::{Job, JobContext, JobError};
use crate::platform::services::Services;

/// The longest time until a run looks after the job that it waits for, whose end normally wakes it.
const PAUSE: Duration = Duration::from_secs(5);

impl Job for PullSource {
    const KIND: &'static str = "pull_source";
    /// Enough for a source that is restarted or overloaded for some minutes.
    const MAX_ATTEMPTS: i32 = 5;
    /// It streams its rows: if its worker dies, something else is the cause. A window is read again from its beginning.
    const MAX_LOST_WORKERS: i32 = 100;
    const TIMEOUT: Duration = Duration::from_secs(24 * 3_600);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        match pulling::advance(&context.app, self.source_run_id, &context.cancel).await {
            Ok(Progress::Over) => Ok(()),
            Ok(Progress::WaitsFor(group)) => Err(JobError::WaitFor { group, at_most: PAUSE }),
            Err(error) => {
                let is_over = matches!(&error, SourceError::Connector(crate::connectors::ConnectorError::Stopped));
                if !is_over {
                    pulling::note_failure(&context.app, self.source_run_id, &error).await;
                }
                Err(error.of_job())
            }
        }
    }

    async fn failed(self, services: Services, _: i64, reason: String) {
        if let Err(error) = pulling::give_up(&services, self.source_run_id, &reason).await {
            tracing::error!(%error, run = self.source_run_id, "the failure of a source run could not be recorded");
        }
    }
}

impl Job for RecheckWindows {
    const KIND: &'static str = "recheck_windows";
    const MAX_ATTEMPTS: i32 = 3;
    const TIMEOUT: Duration = Duration::from_secs(6 * 3_600);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        recheck::recheck(&context.app, self.data_source_id).await.map_err(SourceError::of_job)
    }

    async fn failed(self, _: Services, _: i64, reason: String) {
        tracing::warn!(data_source = self.data_source_id, reason, "the last windows of a source could not be counted again");
    }
}
