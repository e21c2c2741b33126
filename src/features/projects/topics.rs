//! What happens in a project, for the parts of the program and the programs of others that are notified of it.

use diesel_async::AsyncPgConnection;
use serde_json::Value;

use super::store;
use crate::platform::db::QueryError;
use crate::platform::outbox::{self, NewEvent};
use crate::platform::wire_enum;

wire_enum! {
    /// What a notification is about.
    #[schema(as = WebhookTopic)]
    pub enum Topic {
        /// Lists that were answered to an app, up to 500 in one message.
        RecommendationServed = "recommendation.served",
        ModelTrained = "model.trained",
        ModelFailed = "model.failed",
        TuningCompleted = "tuning.completed",
        TuningFailed = "tuning.failed",
        /// A slot was created, changed or deleted, or gave its place to another model.
        SlotChanged = "slot.changed",
        /// A running test can tell its slots apart for the first time.
        AbTestSignificant = "ab_test.significant",
        AbTestEnded = "ab_test.ended",
        RetrainingCompleted = "retraining.completed",
        RetrainingSkipped = "retraining.skipped",
        /// The new model is worse than the deployed one.
        RetrainingRefusedByGate = "retraining.refused_by_gate",
        DataReady = "data.ready",
        DataFailed = "data.failed",
        /// Sent on request, to one endpoint.
        WebhookTest = "webhook.test",
        /// An endpoint was switched off because its deliveries fail.
        WebhookDisabled = "webhook.disabled",
        StudioReady = "studio.ready",
        StudioFailed = "studio.failed",
        /// A run of a source brought rows, or found that there are none.
        SourceSucceeded = "source.succeeded",
        /// A run of a source breaks a guard: what it brought waits for a user to accept it.
        SourceHeld = "source.held",
        SourceFailed = "source.failed",
    }
}

/// Records what happened in a project, in the caller's transaction. `data` are ids, names and figures: no secrets, and no rows of
/// users. The id of the project is added.
pub async fn record(
    connection: &mut AsyncPgConnection,
    project_id: i64,
    topic: Topic,
    mut data: Value,
) -> Result<(), QueryError> {
    if let Some(fields) = data.as_object_mut() {
        fields.insert("project".to_owned(), project_id.into());
    }
    let organisation_id = store::organisation_of(connection, project_id).await?;
    let event = NewEvent { topic: topic.wire().to_owned(), organisation_id, project_id: Some(project_id), payload: data };
    outbox::record(connection, &event).await
}
