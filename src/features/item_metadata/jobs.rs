//! The background job that prepares large uploads of item metadata.

use std::time::Duration;

use super::model::PrepareItemMetadata;
use super::service;
use crate::platform::queue::{Job, JobContext, JobError};
use crate::platform::services::Services;

impl Job for PrepareItemMetadata {
    const KIND: &'static str = "prepare_item_metadata";
    const MAX_ATTEMPTS: i32 = 3;
    const TIMEOUT: Duration = Duration::from_secs(4 * 3_600);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        Ok(service::prepare_later(&context.app, self.item_meta_data_id).await?)
    }

    async fn failed(self, services: Services, _job_id: i64, reason: String) {
        if let Err(error) = service::give_up(&services, self.item_meta_data_id, &reason).await {
            tracing::error!(%error, item_meta_data = self.item_meta_data_id, "the end of a preparation could not be recorded");
        }
    }
}
