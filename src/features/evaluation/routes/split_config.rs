//! `/split_config/`.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::features::accounts::{Editor, Principal, Viewer};
use crate::features::evaluation::access::Shared;
use crate::features::evaluation::model::{Scheme, SplitConfig, SplitFields};
use crate::features::evaluation::{service, store};
use crate::features::projects::{self, Kind};
use crate::platform::http::{
    ApiError, ApiResult, Body, ConflictBody, FieldReader, Filters, Missing, Page, PageRequest, timestamp,
};
use crate::platform::services::Services;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/split_config/").route(web::get().to(list)).route(web::post().to(create))).service(
        web::resource("/split_config/{id}/")
            .route(web::get().to(read))
            .route(web::put().to(replace))
            .route(web::patch().to(update))
            .route(web::delete().to(delete)),
    );
}

/// A split config as clients see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SplitConfig)]
pub struct SplitConfigBody {
    id: i64,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
    name: Option<String>,
    scheme: Scheme,
    heldout_ratio: f64,
    n_heldout: Option<i32>,
    test_user_ratio: f64,
    n_test_users: Option<i32>,
    random_seed: i32,
    created_by: Option<i64>,
    /// The organisation whose members see it.
    organisation: i64,
    /// The project it is for; null for one that all projects of the organisation may use.
    project: Option<i64>,
}

impl From<SplitConfig> for SplitConfigBody {
    fn from(config: SplitConfig) -> Self {
        Self {
            id: config.id,
            ins_datetime: config.ins_datetime,
            updated_at: config.updated_at,
            name: config.name,
            scheme: config.scheme,
            heldout_ratio: config.heldout_ratio,
            n_heldout: config.n_heldout,
            test_user_ratio: config.test_user_ratio,
            n_test_users: config.n_test_users,
            random_seed: config.random_seed,
            created_by: config.created_by,
            organisation: config.organisation_id,
            project: config.project_id,
        }
    }
}

/// The fields of a new split config; each has a default.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the body in the API document")]
struct SplitConfigRequest {
    name: Option<String>,
    /// `RG` at random, `TG` after one moment for all, `TU` the last of each user.
    scheme: Option<Scheme>,
    /// Share of each user's interactions that is held out.
    heldout_ratio: Option<f64>,
    /// Number held out, instead of the ratio.
    n_heldout: Option<i32>,
    /// Share of users that are tested.
    test_user_ratio: Option<f64>,
    /// Number of users that are tested, instead of the ratio.
    n_test_users: Option<i32>,
    random_seed: Option<i32>,
    /// The project it is for. Without one it belongs to one's personal organisation, and moves to that of the first project
    /// that uses it. It stays what it was made with.
    project: Option<i64>,
}

/// Reads the fields; what is left out is as in `base`.
fn read_fields(mut fields: FieldReader, base: SplitFields) -> ApiResult<SplitFields> {
    let result = SplitFields {
        name: fields.nullable_text("name", 256, base.name),
        scheme: fields.choice("scheme", Missing::Use(base.scheme)),
        heldout_ratio: fields.number("heldout_ratio", 0.0..=1.0, Missing::Use(base.heldout_ratio)),
        n_heldout: fields.nullable_integer("n_heldout", 1..=i32::MAX, base.n_heldout),
        test_user_ratio: fields.number("test_user_ratio", 0.0..=1.0, Missing::Use(base.test_user_ratio)),
        n_test_users: fields.nullable_integer("n_test_users", 1..=i32::MAX, base.n_test_users),
        random_seed: fields.integer("random_seed", i32::MIN..=i32::MAX, Missing::Use(base.random_seed)),
    };
    fields.finish()?;
    refuse_empty_sides(&result)?;
    Ok(result)
}

/// A ratio that counts must leave something to learn from and something to judge by. One that a number overrides may be anything.
fn refuse_empty_sides(split: &SplitFields) -> ApiResult<()> {
    let (held_out, tested) = (split.heldout_ratio, split.test_user_ratio);
    let mut faults = BTreeMap::new();
    let mut fault = |field: &str, message: &str| faults.insert(field.to_owned(), vec![message.to_owned()]);
    if split.n_heldout.is_none() && held_out <= 0.0 {
        fault("heldout_ratio", "Ensure this value is greater than 0, so that something is held out.");
    }
    if split.n_heldout.is_none() && held_out >= 1.0 {
        fault("heldout_ratio", "Ensure this value is less than 1, so that something is left to learn from.");
    }
    if split.n_test_users.is_none() && tested <= 0.0 {
        fault("test_user_ratio", "Ensure this value is greater than 0, so that some users are tested.");
    }
    if faults.is_empty() { Ok(()) } else { Err(ApiError::fields(faults)) }
}

/// The split configs one may see.
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

/// Make a split config.
#[utoipa::path(post, path = "/split_config/", tag = "split_config", operation_id = "create_split_config",
    request_body = inline(SplitConfigRequest),
    responses((status = 201, body = SplitConfigBody), (status = 400, description = "A field is wrong")))]
pub async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let project = fields.nullable_id("project", None);
    let fields = read_fields(fields, SplitFields::default())?;
    let mut connection = services.db.conn().await?;
    let home = service::home_of_new(&mut connection, &principal, project).await?;
    let config = store::split::insert(&mut connection, fields, principal.user.id, home).await?;
    Ok(HttpResponse::Created().json(SplitConfigBody::from(config)))
}

/// One split config.
#[utoipa::path(get, path = "/split_config/{id}/", tag = "split_config", operation_id = "read_split_config", params(("id" = i64, Path)),
    responses((status = 200, body = SplitConfigBody), (status = 404, description = "Not there, or not yours")))]
pub async fn read(shared: Shared<SplitConfig, Viewer>) -> web::Json<SplitConfigBody> {
    web::Json(shared.object.into())
}

/// Replace the fields of a split config.
#[utoipa::path(put, path = "/split_config/{id}/", tag = "split_config", operation_id = "replace_split_config",
    params(("id" = i64, Path)), request_body = inline(SplitConfigRequest),
    responses((status = 200, body = SplitConfigBody), (status = 400, description = "A field is wrong"),
        (status = 409, description = "A search or a schedule goes by it as it is", body = ConflictBody)))]
pub async fn replace(
    shared: Shared<SplitConfig, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<SplitConfigBody>> {
    save(shared.object, &services, body, SplitFields::default()).await
}

/// Change some fields of a split config.
#[utoipa::path(patch, path = "/split_config/{id}/", tag = "split_config", operation_id = "update_split_config",
    params(("id" = i64, Path)), request_body = inline(SplitConfigRequest),
    responses((status = 200, body = SplitConfigBody), (status = 400, description = "A field is wrong"),
        (status = 409, description = "A search or a schedule goes by it as it is", body = ConflictBody)))]
pub async fn update(
    shared: Shared<SplitConfig, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<SplitConfigBody>> {
    let kept = shared.object.fields();
    save(shared.object, &services, body, kept).await
}

async fn save(current: SplitConfig, services: &Services, body: Body, base: SplitFields) -> ApiResult<web::Json<SplitConfigBody>> {
    let mut fields = body.reader();
    if fields.nullable_id("project", current.project_id) != current.project_id {
        fields.fault("project", "A config stays where it was made. Make another one for that project.");
    }
    let fields = read_fields(fields, base)?;
    let mut connection = services.db.conn().await?;
    Ok(web::Json(service::change(&mut connection, current, fields, services.clock.now()).await?.into()))
}

/// Delete a split config; refused while a search, finished or not, or a schedule goes by it.
#[utoipa::path(delete, path = "/split_config/{id}/", tag = "split_config", operation_id = "delete_split_config",
    params(("id" = i64, Path)), responses((status = 204, description = "Gone"), (status = 404, description = "Not there, or not yours"),
        (status = 409, description = "A search or a schedule goes by it", body = ConflictBody)))]
pub async fn delete(shared: Shared<SplitConfig, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    projects::remove(&services, Kind::SplitConfig, shared.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
