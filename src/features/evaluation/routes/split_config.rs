//! `/split_config/`.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::ConfigHome;
use crate::features::accounts::{Editor, Principal, Viewer};
use crate::features::evaluation::access::Shared;
use crate::features::evaluation::model::{SplitConfig, SplitFields};
use crate::features::evaluation::{service, store};
use crate::features::projects::{self, Kind};
use crate::platform::http::{
    ApiError, ApiResult, Body, ConflictBody, FieldReader, Filters, Page, PageRequest, RequestOf, Write, timestamp,
};
use crate::platform::resource;
use crate::platform::services::Services;

pub fn routes(config: &mut web::ServiceConfig) {
    resource!(config, "/split_config/");
}

/// A split config in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SplitConfig)]
pub struct SplitConfigBody {
    id: i64,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
    #[serde(flatten)]
    fields: SplitFields,
    created_by: Option<i64>,
    /// With `CI` and `TI`: share of the items that are held out.
    heldout_item_ratio: f64,
    /// The organisation whose members may use it.
    organisation: i64,
    /// Its project; null for one that all projects of the organisation may use.
    project: Option<i64>,
}

impl From<SplitConfig> for SplitConfigBody {
    fn from(config: SplitConfig) -> Self {
        Self {
            id: config.id,
            ins_datetime: config.ins_datetime,
            updated_at: config.updated_at,
            heldout_item_ratio: config.fields.heldout_item_ratio,
            fields: config.fields,
            created_by: config.created_by,
            organisation: config.organisation_id,
            project: config.project_id,
        }
    }
}

type SplitConfigRequest = RequestOf<(SplitFields, ConfigHome)>;

fn read_fields(mut fields: FieldReader, write: Write<'_, SplitFields>) -> ApiResult<SplitFields> {
    let result = SplitFields::read(&mut fields, write);
    fields.finish()?;
    refuse_empty_sides(&result)?;
    Ok(result)
}

/// Refuses ratios in effect that leave nothing to train on or to evaluate with. A ratio that a number overrides is not checked.
fn refuse_empty_sides(split: &SplitFields) -> ApiResult<()> {
    let (held_out, tested) = (split.heldout_ratio, split.test_user_ratio);
    let mut faults = BTreeMap::new();
    let mut fault = |field: &str, message: &str| faults.insert(field.to_owned(), vec![message.to_owned()]);
    if split.n_heldout.is_none() && held_out <= 0.0 && !split.scheme.holds_out_items() {
        fault("heldout_ratio", "Ensure this value is greater than 0, so that something is held out.");
    }
    if split.n_heldout.is_none() && held_out >= 1.0 {
        fault("heldout_ratio", "Ensure this value is less than 1, so that something is left to learn from.");
    }
    if split.heldout_item_ratio <= 0.0 || split.heldout_item_ratio >= 1.0 {
        fault(
            "heldout_item_ratio",
            "Ensure this value is greater than 0 and less than 1, so that there are items on both sides.",
        );
    }
    if split.n_test_users.is_none() && tested <= 0.0 {
        fault("test_user_ratio", "Ensure this value is greater than 0, so that some users are tested.");
    }
    if faults.is_empty() { Ok(()) } else { Err(ApiError::fields(faults)) }
}

/// Lists the split configs that the caller may see.
#[utoipa::path(get, path = "/split_config/", tag = "split_config", operation_id = "list_split_config",
    params(("id" = Option<i64>, Query), ("name" = Option<String>, Query), ("unnamed" = Option<bool>, Query), ("project" = Option<i64>, Query),
        ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<SplitConfigBody>)))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<SplitConfigBody>>> {
    let filter = store::ConfigFilter::read(&filters)?;
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::split::list(&mut connection, &principal, &filter, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(SplitConfigBody::from).collect())?))
}

/// Creates a split config.
#[utoipa::path(post, path = "/split_config/", tag = "split_config", operation_id = "create_split_config",
    request_body = inline(SplitConfigRequest),
    responses((status = 201, body = SplitConfigBody), (status = 400, description = "A field is invalid")))]
pub async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let ConfigHome { project } = ConfigHome::read(&mut fields, Write::Create);
    let fields = read_fields(fields, Write::Create)?;
    let mut connection = services.db.conn().await?;
    let home = service::home_of_new(&mut connection, &principal, project).await?;
    let config = store::split::insert(&mut connection, fields, principal.user.id, home).await?;
    Ok(HttpResponse::Created().json(SplitConfigBody::from(config)))
}

/// Returns a split config.
#[utoipa::path(get, path = "/split_config/{id}/", tag = "split_config", operation_id = "read_split_config", params(("id" = i64, Path)),
    responses((status = 200, body = SplitConfigBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(shared: Shared<SplitConfig, Viewer>) -> web::Json<SplitConfigBody> {
    web::Json(shared.object.into())
}

/// Replaces the fields of a split config.
#[utoipa::path(put, path = "/split_config/{id}/", tag = "split_config", operation_id = "replace_split_config",
    params(("id" = i64, Path)), request_body = inline(SplitConfigRequest),
    responses((status = 200, body = SplitConfigBody), (status = 400, description = "A field is invalid"),
        (status = 409, description = "A search or a schedule uses it in its present form", body = ConflictBody)))]
pub async fn replace(
    shared: Shared<SplitConfig, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<SplitConfigBody>> {
    save(shared.object, &services, body, false).await
}

/// Changes some fields of a split config.
#[utoipa::path(patch, path = "/split_config/{id}/", tag = "split_config", operation_id = "update_split_config",
    params(("id" = i64, Path)), request_body = inline(SplitConfigRequest),
    responses((status = 200, body = SplitConfigBody), (status = 400, description = "A field is invalid"),
        (status = 409, description = "A search or a schedule uses it in its present form", body = ConflictBody)))]
pub async fn update(
    shared: Shared<SplitConfig, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<SplitConfigBody>> {
    save(shared.object, &services, body, true).await
}

async fn save(current: SplitConfig, services: &Services, body: Body, partial: bool) -> ApiResult<web::Json<SplitConfigBody>> {
    let mut fields = body.reader();
    ConfigHome::refuse_move(&mut fields, current.project_id);
    let fields = read_fields(fields, Write::over(&current.fields, partial))?;
    let mut connection = services.db.conn().await?;
    Ok(web::Json(service::change(&mut connection, current, fields, services.clock.now()).await?.into()))
}

/// Deletes a split config; refused while a search, finished or not, or a schedule uses it.
#[utoipa::path(delete, path = "/split_config/{id}/", tag = "split_config", operation_id = "delete_split_config",
    params(("id" = i64, Path)), responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "A search or a schedule uses it", body = ConflictBody)))]
pub async fn delete(shared: Shared<SplitConfig, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    projects::remove(&services, Kind::SplitConfig, shared.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
