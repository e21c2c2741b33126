//! The background job that merges changes.

use std::time::Duration;

use super::merging;
use super::model::MergeItemChanges;
use crate::platform::queue::{Job, JobContext, JobError};
use crate::platform::services::Services;

impl Job for MergeItemChanges {
    const KIND: &'static str = "merge_item_changes";
    const MAX_ATTEMPTS: i32 = 5;
    const TIMEOUT: Duration = Duration::from_secs(3_600);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        merging::merge(&context.app, self.project_id, context.job_id, &context.shutdown).await
    }

    async fn failed(self, _: Services, _job_id: i64, reason: String) {
        // They wait on, and the next change enqueues another job.
        tracing::error!(project = self.project_id, reason, "changed rows could not be merged into the item metadata");
    }
}
