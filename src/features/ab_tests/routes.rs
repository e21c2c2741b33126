//! `/ab_test/`.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{OpenApi, ToSchema};

use super::error::TestError;
use super::model::{AbTest, TestFields, TestStatus};
use super::statistics::Results;
use super::{service, store};
use crate::features::accounts::{Access, Editor, Principal, Role, Viewer};
use crate::features::deployments::DeploymentSlot;
use crate::features::projects::{OfProject, Project};
use crate::platform::db::Connection;
use crate::platform::http::body::{Convert, Id};
use crate::platform::http::{ApiResult, Body, FieldReader, Filters, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::request_fields;
use crate::platform::resource;
use crate::platform::services::Services;

#[derive(OpenApi)]
#[openapi(paths(list, create, read, replace, update, delete, start, stop, results, promote_winner))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    resource!(config, "/ab_test/")
        .route("/ab_test/{id}/start/", web::post().to(start))
        .route("/ab_test/{id}/stop/", web::post().to(stop))
        .route("/ab_test/{id}/results/", web::get().to(results))
        .route("/ab_test/{id}/promote_winner/", web::post().to(promote_winner));
}

/// An A/B test in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ABTest)]
pub struct AbTestBody {
    id: i64,
    project: i64,
    #[serde(flatten)]
    fields: TestFields,
    status: TestStatus,
    #[serde(serialize_with = "timestamp::option::serialize")]
    started_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    ended_at: Option<DateTime<Utc>>,
    winner_slot: Option<i64>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    updated_at: DateTime<Utc>,
}

impl From<AbTest> for AbTestBody {
    fn from(test: AbTest) -> Self {
        Self {
            id: test.id,
            project: test.project_id,
            fields: test.fields,
            status: test.status,
            started_at: test.started_at,
            ended_at: test.ended_at,
            winner_slot: test.winner_slot_id,
            ins_datetime: test.ins_datetime,
            updated_at: test.updated_at,
        }
    }
}

type AbTestRequest = RequestOf<(OfProject, TestFields)>;

request_fields! {
    /// The winner of a test.
    struct Winner {
        /// The control or the variant slot of the test.
        slot_id: i64 => WinnerId,
    }
}

type PromoteRequest = RequestOf<Winner>;

/// A number, or a text that contains one.
struct WinnerId;

impl Convert for WinnerId {
    type Output = i64;

    fn convert(&self, value: &Value) -> Result<i64, String> {
        let id = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        id.ok_or_else(|| TestError::NotASlotOfTheTest.to_string())
    }

    fn described(&self) -> RefOr<Schema> {
        Id.described()
    }
}

/// The outcome of promoting the winner.
#[derive(Debug, Serialize, ToSchema)]
struct Promoted {
    status: &'static str,
    winner_slot_id: i64,
}

/// Lists the tests of the projects that the caller may see.
#[utoipa::path(get, path = "/ab_test/", tag = "ab_test", operation_id = "list_ab_test",
    params(("project" = Option<i64>, Query), ("status" = Option<String>, Query), ("page" = Option<String>, Query),
        ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<AbTestBody>), (status = 400, description = "A filter is invalid")))]
async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<AbTestBody>>> {
    let (project, status) = (filters.id("project")?, filters.choice("status")?);
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list(&mut connection, &principal, project, status, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(AbTestBody::from).collect())?))
}

/// Creates a test of two slots.
#[utoipa::path(post, path = "/ab_test/", tag = "ab_test", operation_id = "create_ab_test", request_body = inline(AbTestRequest),
    responses((status = 201, body = AbTestBody), (status = 400, description = "A field is invalid")))]
async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let OfProject { project } = OfProject::read(&mut fields, Write::Create);
    let test = read_fields(&mut fields, Write::Create);
    let mut connection = services.db.conn().await?;
    let lookup = principal.load_referred::<Project>(&mut connection, "project", project, Role::Editor);
    let found = fields.refer("project", lookup).await?;
    check_slots(&principal, &mut connection, &mut fields, found.map(|project| project.id), &test).await?;
    fields.finish()?;
    let test = store::insert(&mut connection, project, test).await?;
    Ok(HttpResponse::Created().json(AbTestBody::from(test)))
}

fn read_fields(fields: &mut FieldReader, write: Write<'_, TestFields>) -> TestFields {
    let read = TestFields::read(fields, write);
    let both_given = fields.has("control_slot") || fields.has("variant_slot") || !matches!(write, Write::Change(_));
    if both_given && read.control_slot_id != 0 && read.control_slot_id == read.variant_slot_id {
        fields.fault("variant_slot", "Choose another slot than the control slot.");
    }
    read
}

/// Checks that the caller may see the slots and, if the project is known, that they belong to it.
async fn check_slots(
    principal: &Principal,
    connection: &mut Connection,
    fields: &mut FieldReader,
    project: Option<i64>,
    test: &TestFields,
) -> ApiResult<()> {
    for (field, id) in [("control_slot", test.control_slot_id), ("variant_slot", test.variant_slot_id)] {
        let lookup = principal.load_referred::<DeploymentSlot>(connection, field, id, Role::Viewer);
        let slot = fields.refer(field, lookup).await?;
        if slot.is_some_and(|slot| project.is_some_and(|project| slot.project_id != project)) {
            fields.fault(field, "Choose a slot of the same project.");
        }
    }
    Ok(())
}

/// Returns a test.
#[utoipa::path(get, path = "/ab_test/{id}/", tag = "ab_test", operation_id = "read_ab_test", params(("id" = i64, Path)),
    responses((status = 200, body = AbTestBody), (status = 404, description = "Not found, or the caller has no access to it")))]
async fn read(access: Access<AbTest, Viewer>) -> web::Json<AbTestBody> {
    web::Json(access.object.into())
}

/// Replaces the fields of a test. Slots and metric are fixed once it has been started.
#[utoipa::path(put, path = "/ab_test/{id}/", tag = "ab_test", operation_id = "replace_ab_test", params(("id" = i64, Path)),
    request_body = inline(AbTestRequest),
    responses((status = 200, body = AbTestBody), (status = 400, description = "A field is invalid"),
        (status = 404, description = "Not found, or the caller has no access to it"), (status = 409, description = "The test is no longer a draft")))]
async fn replace(access: Access<AbTest, Editor>, services: web::Data<Services>, body: Body) -> ApiResult<web::Json<AbTestBody>> {
    save(access, &services, body, false).await
}

/// Changes some fields of a test. Slots and metric are fixed once it has been started.
#[utoipa::path(patch, path = "/ab_test/{id}/", tag = "ab_test", operation_id = "update_ab_test", params(("id" = i64, Path)),
    request_body = inline(AbTestRequest),
    responses((status = 200, body = AbTestBody), (status = 400, description = "A field is invalid"),
        (status = 404, description = "Not found, or the caller has no access to it"), (status = 409, description = "The test is no longer a draft")))]
async fn update(access: Access<AbTest, Editor>, services: web::Data<Services>, body: Body) -> ApiResult<web::Json<AbTestBody>> {
    save(access, &services, body, true).await
}

async fn save(
    access: Access<AbTest, Editor>,
    services: &Services,
    body: Body,
    partial: bool,
) -> ApiResult<web::Json<AbTestBody>> {
    let current = access.object;
    let mut fields = body.reader();
    let message = "A test cannot move to another project. Make a new one there.";
    OfProject::read_same(&mut fields, current.project_id, true, message);
    let wanted = read_fields(&mut fields, Write::over(&current.fields, partial));
    let mut connection = services.db.conn().await?;
    // A test that has ended may be renamed even if its slots have been deleted.
    if wanted.slots() != current.fields.slots() {
        check_slots(&access.principal, &mut connection, &mut fields, Some(current.project_id), &wanted).await?;
    }
    fields.finish()?;
    Ok(web::Json(service::update(&mut connection, current.id, wanted, services.clock.now()).await?.into()))
}

/// Deletes a test that is not running.
#[utoipa::path(delete, path = "/ab_test/{id}/", tag = "ab_test", operation_id = "delete_ab_test", params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "The test is running")))]
async fn delete(access: Access<AbTest, Editor>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    service::delete(&mut *services.db.conn().await?, access.object.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Starts a draft.
#[utoipa::path(post, path = "/ab_test/{id}/start/", tag = "ab_test", operation_id = "create_ab_test_start",
    params(("id" = i64, Path)),
    responses((status = 200, body = AbTestBody), (status = 400, description = "The test is not a draft, or another test uses its slots"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
async fn start(access: Access<AbTest, Editor>, services: web::Data<Services>) -> ApiResult<web::Json<AbTestBody>> {
    let mut connection = services.db.conn().await?;
    Ok(web::Json(service::start(&mut connection, &access.object, services.clock.now()).await?.into()))
}

/// Stops a running test.
#[utoipa::path(post, path = "/ab_test/{id}/stop/", tag = "ab_test", operation_id = "create_ab_test_stop",
    params(("id" = i64, Path)),
    responses((status = 200, body = AbTestBody), (status = 400, description = "The test is not running"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
async fn stop(access: Access<AbTest, Editor>, services: web::Data<Services>) -> ApiResult<web::Json<AbTestBody>> {
    let mut connection = services.db.conn().await?;
    Ok(web::Json(service::stop(&mut connection, &access.object, services.clock.now()).await?.into()))
}

/// Returns the results of a test so far.
#[utoipa::path(get, path = "/ab_test/{id}/results/", tag = "ab_test", operation_id = "read_ab_test_results",
    params(("id" = i64, Path)),
    responses((status = 200, body = Results), (status = 404, description = "Not found, or the caller has no access to it")))]
async fn results(access: Access<AbTest, Viewer>, services: web::Data<Services>) -> ApiResult<web::Json<Results>> {
    let mut connection = services.db.conn_for_long_read().await?;
    Ok(web::Json(service::results(&mut connection, &access.object).await?))
}

/// Gives the traffic of a completed test to one of its slots and deactivates the other.
#[utoipa::path(post, path = "/ab_test/{id}/promote_winner/", tag = "ab_test", operation_id = "create_ab_test_promote_winner",
    params(("id" = i64, Path)), request_body = inline(PromoteRequest),
    responses((status = 200, body = inline(Promoted)), (status = 400, description = "The test is not completed, or the slot is not part of it"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
async fn promote_winner(
    access: Access<AbTest, Editor>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<Promoted>> {
    let mut fields = body.reader();
    let Winner { slot_id: winner } = Winner::read(&mut fields, Write::Create);
    fields.finish().map_err(|_| TestError::NotASlotOfTheTest)?;
    let mut connection = services.db.conn().await?;
    let actor = access.principal.user.id;
    service::promote(&mut connection, &access.object, winner, actor, services.clock.now()).await?;
    Ok(web::Json(Promoted { status: "promoted", winner_slot_id: winner }))
}
