//! What others are told of uploads.

use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::model::TrainingDataStatus;
use super::store;
use crate::features::projects::{self, Topic};
use crate::platform::db::QueryError;

/// Records that an upload is ready or cannot be used. What was combined for a run of a schedule, or read by a run of a source, is a
/// part of that run.
pub async fn tell_end(connection: &mut AsyncPgConnection, id: i64) -> Result<(), QueryError> {
    let Some(data) = store::find(connection, id).await?.filter(|data| data.sources.is_none() && data.origin.is_none()) else {
        return Ok(());
    };
    let topic = match data.status {
        TrainingDataStatus::Ready => Topic::DataReady,
        TrainingDataStatus::Failed => Topic::DataFailed,
        TrainingDataStatus::Preparing => return Ok(()),
    };
    let rows = data.report.as_ref().map(|report| report["rows_kept"].clone());
    let told = json!({ "training_data": id, "name": data.basename, "rows": rows, "error": data.error });
    projects::record(connection, data.project_id, topic, told).await
}
