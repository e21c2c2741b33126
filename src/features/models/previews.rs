//! Lists for users who inspect a model: the recommendation actions of `/trained_model/{id}/`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::cache::{Items, ModelCache};
use super::described;
use super::model::TrainedModel;
use super::recommend::{self, LARGEST_CUTOFF, Previewed, Sample, Scored};
use crate::features::accounts::{Access, Role, Viewer};
use crate::features::datasets::{DataError, PREVIEWS, ask_for};
use crate::features::item_metadata::{self, ItemMetaData, LARGEST_METADATA, Metadata, OfItems, Rows, Subject};
use crate::features::projects::{self, Project};
use crate::platform::http::body::{Integer, Texts};
use crate::platform::http::{ApiError, ApiResult, Body, Filters, RequestOf, Write};
use crate::platform::request_fields;
use crate::platform::services::Services;

const DEFAULT_CUTOFF: usize = 10;
const SAMPLE_CUTOFF: usize = 20;

/// How long a preview waits for new items.
const RENEWAL: Duration = Duration::from_secs(5);

/// Memory of a sample with metadata: one row, the texts, and the body, in which each of their quotation marks takes two bytes.
const MEMORY_OF_SAMPLE: u64 = 4 * LARGEST_METADATA as u64;

/// Registers the routes of the actions.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/trained_model/{id}/recommendation/", web::get().to(recommendation))
        .route("/trained_model/{id}/sample_recommendation_raw/", web::get().to(sample_raw))
        .route("/trained_model/{id}/sample_recommendation_metadata/{metadata_id}/", web::get().to(sample_metadata))
        .route("/trained_model/{id}/recommend_using_profile_interaction/", web::post().to(using_profile))
        .route("/trained_model/{id}/similar/", web::get().to(similar));
}

/// A random user with the model's recommendations.
#[derive(Debug, Serialize, ToSchema)]
pub struct RawSample {
    user_id: String,
    /// Items the user has interacted with, at most 1000.
    user_profile: Vec<String>,
    recommendations: Vec<Scored>,
}

/// A random user with the model's recommendations and the metadata of the items.
#[derive(Debug, Serialize, ToSchema)]
pub struct DescribedSample {
    user_id: String,
    /// A JSON text: an array of objects with the item column and the columns of the metadata.
    user_profile: String,
    /// As `user_profile`, with `score`, rounded to two digits.
    recommendations: String,
}

/// The largest number of items of a profile, and of characters of their ids.
const MOST_ITEMS: usize = 10_000;
const LONGEST_ID: usize = 1_024;

request_fields! {
    /// Items that a user interacted with.
    struct Profile {
        item_ids: Vec<String> => Texts { most: MOST_ITEMS, longest: LONGEST_ID },
        cutoff: i32 => Integer(1..=LARGEST_CUTOFF),
    }
}

type ProfileRequest = RequestOf<Profile>;

/// Items, best first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Recommendations {
    recommendations: Vec<Scored>,
}

fn required(filters: &Filters, name: &str) -> ApiResult<String> {
    filters.text(name).ok_or_else(|| ApiError::bad_request(format!("The parameter {name} is required.")))
}

fn cutoff(filters: &Filters) -> ApiResult<usize> {
    let Some(text) = filters.text("cutoff") else { return Ok(DEFAULT_CUTOFF) };
    match text.trim().parse::<i64>() {
        Err(_) => Err(ApiError::bad_request("cutoff must be an integer.")),
        Ok(cutoff) if cutoff > i64::from(LARGEST_CUTOFF) => {
            Err(ApiError::bad_request(format!("cutoff must be <= {LARGEST_CUTOFF}.")))
        }
        Ok(cutoff) => usize::try_from(cutoff)
            .ok()
            .filter(|cutoff| *cutoff >= 1)
            .ok_or_else(|| ApiError::bad_request("cutoff must be >= 1.")),
    }
}

/// Returns a model to preview, with the new items of the project's newest item metadata.
async fn previewed(model: &TrainedModel, services: &Services, cache: &web::Data<ModelCache>) -> ApiResult<Previewed> {
    let mut connection = services.db.conn().await?;
    let tenant = projects::tenant_of_data(&mut connection, model.data_id).await?;
    let project = projects::of_data(&mut connection, model.data_id).await?.id;
    let items = item_metadata::newest(&mut connection, project, Subject::Item).await?.map(Arc::from);
    drop(connection);
    let (turn, items) = (|| PREVIEWS.admit(Some(tenant.party())), Items::Of(items.as_ref()));
    if let Some(renewing) = cache.renew(services, (model, tenant), items, turn) {
        // Without an end in time the preview is of the model in memory.
        let _ = tokio::time::timeout(RENEWAL, renewing).await;
    }
    let model = cache.get(services, (model, tenant), items, turn).await?;
    Ok(Previewed { model, tenant })
}

/// Returns the best items for a user of the training data.
#[utoipa::path(get, path = "/trained_model/{id}/recommendation/", tag = "trained_model", operation_id = "list_trained_model_recommendation",
    params(("id" = i64, Path), ("user_id" = String, Query), ("cutoff" = Option<i64>, Query, description = "1 to 1000; 10 by default")),
    responses((status = 200, body = Vec<Scored>), (status = 404, description = "No such model, or it does not know this user"),
        (status = 409, description = "The model is not trained yet, or its file was removed"), (status = 503, description = "The file is missing or damaged")))]
pub async fn recommendation(
    access: Access<TrainedModel, Viewer>,
    services: web::Data<Services>,
    cache: web::Data<ModelCache>,
    filters: Filters,
) -> ApiResult<web::Json<Vec<Scored>>> {
    let (user, cutoff) = (required(&filters, "user_id")?, cutoff(&filters)?);
    let model = previewed(&access.object, &services, &cache).await?;
    let unknown =
        || ApiError::detail(actix_web::http::StatusCode::NOT_FOUND, format!("The model does not know the user \"{user}\"."));
    Ok(web::Json(recommend::for_user(model, user.clone(), cutoff).await?.ok_or_else(unknown)?))
}

/// Returns a random user, their items, and the model's recommendations.
#[utoipa::path(get, path = "/trained_model/{id}/sample_recommendation_raw/", tag = "trained_model",
    operation_id = "read_trained_model_sample_recommendation_raw", params(("id" = i64, Path)),
    responses((status = 200, body = inline(RawSample)), (status = 409, description = "The model is not trained yet, or its file was removed"),
        (status = 503, description = "The file is missing or damaged")))]
pub async fn sample_raw(
    access: Access<TrainedModel, Viewer>,
    services: web::Data<Services>,
    cache: web::Data<ModelCache>,
) -> ApiResult<web::Json<RawSample>> {
    let model = previewed(&access.object, &services, &cache).await?;
    let random = uuid::Uuid::new_v4().as_u128();
    let sample = recommend::for_sample(model, random, SAMPLE_CUTOFF).await?.ok_or_else(ApiError::not_found)?;
    Ok(web::Json(RawSample { user_id: sample.user_id, user_profile: sample.profile, recommendations: sample.recommendations }))
}

/// Returns a random user, their items, and the model's recommendations, with the metadata of the items. Both lists are JSON
/// texts, as 1.x clients expect.
#[utoipa::path(get, path = "/trained_model/{id}/sample_recommendation_metadata/{metadata_id}/", tag = "trained_model",
    operation_id = "read_trained_model_sample_recommendation_metadata", params(("id" = i64, Path), ("metadata_id" = i64, Path)),
    responses((status = 200, body = inline(DescribedSample)), (status = 404, description = "There is no such model or metadata, or they belong to different projects"),
        (status = 409, description = "The model is not trained yet, or the file of the metadata was removed"),
        (status = 422, description = "The metadata of these items is too large for one answer"),
        (status = 503, description = "The file of the model is missing or damaged")))]
pub async fn sample_metadata(
    access: Access<TrainedModel, Viewer>,
    services: web::Data<Services>,
    cache: web::Data<ModelCache>,
    path: web::Path<(String, String)>,
) -> ApiResult<HttpResponse> {
    let (metadata, project) = metadata_for(&access, &services, &path.1).await?;
    let model = previewed(&access.object, &services, &cache).await?;
    let random = uuid::Uuid::new_v4().as_u128();
    let sample = recommend::for_sample(model, random, SAMPLE_CUTOFF).await?.ok_or_else(ApiError::not_found)?;
    let (blobs, memory, column) = (services.blobs.clone(), services.memory().promise(), project.fields.item_column);
    let work = move |stop: &CancellationToken| -> ApiResult<Vec<u8>> {
        ask_for(&memory, "The metadata of this sample cannot be read now", MEMORY_OF_SAMPLE)?;
        let rows = item_metadata::rows(&blobs, &metadata)?;
        described_sample(sample, &column, &rows, stop).map_err(undescribed)
    };
    let body = PREVIEWS.run(Some(project.id), work).await??;
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}

/// Returns the body of an answer with a [`DescribedSample`].
fn described_sample(sample: Sample, item_column: &str, rows: &Rows, stop: &CancellationToken) -> io::Result<Vec<u8>> {
    let mut writer = described::Writer { item_column, rows, room: LARGEST_METADATA, stop };
    let profile = sample.profile.iter().map(|item| (item.as_str(), None));
    let recommended = sample.recommendations.iter().map(|item| (item.item_id.as_str(), Some(item.score)));
    let (user_profile, recommendations) = (writer.table(profile)?, writer.table(recommended)?);
    // Reserved at once: a body that grows would for a moment take several times its size.
    let mut body = Vec::with_capacity(2 * (user_profile.len() + recommendations.len()));
    serde_json::to_writer(&mut body, &DescribedSample { user_id: sample.user_id, user_profile, recommendations })?;
    Ok(body)
}

/// Returns the answer where the metadata of a sample could not be written.
fn undescribed(error: io::Error) -> ApiError {
    if error.kind() != io::ErrorKind::FileTooLarge {
        return DataError::from(error).into();
    }
    let message = format!(
        "The metadata of this user's items is larger than {} MB. Try again for another user, or upload item metadata with fewer \
         columns or shorter texts.",
        LARGEST_METADATA >> 20
    );
    ApiError::coded(StatusCode::UNPROCESSABLE_ENTITY, "too_much_metadata", message)
}

/// Returns the metadata that a path names, if it belongs to the model's project.
async fn metadata_for(
    access: &Access<TrainedModel, Viewer>,
    services: &Services,
    id: &str,
) -> ApiResult<(ItemMetaData, Project)> {
    let id = id.parse().map_err(|_| ApiError::not_found())?;
    let mut connection = services.db.conn().await?;
    let Metadata::<OfItems> { row: metadata, .. } = access.principal.load(&mut connection, id, Role::Viewer).await?;
    let project = projects::of_data(&mut connection, access.object.data_id).await?;
    if metadata.project_id != project.id || metadata.storage_key.is_none() {
        return Err(ApiError::not_found());
    }
    Ok((metadata, project))
}

/// Returns the best items for a user with these items; items that the model does not know are ignored.
#[utoipa::path(post, path = "/trained_model/{id}/recommend_using_profile_interaction/", tag = "trained_model",
    operation_id = "create_trained_model_recommend_using_profile_interaction", params(("id" = i64, Path)),
    request_body = inline(ProfileRequest),
    responses((status = 200, body = inline(Recommendations)), (status = 400, description = "A field is invalid"),
        (status = 409, description = "The model is not trained yet, or its file was removed"), (status = 503, description = "The file is missing or damaged")))]
pub async fn using_profile(
    access: Access<TrainedModel, Viewer>,
    services: web::Data<Services>,
    cache: web::Data<ModelCache>,
    body: Body,
) -> ApiResult<web::Json<Recommendations>> {
    let mut fields = body.reader();
    let Profile { item_ids, cutoff } = Profile::read(&mut fields, Write::Create);
    fields.finish()?;
    let model = previewed(&access.object, &services, &cache).await?;
    let recommendations = recommend::for_items(model, item_ids, cutoff.unsigned_abs() as usize).await?;
    Ok(web::Json(Recommendations { recommendations }))
}

/// Returns the items most similar to one.
#[utoipa::path(get, path = "/trained_model/{id}/similar/", tag = "trained_model", operation_id = "list_trained_model_similar",
    params(("id" = i64, Path), ("item_id" = String, Query), ("cutoff" = Option<i64>, Query, description = "1 to 1000; 10 by default")),
    responses((status = 200, body = Vec<Scored>), (status = 404, description = "No such model, or it does not know this item"),
        (status = 409, description = "The model is not trained yet, or its file was removed"), (status = 503, description = "The file is missing or damaged")))]
pub async fn similar(
    access: Access<TrainedModel, Viewer>,
    services: web::Data<Services>,
    cache: web::Data<ModelCache>,
    filters: Filters,
) -> ApiResult<web::Json<Vec<Scored>>> {
    let (item, cutoff) = (required(&filters, "item_id")?, cutoff(&filters)?);
    let model = previewed(&access.object, &services, &cache).await?;
    let unknown =
        || ApiError::detail(actix_web::http::StatusCode::NOT_FOUND, format!("The model does not know the item \"{item}\"."));
    Ok(web::Json(recommend::like_item(model, item.clone(), cutoff).await?.ok_or_else(unknown)?))
}
