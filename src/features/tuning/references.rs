//! Checks of the objects that the body of a new job refers to.

use serde_json::Value;

use super::model::TuningFields;
use super::service::Algorithms;
use super::split_cache::NO_FEATURES;
use crate::features::accounts::{Principal, Role};
use crate::features::datasets::TrainingData;
use crate::features::evaluation;
use crate::features::item_metadata::{self, Subject};
use crate::features::projects::Project;
use crate::ml::registry;
use crate::platform::db::Connection;
use crate::platform::http::{ApiResult, FieldReader};

const SESSIONS_ARE_NOT_SEARCHED: &str = "VMISKNNRecommender learns from sessions, which a search cannot evaluate. Create a \
     configuration of it and train that; \"recotem evaluate\" measures it on the command line.";

/// Checks the references of a new job: the data must be searchable, the caller must be allowed to use the configs, and the split
/// must be possible on the data. Faults are added to `fields`.
pub async fn check(
    principal: &Principal,
    connection: &mut Connection,
    fields: &mut FieldReader,
    job: &TuningFields,
) -> ApiResult<()> {
    let project = data_project(principal, connection, fields, job.data_id).await?;
    let split =
        fields.refer("split", evaluation::split_for(connection, principal, "split", job.split_id, project.as_ref())).await?;
    fields
        .refer("evaluation", evaluation::evaluation_for(connection, principal, "evaluation", job.evaluation_id, project.as_ref()))
        .await?;
    if let (Some(project), Some(split)) = (project, split) {
        if let Err(error) = split.to_engine().validate(project.fields.time_column.is_some()) {
            fields.fault("split", error.to_string());
        }
        if split.fields.scheme.holds_out_items() {
            check_new_items(connection, fields, job, project.id).await?;
        }
    }
    let asked = job.tried_algorithms_json.as_ref().and_then(Value::as_array);
    if asked.into_iter().flatten().filter_map(Value::as_str).any(registry::learns_from_sessions) {
        fields.fault("tried_algorithms_json", SESSIONS_ARE_NOT_SEARCHED);
    }
    Ok(())
}

/// Checks a job on a split that holds out items: it needs features of items, and algorithms that can use them.
async fn check_new_items(
    connection: &mut Connection,
    fields: &mut FieldReader,
    job: &TuningFields,
    project: i64,
) -> ApiResult<()> {
    if item_metadata::newest(connection, project, Subject::Item).await?.is_none() {
        fields.fault("split", NO_FEATURES);
    }
    let algorithms = Algorithms::of(job.tried_algorithms_json.as_ref()).suited(true);
    if algorithms.names.is_empty() {
        let unable = algorithms.unable.join(", ");
        let fault = format!(
            "{unable} cannot recommend new items, which this split holds out. Add an algorithm that can, such as \
                             IALSRecommender."
        );
        fields.fault("tried_algorithms_json", fault);
    }
    Ok(())
}

/// Returns the project of the data, if the data is searchable.
async fn data_project(
    principal: &Principal,
    connection: &mut Connection,
    fields: &mut FieldReader,
    data: i64,
) -> ApiResult<Option<Project>> {
    let data = fields.refer("data", principal.load_referred::<TrainingData>(connection, "data", data, Role::Editor)).await?;
    let Some(data) = data else { return Ok(None) };
    if let Some(problem) = data.problem() {
        fields.fault("data", problem);
    }
    fields.refer("data", principal.load_referred(connection, "data", data.project_id, Role::Editor)).await
}
