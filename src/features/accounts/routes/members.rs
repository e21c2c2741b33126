//! `/organisation/{id}/members/`: the members of an organisation and their roles.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::path_id;
use crate::features::accounts::access::{Access, Admin, Viewer};
use crate::features::accounts::model::{Membership, Organisation, Role, User};
use crate::features::accounts::service::members;
use crate::features::accounts::store::organisations;
use crate::platform::http::body::Choice;
use crate::platform::http::{ApiResult, Body, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::request_fields;
use crate::platform::services::Services;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/organisation/{id}/members/").route(web::get().to(list))).service(
        web::resource("/organisation/{id}/members/{user_id}/").route(web::patch().to(update)).route(web::delete().to(delete)),
    );
}

/// The role of a user in an organisation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub(super) struct MemberBody {
    user: i64,
    username: String,
    email: String,
    first_name: String,
    last_name: String,
    role: Role,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
}

impl From<(Membership, User)> for MemberBody {
    fn from((membership, user): (Membership, User)) -> Self {
        Self {
            user: user.id,
            username: user.username,
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            role: membership.role,
            ins_datetime: membership.ins_datetime,
        }
    }
}

request_fields! {
    /// The field of a member that can change.
    struct MemberFields {
        role: Role => Choice(&[]),
    }
}

type MemberRequest = RequestOf<MemberFields>;

/// Lists the members of an organisation, the earliest to join first.
#[utoipa::path(get, path = "/organisation/{id}/members/", tag = "organisation", operation_id = "list_organisation_members",
    params(("id" = i64, Path), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<MemberBody>), (status = 404, description = "Not found, or the caller has no access to it")))]
pub(super) async fn list(
    access: Access<Organisation, Viewer>,
    services: web::Data<Services>,
    page: PageRequest,
) -> ApiResult<web::Json<Page<MemberBody>>> {
    access.principal.refuse_keys()?;
    let (count, rows) = organisations::members(&mut *services.db.conn().await?, access.object.id, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(MemberBody::from).collect())?))
}

/// Changes the role of a member. Admins manage roles up to admin; only owners grant and revoke the role of owner; an owner always
/// remains.
#[utoipa::path(patch, path = "/organisation/{id}/members/{user_id}/", tag = "organisation", operation_id = "update_organisation_members",
    params(("id" = i64, Path), ("user_id" = i64, Path)), request_body = inline(MemberRequest),
    responses((status = 200, body = MemberBody), (status = 400, description = "No such role"),
        (status = 404, description = "Not found, or the caller has no access to it"), (status = 409, description = "The member is the last owner")))]
pub(super) async fn update(
    access: Access<Organisation, Admin>,
    request: HttpRequest,
    services: web::Data<Services>,
    body: Body,
) -> ApiResult<web::Json<MemberBody>> {
    access.principal.refuse_keys()?;
    let user_id = path_id(&request, "user_id")?;
    let mut fields = body.reader();
    let MemberFields { role } = MemberFields::read(&mut fields, Write::Create);
    fields.finish()?;
    let mine = access.principal.role_in(access.object.id).unwrap_or(Role::Viewer);
    let mut connection = services.db.conn().await?;
    let member = members::change(&mut connection, &access.object, mine, user_id, role).await?;
    Ok(web::Json(member.into()))
}

/// Removes a member; members may also remove themselves, except the last owner.
#[utoipa::path(delete, path = "/organisation/{id}/members/{user_id}/", tag = "organisation", operation_id = "delete_organisation_members",
    params(("id" = i64, Path), ("user_id" = i64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "The member is the last owner")))]
pub(super) async fn delete(
    access: Access<Organisation, Viewer>,
    request: HttpRequest,
    services: web::Data<Services>,
) -> ApiResult<HttpResponse> {
    access.principal.refuse_keys()?;
    let user_id = path_id(&request, "user_id")?;
    let mine = access.principal.role_in(access.object.id).unwrap_or(Role::Viewer);
    let leaves = user_id == access.principal.user.id;
    members::remove(&mut *services.db.conn().await?, access.object.id, mine, user_id, leaves).await?;
    Ok(HttpResponse::NoContent().finish())
}
