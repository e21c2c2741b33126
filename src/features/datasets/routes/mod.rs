//! `/training_data/`, and the parts that other uploads share with it.

mod files;
mod parts;
mod upload;

use actix_multipart::Multipart;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use super::combined::Source;
use super::model::{Origin, Standing, TrainingData, TrainingDataStatus};
use super::report::DataReport;
use super::{service, store};
use crate::features::accounts::{Access, Editor, Principal, Viewer};
use crate::features::projects::{self, Kind};
use crate::platform::http::{ApiError, ApiResult, Filters, Page, PageRequest, attachment, timestamp};
use crate::platform::resource;
use crate::platform::services::Services;

pub use files::{DataPreview, PreviewRefused, file_removed, preview_of};
pub use parts::{Parts, Sent};
pub use upload::{PartialUpload, Replaced, UploadForm, UploadRequest, project_for_upload};

use self::upload::FileRequest;

#[derive(OpenApi)]
#[openapi(paths(list, create, read, replace, update, delete, preview, download_file, rejected_rows, unlink_file))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    resource!(config, "/training_data/")
        .route("/training_data/{id}/preview/", web::get().to(preview))
        .route("/training_data/{id}/download_file/", web::get().to(download_file))
        .route("/training_data/{id}/rejected_rows/", web::get().to(rejected_rows))
        .route("/training_data/{id}/unlink_file/", web::delete().to(unlink_file));
}

/// Training data in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrainingData)]
pub struct TrainingDataBody {
    id: i64,
    project: i64,
    /// URL of the file; null once it has been removed.
    file: Option<String>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    /// The file name as sent by the client.
    basename: Option<String>,
    filesize: Option<i64>,
    /// Checksum of the file, in hexadecimal.
    sha256: Option<String>,
    status: TrainingDataStatus,
    /// Why the preparation failed.
    error: Option<String>,
    #[schema(value_type = Option<DataReport>)]
    report: Option<Value>,
    download_url: Option<String>,
    /// URL of the rows that could not be imported; null if there are none.
    rejected_rows_url: Option<String>,
    /// The sources of combined data; null for an upload.
    #[schema(value_type = Option<Vec<Source>>)]
    sources: Option<Value>,
    /// The source that it was read from; null for an upload.
    #[schema(value_type = Option<Origin>)]
    origin: Option<Value>,
    /// Whether retraining uses it.
    standing: Standing,
}

impl From<TrainingData> for TrainingDataBody {
    fn from(data: TrainingData) -> Self {
        let address = |action: &str| format!("/api/v1/training_data/{}/{action}/", data.id);
        let download_url = data.storage_key.is_some().then(|| address("download_file"));
        Self {
            id: data.id,
            project: data.project_id,
            file: download_url.clone(),
            ins_datetime: data.ins_datetime,
            rejected_rows_url: data.has_rejected_rows().then(|| address("rejected_rows")),
            download_url,
            basename: data.basename,
            filesize: data.filesize,
            sha256: data.sha256,
            status: data.status,
            error: data.error,
            report: data.report,
            sources: data.sources,
            origin: data.origin,
            standing: data.standing,
        }
    }
}

/// Lists the training data that the caller may see and whose file still exists.
#[utoipa::path(get, path = "/training_data/", tag = "training_data", operation_id = "list_training_data",
    params(("id" = Option<i64>, Query), ("project" = Option<i64>, Query), ("page" = Option<String>, Query),
        ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<TrainingDataBody>)))]
async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<TrainingDataBody>>> {
    let (id, project) = (filters.id("id")?, filters.id("project")?);
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list(&mut connection, &principal, id, project, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(TrainingDataBody::from).collect())?))
}

/// Uploads a file of interactions: CSV, TSV, JSON, JSON lines or Parquet, plain or compressed.
#[utoipa::path(post, path = "/training_data/", tag = "training_data", operation_id = "create_training_data",
    request_body(content = inline(UploadRequest), content_type = "multipart/form-data"),
    responses((status = 201, body = TrainingDataBody), (status = 400, description = "The file cannot be imported"),
        (status = 413, description = "The file is too large"), (status = 415, description = "The body is not multipart/form-data")))]
async fn create(
    principal: Principal,
    services: web::Data<Services>,
    request: HttpRequest,
    body: Multipart,
) -> ApiResult<HttpResponse> {
    let (project, upload) = UploadForm::read(&request, body, &services, &principal, None).await?.finish(true)?;
    let project = project_for_upload(&principal, &services, project.unwrap_or_default()).await?;
    let data = service::add(&services, &project, principal.user.id, upload).await?;
    Ok(HttpResponse::Created().json(TrainingDataBody::from(data)))
}

/// Returns an upload with the report on its content.
#[utoipa::path(get, path = "/training_data/{id}/", tag = "training_data", operation_id = "read_training_data",
    params(("id" = i64, Path)),
    responses((status = 200, body = TrainingDataBody), (status = 404, description = "Not found, or the caller has no access to it")))]
async fn read(access: Access<TrainingData, Viewer>) -> ApiResult<web::Json<TrainingDataBody>> {
    match access.object.storage_key {
        Some(_) => Ok(web::Json(access.object.into())),
        None => Err(ApiError::not_found()),
    }
}

/// Replaces the file of training data; refused while a job uses it.
#[utoipa::path(put, path = "/training_data/{id}/", tag = "training_data", operation_id = "replace_training_data",
    params(("id" = i64, Path)), request_body(content = inline(UploadRequest), content_type = "multipart/form-data"),
    responses((status = 200, body = TrainingDataBody), (status = 400, description = "The file cannot be imported"),
        (status = 409, description = "An active job uses it")))]
async fn replace(
    access: Access<TrainingData, Editor>,
    services: web::Data<Services>,
    request: HttpRequest,
    body: Multipart,
) -> ApiResult<web::Json<TrainingDataBody>> {
    save(access, &services, &request, body, true).await
}

/// Replaces the file of training data, where the part `project` is optional.
#[utoipa::path(patch, path = "/training_data/{id}/", tag = "training_data", operation_id = "update_training_data",
    params(("id" = i64, Path)), request_body(content = inline(FileRequest), content_type = "multipart/form-data"),
    responses((status = 200, body = TrainingDataBody), (status = 400, description = "The file cannot be imported"),
        (status = 409, description = "An active job uses it")))]
async fn update(
    access: Access<TrainingData, Editor>,
    services: web::Data<Services>,
    request: HttpRequest,
    body: Multipart,
) -> ApiResult<web::Json<TrainingDataBody>> {
    save(access, &services, &request, body, false).await
}

async fn save(
    access: Access<TrainingData, Editor>,
    services: &Services,
    request: &HttpRequest,
    body: Multipart,
    project_required: bool,
) -> ApiResult<web::Json<TrainingDataBody>> {
    let data = access.object;
    let replaced = Some(Replaced { project: data.project_id, stored_bytes: data.stored_bytes });
    let form = UploadForm::read(request, body, services, &access.principal, replaced).await?;
    let (project, upload) = form.finish(project_required)?;
    if project.is_some_and(|project| project != data.project_id) {
        return Err(ApiError::field("project", "Training data cannot move to another project. Upload it there."));
    }
    let project = project_for_upload(&access.principal, services, data.project_id).await?;
    Ok(web::Json(service::replace(services, &project, &data, upload).await?.into()))
}

/// Deletes training data; its jobs and models stay. Refused while a job uses it.
#[utoipa::path(delete, path = "/training_data/{id}/", tag = "training_data", operation_id = "delete_training_data",
    params(("id" = i64, Path)), responses((status = 204, description = "Deleted"), (status = 409, description = "An active job uses it")))]
async fn delete(access: Access<TrainingData, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    projects::remove(&services, Kind::TrainingData, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Removes the file but keeps the models trained on it; refused while a job uses it.
#[utoipa::path(delete, path = "/training_data/{id}/unlink_file/", tag = "training_data", operation_id = "delete_training_data_file",
    params(("id" = i64, Path)),
    responses((status = 200, body = TrainingDataBody), (status = 409, description = "An active job uses it")))]
async fn unlink_file(
    access: Access<TrainingData, Editor>,
    services: web::Data<Services>,
) -> ApiResult<web::Json<TrainingDataBody>> {
    Ok(web::Json(service::unlink(&services, access.object.id).await?.into()))
}

/// Returns the first rows of an upload.
#[utoipa::path(get, path = "/training_data/{id}/preview/", tag = "training_data", operation_id = "read_training_data_preview",
    params(("id" = i64, Path), ("n_rows" = Option<i64>, Query)),
    responses((status = 200, body = inline(DataPreview)), (status = 400, description = "n_rows is invalid, or the file cannot be read", body = inline(PreviewRefused))))]
async fn preview(
    access: Access<TrainingData, Viewer>,
    services: web::Data<Services>,
    filters: Filters,
) -> ApiResult<HttpResponse> {
    let data = access.object;
    let counted = data.report.as_ref().and_then(|report| report["rows_total"].as_u64());
    let name = data.basename.unwrap_or_default();
    preview_of(&services, data.project_id, data.storage_key.as_deref(), name, counted, &filters).await
}

/// Returns the original bytes of an upload.
#[utoipa::path(get, path = "/training_data/{id}/download_file/", tag = "training_data", operation_id = "read_training_data_file",
    params(("id" = i64, Path)),
    responses((status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = 404, description = "Not found, no access, or its file was removed")))]
async fn download_file(access: Access<TrainingData, Viewer>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let data = access.object;
    let key = data.storage_key.as_deref().ok_or_else(file_removed)?;
    attachment(&services.blobs, key, data.basename.as_deref().unwrap_or_default()).await
}

/// Returns the rows that could not be imported (the first thousand), with line and reason, as CSV.
#[utoipa::path(get, path = "/training_data/{id}/rejected_rows/", tag = "training_data",
    operation_id = "read_training_data_rejected_rows", params(("id" = i64, Path)),
    responses((status = 200, description = "The rows", content_type = "application/octet-stream"),
        (status = 404, description = "Not found, no access, or no row was rejected")))]
async fn rejected_rows(access: Access<TrainingData, Viewer>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let data = access.object;
    let keys = data.keys().filter(|_| data.has_rejected_rows()).ok_or_else(ApiError::not_found)?;
    attachment(&services.blobs, &keys.rejected(), &format!("rejected-rows-{}.csv", data.id)).await
}
