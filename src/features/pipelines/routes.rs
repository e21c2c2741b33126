//! `/pipeline_run/`.

use std::collections::HashMap;

use actix_web::web;
use utoipa::OpenApi;

use super::model::{PartOfRun, Parts, PipelineRunBody};
use super::store::Key;
use super::{stages, store};
use crate::features::accounts::Principal;
use crate::features::{data_sources, destinations};
use crate::platform::http::{ApiResult, Filters, Page, PageRequest};
use crate::platform::services::Services;

/// The API document of this slice.
#[derive(OpenApi)]
#[openapi(paths(list))]
pub struct Docs;

/// Registers the routes of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/pipeline_run/", web::get().to(list));
}

/// Lists the pipeline runs of the projects that the caller may see, newest first, each with its stages.
#[utoipa::path(get, path = "/pipeline_run/", tag = "pipeline", operation_id = "list_pipeline_run",
    params(("project" = Option<i64>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<PipelineRunBody>), (status = 400, description = "A filter is not a number")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<PipelineRunBody>>> {
    let project = filters.id("project")?;
    let mut connection = services.db.conn().await?;
    let (count, keys) = store::list(&mut connection, &principal, project, &page).await?;
    let runs = store::parts(&mut connection, &keys).await?;
    let ids = |of: fn(&Parts) -> Vec<i64>| runs.iter().flat_map(|(_, parts)| of(parts)).collect::<Vec<i64>>();
    let sources = ids(|parts| parts.sources.iter().map(|run| run.data_source_id).collect());
    let sources = data_sources::names(&mut connection, &sources).await?;
    let targets = ids(|parts| parts.deliveries.iter().map(|delivery| delivery.destination_id).collect());
    let names = Names { sources, destinations: destinations::names(&mut connection, &targets).await? };
    Ok(web::Json(page.wrap(count, runs.into_iter().filter_map(|(key, parts)| to_body(key, parts, &names)).collect())?))
}

/// The names of sources and destinations, by their ids.
struct Names {
    sources: HashMap<i64, String>,
    destinations: HashMap<i64, String>,
}

/// Returns a run in answers; `None` if nothing of it is left.
fn to_body(key: Key, parts: Parts, names: &Names) -> Option<PipelineRunBody> {
    let stages = stages::of(&parts);
    let (first, run) = (parts.sources.first(), parts.retraining.as_ref());
    let project = first.map(|run| run.project_id).or(run.map(|run| run.project_id))?;
    let started_at = first.map(|run| run.ins_datetime).or(run.map(|run| run.ins_datetime))?;
    let cause = first.map(|run| run.cause.wire()).or(run.map(|run| run.cause.wire()))?;
    let is_over = stages.iter().all(|stage| stage.finished_at.is_some());
    Some(PipelineRunBody {
        id: match key {
            Key::Retraining(id) => format!("retraining-{id}"),
            Key::Source(id) => format!("source-{id}"),
        },
        project,
        state: stages::state(&stages),
        cause: cause.to_owned(),
        started_at,
        finished_at: stages.iter().filter_map(|stage| stage.finished_at).max().filter(|_| is_over),
        source_runs: parts.sources.iter().map(|run| source_part(run, names)).collect(),
        retraining_run: run.map(|run| run.id),
        training_data: run.and_then(|run| run.training_data_id).or(first.and_then(|run| run.training_data_id)),
        tuning_job: run.and_then(|run| run.tuning_job_id),
        trained_model: run.and_then(|run| run.trained_model_id),
        deployed_slot: run.and_then(|run| run.deployed_slot_id),
        gate: run.and_then(stages::gate_of),
        deliveries: parts.deliveries.iter().map(|delivery| delivery_part(delivery, names)).collect(),
        stages,
    })
}

fn source_part(run: &data_sources::SourceRun, names: &Names) -> PartOfRun {
    PartOfRun {
        id: run.id,
        of: run.data_source_id,
        name: names.sources.get(&run.data_source_id).cloned().unwrap_or_default(),
        state: stages::state_of_source(run),
        rows: Some(run.rows_read),
    }
}

fn delivery_part(delivery: &destinations::Delivery, names: &Names) -> PartOfRun {
    PartOfRun {
        id: delivery.id,
        of: delivery.destination_id,
        name: names.destinations.get(&delivery.destination_id).cloned().unwrap_or_default(),
        state: stages::state_of_delivery(delivery),
        rows: delivery.row_count,
    }
}
