//! The background job that prepares large uploads.

use std::time::Duration;

use super::deferred;
use super::model::PrepareData;
use crate::platform::queue::{Job, JobContext, JobError};
use crate::platform::services::Services;

impl Job for PrepareData {
    const KIND: &'static str = "prepare_data";
    const MAX_ATTEMPTS: i32 = 3;
    const TIMEOUT: Duration = Duration::from_secs(4 * 3_600);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        Ok(deferred::prepare_later(&context.app, self.training_data_id).await?)
    }

    async fn failed(self, services: Services, _job_id: i64, reason: String) {
        if let Err(error) = deferred::give_up(&services, self.training_data_id, &reason).await {
            tracing::error!(%error, training_data = self.training_data_id, "the end of a preparation could not be recorded");
        }
    }
}
