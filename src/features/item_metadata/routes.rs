//! `/item_meta_data/` and `/user_meta_data/`: the same handlers, each for the uploads about its subject.

use actix_multipart::Multipart;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::PathItem;
use utoipa::{OpenApi, ToSchema};

use super::model::{About, ItemMetaData, Metadata, OfItems, OfUsers, Subject};
use super::preparation::MetaDataReport;
use super::{changes, service, store};
use crate::features::accounts::{Access, Editor, Principal, Viewer};
use crate::features::datasets::{
    DataPreview, Origin, PartialUpload, PreviewRefused, Replaced, Standing, TrainingDataStatus, Upload, UploadForm,
    UploadRequest, file_removed, preview_of, project_for_upload,
};
use crate::features::projects::{self, Kind};
use crate::platform::http::{ApiError, ApiResult, ConflictBody, Filters, Page, PageRequest, attachment, timestamp};
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(list, create, read, replace, update, delete, preview, download_file, unlink_file))]
struct DocsOfItems;

/// The paths of items, and the same of users.
pub struct Docs;

impl OpenApi for Docs {
    fn openapi() -> utoipa::openapi::OpenApi {
        let mut docs = DocsOfItems::openapi();
        let of_users: Vec<(String, PathItem)> =
            docs.paths.paths.iter().map(|(path, item)| (about_users(path), path_about_users(item.clone()))).collect();
        docs.paths.paths.extend(of_users);
        docs.merge_from(changes::Docs::openapi())
    }
}

/// Returns a text about item metadata as one about user metadata.
fn about_users(text: &str) -> String {
    let collections = text.replace(Subject::Item.collection(), Subject::User.collection());
    collections.replace("item metadata", "user metadata").replace("each item", "each user")
}

fn path_about_users(mut path: PathItem) -> PathItem {
    let operations = [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete];
    for operation in operations.into_iter().flatten() {
        operation.tags.iter_mut().flatten().for_each(|tag| *tag = about_users(tag));
        for text in [&mut operation.summary, &mut operation.description, &mut operation.operation_id].into_iter().flatten() {
            *text = about_users(text);
        }
    }
    path
}

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config.configure(routes_of::<OfItems>).configure(routes_of::<OfUsers>).configure(changes::routes);
}

fn routes_of<S: About>(config: &mut web::ServiceConfig) {
    let below = |rest: &str| format!("/{}/{rest}", S::SUBJECT.collection());
    let all = web::resource(below("")).route(web::get().to(list::<S>)).route(web::post().to(create::<S>));
    let one = web::resource(below("{id}/"))
        .route(web::get().to(read::<S>))
        .route(web::put().to(replace::<S>))
        .route(web::patch().to(update::<S>))
        .route(web::delete().to(delete::<S>));
    config
        .service(all)
        .service(one)
        .route(&below("{id}/preview/"), web::get().to(preview::<S>))
        .route(&below("{id}/download_file/"), web::get().to(download_file::<S>))
        .route(&below("{id}/unlink_file/"), web::delete().to(unlink_file::<S>));
}

/// Item metadata, or user metadata, in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ItemMetaData)]
pub struct ItemMetaDataBody {
    id: i64,
    project: i64,
    /// URL of the file; null once it has been removed.
    file: Option<String>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    /// The file name as sent by the client.
    basename: Option<String>,
    filesize: Option<i64>,
    /// All columns except the ids.
    #[schema(value_type = Option<Vec<String>>)]
    valid_columns_list_json: Option<Value>,
    #[schema(value_type = Option<MetaDataReport>)]
    report: Option<Value>,
    download_url: Option<String>,
    /// Whether the file is prepared. Columns and report are those of the last prepared file.
    status: TrainingDataStatus,
    /// Why the preparation failed.
    error: Option<String>,
    /// The source that it was read from; null for an upload.
    #[schema(value_type = Option<Origin>)]
    origin: Option<Value>,
    /// Whether it is used where it is the newest.
    standing: Standing,
}

impl From<ItemMetaData> for ItemMetaDataBody {
    fn from(metadata: ItemMetaData) -> Self {
        let collection = metadata.subject.collection();
        let url = metadata.storage_key.is_some().then(|| format!("/api/v1/{collection}/{}/download_file/", metadata.id));
        Self {
            id: metadata.id,
            project: metadata.project_id,
            file: url.clone(),
            valid_columns_list_json: metadata.valid_columns_list_json,
            ins_datetime: metadata.ins_datetime,
            basename: metadata.basename,
            filesize: metadata.filesize,
            report: metadata.report,
            download_url: url,
            status: metadata.status,
            error: metadata.error,
            origin: metadata.origin,
            standing: metadata.standing,
        }
    }
}

/// Lists the item metadata that the caller may see and whose file still exists.
#[utoipa::path(get, path = "/item_meta_data/", tag = "item_meta_data", operation_id = "list_item_meta_data",
    params(("id" = Option<i64>, Query), ("project" = Option<i64>, Query), ("page" = Option<String>, Query),
        ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<ItemMetaDataBody>), (status = 400, description = "A filter is not a number"),
        (status = 404, description = "There is no such page")))]
async fn list<S: About>(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<ItemMetaDataBody>>> {
    let (id, project) = (filters.id("id")?, filters.id("project")?);
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list(&mut connection, (&principal, S::SUBJECT), id, project, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(ItemMetaDataBody::from).collect())?))
}

/// Uploads a file with one row for each item: CSV, TSV, JSON, JSON lines or Parquet, plain or compressed.
#[utoipa::path(post, path = "/item_meta_data/", tag = "item_meta_data", operation_id = "create_item_meta_data",
    request_body(content = inline(UploadRequest), content_type = "multipart/form-data"),
    responses((status = 201, body = ItemMetaDataBody), (status = 400, description = "The file cannot be imported"),
        (status = 413, description = "The file is too large"), (status = 415, description = "The body is not multipart/form-data")))]
async fn create<S: About>(
    principal: Principal,
    services: web::Data<Services>,
    request: HttpRequest,
    body: Multipart,
) -> ApiResult<HttpResponse> {
    let (project, upload) = UploadForm::read(&request, body, &services, &principal, None).await?.finish(true)?;
    let project = project_for_upload(&principal, &services, project.unwrap_or_default()).await?;
    let metadata = service::add(&services, (&project, S::SUBJECT), principal.user.id, upload).await?;
    Ok(HttpResponse::Created().json(ItemMetaDataBody::from(metadata)))
}

/// Returns an upload with the report on its content.
#[utoipa::path(get, path = "/item_meta_data/{id}/", tag = "item_meta_data", operation_id = "read_item_meta_data",
    params(("id" = i64, Path)),
    responses((status = 200, body = ItemMetaDataBody), (status = 404, description = "Not found, or the caller has no access to it")))]
async fn read<S: About>(access: Access<Metadata<S>, Viewer>) -> ApiResult<web::Json<ItemMetaDataBody>> {
    let metadata = access.object.row;
    match metadata.storage_key {
        Some(_) => Ok(web::Json(metadata.into())),
        None => Err(ApiError::not_found()),
    }
}

/// Replaces the file of item metadata.
#[utoipa::path(put, path = "/item_meta_data/{id}/", tag = "item_meta_data", operation_id = "replace_item_meta_data",
    params(("id" = i64, Path)), request_body(content = inline(UploadRequest), content_type = "multipart/form-data"),
    responses((status = 200, body = ItemMetaDataBody), (status = 400, description = "The file cannot be imported"),
        (status = 404, description = "Not found, or the caller has no access to it"), (status = 413, description = "The file is too large"),
        (status = 415, description = "The body is not multipart/form-data")))]
async fn replace<S: About>(
    access: Access<Metadata<S>, Editor>,
    services: web::Data<Services>,
    request: HttpRequest,
    body: Multipart,
) -> ApiResult<web::Json<ItemMetaDataBody>> {
    let form = UploadForm::read(&request, body, &services, &access.principal, replaced(&access.object.row)).await?;
    let (project, upload) = form.finish(true)?;
    save(access, &services, project, Some(upload)).await
}

/// Replaces the file of item metadata, where each part is optional.
#[utoipa::path(patch, path = "/item_meta_data/{id}/", tag = "item_meta_data", operation_id = "update_item_meta_data",
    params(("id" = i64, Path)), request_body(content = inline(PartialUpload), content_type = "multipart/form-data"),
    responses((status = 200, body = ItemMetaDataBody), (status = 400, description = "The file cannot be imported"),
        (status = 404, description = "Not found, or the caller has no access to it"), (status = 413, description = "The file is too large"),
        (status = 415, description = "The body is not multipart/form-data")))]
async fn update<S: About>(
    access: Access<Metadata<S>, Editor>,
    services: web::Data<Services>,
    request: HttpRequest,
    body: Multipart,
) -> ApiResult<web::Json<ItemMetaDataBody>> {
    let form = UploadForm::read(&request, body, &services, &access.principal, replaced(&access.object.row)).await?;
    let (project, upload) = form.finish_partial()?;
    save(access, &services, project, upload).await
}

fn replaced(metadata: &ItemMetaData) -> Option<Replaced> {
    Some(Replaced { project: metadata.project_id, stored_bytes: metadata.stored_bytes })
}

async fn save<S: About>(
    access: Access<Metadata<S>, Editor>,
    services: &Services,
    project: Option<i64>,
    upload: Option<Upload>,
) -> ApiResult<web::Json<ItemMetaDataBody>> {
    let metadata = access.object.row;
    if project.is_some_and(|project| project != metadata.project_id) {
        let name = match S::SUBJECT {
            Subject::Item => "Item",
            Subject::User => "User",
        };
        return Err(ApiError::field("project", format!("{name} metadata cannot move to another project. Upload it there.")));
    }
    let Some(upload) = upload else { return Ok(web::Json(metadata.into())) };
    let project = project_for_upload(&access.principal, services, metadata.project_id).await?;
    Ok(web::Json(service::replace(services, (&project, S::SUBJECT), metadata.id, upload).await?.into()))
}

/// Deletes item metadata with its file.
#[utoipa::path(delete, path = "/item_meta_data/{id}/", tag = "item_meta_data", operation_id = "delete_item_meta_data",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "An active object depends on it", body = ConflictBody)))]
async fn delete<S: About>(access: Access<Metadata<S>, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    projects::remove(&services, Kind::ItemMetaData, access.object.row.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Returns the first rows of an upload.
#[utoipa::path(get, path = "/item_meta_data/{id}/preview/", tag = "item_meta_data", operation_id = "read_item_meta_data_preview",
    params(("id" = i64, Path), ("n_rows" = Option<i64>, Query)),
    responses((status = 200, body = inline(DataPreview)), (status = 400, description = "n_rows is invalid, or the file cannot be read", body = inline(PreviewRefused)),
        (status = 404, description = "Not found, no access, or its file was removed")))]
async fn preview<S: About>(
    access: Access<Metadata<S>, Viewer>,
    services: web::Data<Services>,
    filters: Filters,
) -> ApiResult<HttpResponse> {
    let metadata = access.object.row;
    let counted = metadata.report.as_ref().and_then(|report| report["rows_total"].as_u64());
    let name = metadata.basename.unwrap_or_default();
    preview_of(&services, metadata.project_id, metadata.storage_key.as_deref(), name, counted, &filters).await
}

/// Returns the original bytes of an upload.
#[utoipa::path(get, path = "/item_meta_data/{id}/download_file/", tag = "item_meta_data", operation_id = "read_item_meta_data_file",
    params(("id" = i64, Path)),
    responses((status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = 404, description = "Not found, no access, or its file was removed")))]
async fn download_file<S: About>(access: Access<Metadata<S>, Viewer>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    let metadata = access.object.row;
    let key = metadata.storage_key.as_deref().ok_or_else(file_removed)?;
    attachment(&services.blobs, key, metadata.basename.as_deref().unwrap_or_default()).await
}

/// Removes the file but keeps the row.
#[utoipa::path(delete, path = "/item_meta_data/{id}/unlink_file/", tag = "item_meta_data", operation_id = "delete_item_meta_data_file",
    params(("id" = i64, Path)),
    responses((status = 200, body = ItemMetaDataBody), (status = 404, description = "Not found, or the caller has no access to it")))]
async fn unlink_file<S: About>(
    access: Access<Metadata<S>, Editor>,
    services: web::Data<Services>,
) -> ApiResult<web::Json<ItemMetaDataBody>> {
    Ok(web::Json(service::unlink(&services, access.object.row.id).await?.into()))
}
