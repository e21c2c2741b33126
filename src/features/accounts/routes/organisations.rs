//! `/organisation/`: groups of users who share projects.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::features::accounts::access::{Access, Admin, Owner, Viewer};
use crate::features::accounts::model::{Organisation, Role};
use crate::features::accounts::principal::Principal;
use crate::features::accounts::store::organisations::{self, Counts};
use crate::platform::db::{Connection, is_reference_broken};
use crate::platform::http::body::Text;
use crate::platform::http::{ApiError, ApiResult, Body, Dependent, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::request_fields;
use crate::platform::services::Services;

const LONGEST_NAME: usize = 256;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/organisation/").route(web::get().to(list)).route(web::post().to(create))).service(
        web::resource("/organisation/{id}/")
            .route(web::get().to(read))
            .route(web::patch().to(update))
            .route(web::delete().to(delete)),
    );
}

/// An organisation in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Organisation)]
pub(super) struct OrganisationBody {
    id: i64,
    name: String,
    /// Created together with an account; it cannot be deleted and has one owner.
    is_personal: bool,
    /// The caller's role; staff act as owners everywhere.
    role: Role,
    n_members: i64,
    n_projects: i64,
    /// Bytes that uploads, what was prepared of them, and models take up.
    stored_bytes: i64,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
}

impl OrganisationBody {
    fn new(row: Organisation, role: Role, counts: Counts) -> Self {
        let Organisation { id, name, is_personal, ins_datetime } = row;
        let Counts { members: n_members, projects: n_projects, stored_bytes } = counts;
        Self { id, name, is_personal, role, n_members, n_projects, stored_bytes, ins_datetime }
    }

    /// Returns the organisation with its counts.
    pub(super) async fn of(connection: &mut Connection, row: Organisation, role: Role) -> ApiResult<Self> {
        let counts = organisations::counts(connection, &[row.id]).await?;
        let counts = counts.get(&row.id).copied().unwrap_or_default();
        Ok(Self::new(row, role, counts))
    }
}

request_fields! {
    /// The field of an organisation that can be chosen.
    struct OrganisationFields {
        name: String => Text(LONGEST_NAME),
    }
}

type OrganisationRequest = RequestOf<OrganisationFields>;

fn role_of(principal: &Principal, organisation: &Organisation) -> Role {
    principal.role_in(organisation.id).unwrap_or(Role::Viewer)
}

/// Lists the caller's organisations; for staff, all of them.
#[utoipa::path(get, path = "/organisation/", tag = "organisation", operation_id = "list_organisation",
    params(("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<OrganisationBody>), (status = 404, description = "There is no such page")))]
pub(super) async fn list(
    principal: Principal,
    services: web::Data<Services>,
    page: PageRequest,
) -> ApiResult<web::Json<Page<OrganisationBody>>> {
    principal.refuse_keys()?;
    let mut connection = services.db.conn().await?;
    let (count, rows) = organisations::list(&mut connection, &principal, &page).await?;
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let counts = organisations::counts(&mut connection, &ids).await?;
    let body = |row: Organisation| {
        let (role, counts) = (role_of(&principal, &row), counts.get(&row.id).copied().unwrap_or_default());
        OrganisationBody::new(row, role, counts)
    };
    Ok(web::Json(page.wrap(count, rows.into_iter().map(body).collect())?))
}

/// Creates an organisation, owned by the caller.
#[utoipa::path(post, path = "/organisation/", tag = "organisation", operation_id = "create_organisation",
    request_body = inline(OrganisationRequest),
    responses((status = 201, body = OrganisationBody), (status = 400, description = "A field is invalid"),
        (status = 409, description = "The caller owns as many as one user may")))]
pub(super) async fn create(principal: Principal, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    principal.refuse_keys()?;
    let mut fields = body.reader();
    let OrganisationFields { name } = OrganisationFields::read(&mut fields, Write::Create);
    fields.finish()?;
    // A restricted connection sees only the caller's organisations, and this is not one of them yet.
    let mut connection = services.db.unrestricted_conn_for(principal.user.id).await?;
    let now = services.clock.now();
    let most = if principal.user.is_staff { 0 } else { services.settings.max_organisations_per_user };
    let row = organisations::create_with_owner(&mut connection, &name, &principal.user, most, now).await?;
    let row = row.ok_or_else(|| too_many(most))?;
    Ok(HttpResponse::Created().json(OrganisationBody::new(row, Role::Owner, Counts { members: 1, ..Counts::default() })))
}

fn too_many(most: u32) -> ApiError {
    let message =
        format!("You own {most} organisations, which is as many as one user may. Delete one, or ask staff to create more.");
    ApiError::coded(StatusCode::CONFLICT, "too_many_organisations", message)
}

/// Returns an organisation.
#[utoipa::path(get, path = "/organisation/{id}/", tag = "organisation", operation_id = "read_organisation", params(("id" = i64, Path)),
    responses((status = 200, body = OrganisationBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub(super) async fn read(
    access: Access<Organisation, Viewer>,
    services: web::Data<Services>,
) -> ApiResult<web::Json<OrganisationBody>> {
    access.principal.refuse_keys()?;
    let role = role_of(&access.principal, &access.object);
    Ok(web::Json(OrganisationBody::of(&mut services.db.conn().await?, access.object, role).await?))
}

/// Renames an organisation.
#[utoipa::path(patch, path = "/organisation/{id}/", tag = "organisation", operation_id = "update_organisation", params(("id" = i64, Path)),
    request_body = inline(OrganisationRequest),
    responses((status = 200, body = OrganisationBody), (status = 400, description = "A field is invalid"), (status = 404, description = "Not found, or the caller has no access to it")))]
pub(super) async fn update(
    access: Access<Organisation, Admin>,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<OrganisationBody>> {
    access.principal.refuse_keys()?;
    let role = role_of(&access.principal, &access.object);
    let mut fields = body.reader();
    let current = OrganisationFields { name: access.object.name };
    let OrganisationFields { name } = OrganisationFields::read(&mut fields, Write::Change(&current));
    fields.finish()?;
    let mut connection = services.db.conn().await?;
    let row = organisations::rename(&mut connection, access.object.id, &name).await?;
    Ok(web::Json(OrganisationBody::of(&mut connection, row, role).await?))
}

/// Deletes an organisation. Refused while it has projects, and for a personal one.
#[utoipa::path(delete, path = "/organisation/{id}/", tag = "organisation", operation_id = "delete_organisation", params(("id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "It has projects, or is a user's personal organisation")))]
pub(super) async fn delete(access: Access<Organisation, Owner>, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    access.principal.refuse_keys()?;
    if access.object.is_personal {
        return Err(ApiError::conflict("A personal organisation belongs to its account and cannot be deleted."));
    }
    let mut connection = services.db.conn().await?;
    match organisations::delete(&mut connection, access.object.id).await {
        Err(error) if is_reference_broken(&error) => {
            Err(has_projects(organisations::projects_of(&mut connection, access.object.id).await?))
        }
        other => Ok(other.map(|()| HttpResponse::NoContent().finish())?),
    }
}

fn has_projects(projects: Vec<(i64, String)>) -> ApiError {
    let dependents = projects.into_iter().map(|(id, name)| Dependent { resource: "project", id, name });
    ApiError::conflict_with("This organisation still has projects. Delete them first.", dependents)
}
