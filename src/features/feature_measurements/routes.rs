//! `/feature_measurements/`.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use super::model::{FeatureMeasurement, MeasurementFields, MeasurementResult, MeasurementStatus, NewMeasurement};
use super::{service, store};
use crate::features::accounts::{Access, Editor, Principal, Role, Viewer};
use crate::features::datasets::TrainingData;
use crate::features::feature_sets::FeatureSet;
use crate::platform::db::Connection;
use crate::platform::http::{ApiResult, Body, FieldReader, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(list, create, read, delete))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/feature_measurements/").route(web::get().to(list)).route(web::post().to(create)))
        .service(web::resource("/feature_measurements/{id}/").route(web::get().to(read)).route(web::delete().to(delete)));
}

/// A measurement in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FeatureMeasurement)]
pub struct MeasurementBody {
    id: i64,
    project: i64,
    feature_set: i64,
    /// The training data.
    data: i64,
    algorithm: String,
    status: MeasurementStatus,
    /// Null before it runs.
    progress: Option<MeasurementProgress>,
    /// Why it failed.
    error: Option<String>,
    /// What each field is worth; null unless it is completed.
    #[schema(value_type = Option<MeasurementResult>)]
    result: Option<Value>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    end_datetime: Option<DateTime<Utc>>,
}

/// The steps of a measurement.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasurementProgress {
    done: i64,
    total: i64,
}

impl From<FeatureMeasurement> for MeasurementBody {
    fn from(measurement: FeatureMeasurement) -> Self {
        Self {
            id: measurement.id,
            project: measurement.project_id,
            feature_set: measurement.feature_set_id,
            data: measurement.data_id,
            algorithm: measurement.algorithm,
            status: measurement.status,
            progress: measurement.total.map(|total| MeasurementProgress { done: measurement.done, total }),
            error: measurement.error,
            result: measurement.result,
            ins_datetime: measurement.ins_datetime,
            end_datetime: measurement.end_datetime,
        }
    }
}

/// Lists the measurements that the caller may see, newest first.
#[utoipa::path(get, path = "/feature_measurements/", tag = "feature_measurements", operation_id = "list_feature_measurements",
    params(("project" = Option<i64>, Query), ("feature_set" = Option<i64>, Query), ("page" = Option<String>, Query),
        ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<MeasurementBody>), (status = 400, description = "A filter is not a number"),
        (status = 404, description = "There is no such page")))]
async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<MeasurementBody>>> {
    let (project, feature_set) = (filters.id("project")?, filters.id("feature_set")?);
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list(&mut connection, &principal, project, feature_set, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(MeasurementBody::from).collect())?))
}

type MeasurementRequest = RequestOf<MeasurementFields>;

/// Measures what the fields of a feature set are worth. Returns at once; the measurement continues in the background.
#[utoipa::path(post, path = "/feature_measurements/", tag = "feature_measurements", operation_id = "create_feature_measurements",
    request_body = inline(MeasurementRequest),
    responses((status = 201, body = MeasurementBody), (status = 400, description = "A field is invalid")))]
async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let wanted = MeasurementFields::read(&mut fields, Write::Create);
    let mut connection = services.db.conn().await?;
    let data = check_references(&principal, &mut connection, &mut fields, &wanted).await?;
    let measurable = service::measurable(&wanted.algorithm);
    if let Err(refusal) = &measurable
        && !fields.is_faulty("algorithm")
    {
        fields.fault("algorithm", refusal);
    }
    fields.finish()?;
    let measurement = NewMeasurement {
        project_id: data.map(|data| data.project_id).unwrap_or_default(),
        feature_set_id: wanted.feature_set,
        data_id: wanted.data,
        created_by: principal.user.id,
        algorithm: measurable.unwrap_or_default().to_owned(),
    };
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let measurement = service::create(&mut connection, measurement, most_waiting).await?;
    Ok(HttpResponse::Created().json(MeasurementBody::from(measurement)))
}

/// Checks that the set can be measured on the data, and returns the data. Faults are added to `fields`.
async fn check_references(
    principal: &Principal,
    connection: &mut Connection,
    fields: &mut FieldReader,
    wanted: &MeasurementFields,
) -> ApiResult<Option<TrainingData>> {
    let set = principal.load_referred(connection, "feature_set", wanted.feature_set, Role::Editor);
    let set: Option<FeatureSet> = fields.refer("feature_set", set).await?;
    let data = principal.load_referred(connection, "data", wanted.data, Role::Editor);
    let data: Option<TrainingData> = fields.refer("data", data).await?;
    let (Some(set), Some(data)) = (set, data) else { return Ok(None) };
    if set.project_id != data.project_id {
        fields.fault("feature_set", "The feature set and the data must belong to the same project.");
    }
    // Data in preparation is accepted: the measurement waits for it.
    if let Some(problem) = data.problem().filter(|_| !data.is_coming()) {
        fields.fault("data", problem);
    }
    Ok(Some(data))
}

/// Returns a measurement.
#[utoipa::path(get, path = "/feature_measurements/{id}/", tag = "feature_measurements", operation_id = "read_feature_measurements",
    params(("id" = i64, Path)),
    responses((status = 200, body = MeasurementBody), (status = 404, description = "Not found, or the caller has no access to it")))]
async fn read(access: Access<FeatureMeasurement, Viewer>) -> web::Json<MeasurementBody> {
    web::Json(access.object.into())
}

/// Deletes a measurement; one that waits or runs is cancelled.
#[utoipa::path(delete, path = "/feature_measurements/{id}/", tag = "feature_measurements", operation_id = "delete_feature_measurements",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it")))]
async fn delete(access: Access<FeatureMeasurement, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    service::delete(&mut *services.db.conn().await?, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
