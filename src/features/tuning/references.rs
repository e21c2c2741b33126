//! Checks of the objects that the body of a new job refers to.

use serde_json::Value;

use super::model::TuningFields;
use crate::features::accounts::{Principal, Role};
use crate::features::datasets::TrainingData;
use crate::features::evaluation;
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
    if let (Some(project), Some(split)) = (project, split)
        && let Err(error) = split.to_engine().validate(project.fields.time_column.is_some())
    {
        fields.fault("split", error.to_string());
    }
    let asked = job.tried_algorithms_json.as_ref().and_then(Value::as_array);
    if asked.into_iter().flatten().filter_map(Value::as_str).any(registry::learns_from_sessions) {
        fields.fault("tried_algorithms_json", SESSIONS_ARE_NOT_SEARCHED);
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
