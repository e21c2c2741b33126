//! Reading a file as an upload without storing it.

use serde_json::{Value, json};

use super::model::Subject;
use super::{preparation, service};
use crate::features::datasets::{DataError, Upload, in_turn};
use crate::features::projects::Project;
use crate::platform::services::Services;

/// Reads a file about items or users as an upload of a project would be, and returns the report on it. `id_column` is its column of
/// ids, if that is not the project's.
pub async fn report_on(
    services: &Services,
    (project, subject): (&Project, Subject),
    upload: Upload,
    id_column: Option<String>,
) -> Result<Value, DataError> {
    let id_column = id_column.unwrap_or_else(|| subject.column(&project.fields).to_owned());
    let (blobs, limits, memory) = (services.blobs.clone(), service::limits(services), services.memory().promise());
    in_turn(services, project.id, move |stop| {
        let file = (upload.received.file.path(), upload.name.as_str(), upload.received.size);
        let prepared = preparation::prepare(&blobs, file, (subject, &id_column), &limits, (&memory, stop))?;
        Ok(json!(prepared.report))
    })
    .await
}
