//! Reading a file as an upload without storing it.

use serde_json::{Value, json};

use super::error::DataError;
use super::preparation;
use super::service::{Upload, in_turn};
use crate::features::projects::Project;
use crate::platform::compute;
use crate::platform::services::Services;

/// Reads a file of interactions as an upload of a project would be, and returns the report on it.
pub async fn report_on(services: &Services, project: &Project, upload: Upload) -> Result<Value, DataError> {
    let largest_expanded = services.settings.max_expanded_bytes;
    let mut options = preparation::options_for(project, upload.received.size, largest_expanded, services.clock.now());
    let (threads, memory) = (compute::threads(&services.settings, 1), services.memory().promise());
    in_turn(services, project.id, move |stop| {
        options.stop = stop.clone();
        let (path, name) = (upload.received.file.path(), upload.name.as_str());
        let prepared = preparation::prepare(path, name, &options, largest_expanded, threads, &memory)?;
        Ok(json!(prepared.report))
    })
    .await
}
