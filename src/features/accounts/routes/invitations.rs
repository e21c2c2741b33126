//! Invitations: created and withdrawn by admins under `/organisation/{id}/invitations/`, accepted at `/invitation/`.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::login::{LoggedIn, with_cookies};
use super::organisations::OrganisationBody;
use super::{Email, NewAccount, base_url, origin_of, path_id};
use crate::features::accounts::access::{Access, Admin};
use crate::features::accounts::model::{Invitation, Organisation, Role};
use crate::features::accounts::service::{
    self, invitations as service_invitations, invitations::MailedInvitations, invitations::Offer,
};
use crate::features::accounts::{principal, store::invitations};
use crate::platform::http::body::{Choice, Integer, Text};
use crate::platform::http::{ApiError, ApiResult, Body, FieldReader, Optional, Page, PageRequest, RequestOf, Write, timestamp};
use crate::platform::request_fields;
use crate::platform::services::Services;

const LONGEST_TOKEN: usize = 256;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/organisation/{id}/invitations/").route(web::get().to(list)).route(web::post().to(create)))
        .service(web::resource("/organisation/{id}/invitations/{invitation_id}/").route(web::delete().to(delete)))
        .service(web::resource("/invitation/look_up/").route(web::post().to(look_up)))
        .service(web::resource("/invitation/accept/").route(web::post().to(accept)));
}

/// An invitation as admins of the organisation see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
pub(super) struct InvitationBody {
    id: i64,
    role: Role,
    /// The address it was sent to; empty if the inviter passes the link on.
    email: String,
    #[serde(serialize_with = "timestamp::serialize")]
    expires_at: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
    /// Name of the inviter.
    invited_by: String,
}

impl InvitationBody {
    fn new(invitation: Invitation, invited_by: String) -> Self {
        Self {
            id: invitation.id,
            role: invitation.role,
            email: invitation.email,
            expires_at: invitation.expires_at,
            ins_datetime: invitation.ins_datetime,
            invited_by,
        }
    }
}

/// A new invitation.
#[derive(Debug, Serialize, ToSchema)]
struct NewInvitation {
    #[serde(flatten)]
    invitation: InvitationBody,
    /// The link to pass on. Returned only once.
    url: String,
    /// The secret in the link.
    token: String,
}

request_fields! {
    /// The fields of an invitation.
    struct InvitationFields {
        role: Role => Choice(&[]),
        /// The address to send the link to; without it, or without a mail server, the inviter passes the link on.
        email: String = String::new() => Email,
        /// Days until it expires; 7 by default.
        expires_in_days: i32 = 7 => Integer(1..=90),
    }
}

type InvitationRequest = RequestOf<InvitationFields>;

/// Lists the invitations that can still be accepted.
#[utoipa::path(get, path = "/organisation/{id}/invitations/", tag = "organisation", operation_id = "list_organisation_invitations",
    params(("id" = i64, Path), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<InvitationBody>), (status = 404, description = "Not found, or the caller has no access to it")))]
pub(super) async fn list(
    access: Access<Organisation, Admin>,
    services: web::Data<Services>,
    page: PageRequest,
) -> ApiResult<web::Json<Page<InvitationBody>>> {
    access.principal.refuse_keys()?;
    let mut connection = services.db.conn().await?;
    let (count, rows) = invitations::open_ones(&mut connection, access.object.id, services.clock.now(), &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(|(row, by)| InvitationBody::new(row, by)).collect())?))
}

/// Invites a user. The answer does not reveal whether an account with the address exists.
#[utoipa::path(post, path = "/organisation/{id}/invitations/", tag = "organisation", operation_id = "create_organisation_invitations",
    params(("id" = i64, Path)), request_body = inline(InvitationRequest),
    responses((status = 201, body = inline(NewInvitation)), (status = 400, description = "A field is invalid"),
        (status = 404, description = "Not found, or the caller has no access to it")))]
pub(super) async fn create(
    access: Access<Organisation, Admin>,
    request: HttpRequest,
    services: web::Data<Services>,
    mailed: web::Data<MailedInvitations>,
    body: Body,
) -> ApiResult<HttpResponse> {
    let by = access.principal;
    by.refuse_keys()?;
    let mut fields = body.reader();
    let InvitationFields { role, email, expires_in_days: days } = InvitationFields::read(&mut fields, Write::Create);
    fields.finish()?;
    let expires_at = services.clock.now() + TimeDelta::days(days.into());
    let offer = Offer { role, email: &email, expires_at };
    let (made, token) = service_invitations::invite(&services, &mailed, &by, &access.object, offer).await?;
    let url = service_invitations::link(&base_url(&request, &services), &token);
    let invitation = InvitationBody::new(made, by.user.username);
    Ok(HttpResponse::Created().json(NewInvitation { invitation, url, token }))
}

/// Withdraws an invitation.
#[utoipa::path(delete, path = "/organisation/{id}/invitations/{invitation_id}/", tag = "organisation",
    operation_id = "delete_organisation_invitations", params(("id" = i64, Path), ("invitation_id" = i64, Path)),
    responses((status = 204, description = "Withdrawn"), (status = 404, description = "Not found, or the caller has no access to it")))]
pub(super) async fn delete(
    access: Access<Organisation, Admin>,
    request: HttpRequest,
    services: web::Data<Services>,
) -> ApiResult<HttpResponse> {
    access.principal.refuse_keys()?;
    let id = path_id(&request, "invitation_id")?;
    if !invitations::withdraw(&mut *services.db.conn().await?, access.object.id, id).await? {
        return Err(ApiError::not_found());
    }
    Ok(HttpResponse::NoContent().finish())
}

/// The offer of an invitation, for the holder of its link.
#[derive(Debug, Serialize, ToSchema)]
struct InvitationOffer {
    organisation_name: String,
    role: Role,
    /// Name of the inviter.
    invited_by: String,
    #[serde(serialize_with = "timestamp::serialize")]
    expires_at: DateTime<Utc>,
    email: String,
}

request_fields! {
    /// The secret of a link.
    struct InvitationToken {
        token: String => Text(LONGEST_TOKEN),
    }
}

type LookUpRequest = RequestOf<InvitationToken>;

/// Returns the offer of an invitation to the holder of its link.
#[utoipa::path(post, path = "/invitation/look_up/", tag = "invitation", operation_id = "create_invitation_look_up",
    request_body = inline(LookUpRequest),
    responses((status = 200, body = inline(InvitationOffer)), (status = 400, description = "The token is missing"),
        (status = 404, description = "The invitation is unknown, used, expired or withdrawn")))]
pub(super) async fn look_up(services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let InvitationToken { token } = InvitationToken::read(&mut fields, Write::Create);
    fields.finish()?;
    let mut connection = services.db.unrestricted_conn().await?;
    let (invitation, organisation, inviter) = service_invitations::look_up(&mut connection, &token, services.clock.now()).await?;
    Ok(HttpResponse::Ok().json(InvitationOffer {
        organisation_name: organisation.name,
        role: invitation.role,
        invited_by: inviter.username,
        expires_at: invitation.expires_at,
        email: invitation.email,
    }))
}

/// The secret of a link; a caller without an account also chooses a name and a password. The address is the invited one unless
/// the caller sends another.
type AcceptRequest = RequestOf<(InvitationToken, Optional<NewAccount>)>;

/// The joined organisation; for a new account, also the answer to a log-in.
#[derive(Debug, Serialize, ToSchema)]
struct Joined {
    organisation: OrganisationBody,
    #[serde(flatten)]
    login: Option<LoggedIn>,
}

/// Accepts an invitation: with a name and a password as a new user, who is then logged in; otherwise as the caller.
#[utoipa::path(post, path = "/invitation/accept/", tag = "invitation", operation_id = "create_invitation_accept",
    request_body = inline(AcceptRequest),
    responses((status = 200, body = inline(Joined)), (status = 400, description = "A field is invalid"),
        (status = 404, description = "The invitation is unknown, used, expired or withdrawn")))]
pub(super) async fn accept(request: HttpRequest, services: web::Data<Services>, body: Body) -> ApiResult<HttpResponse> {
    let mut fields = body.reader();
    let InvitationToken { token } = InvitationToken::read(&mut fields, Write::Create);
    if fields.has("username") || fields.has("password") {
        return accept_as_new(&request, &services, fields, &token).await;
    }
    let caller = principal::of_request(&request)?;
    caller.refuse_keys()?;
    fields.finish()?;
    let (organisation, role) = service_invitations::join(&services, &caller.user, &token).await?;
    let mut connection = services.db.unrestricted_conn().await?;
    let organisation = OrganisationBody::of(&mut connection, organisation, role).await?;
    Ok(HttpResponse::Ok().json(Joined { organisation, login: None }))
}

async fn accept_as_new(
    request: &HttpRequest,
    services: &Services,
    mut fields: FieldReader,
    token: &str,
) -> ApiResult<HttpResponse> {
    let sent = fields.has("email");
    let NewAccount { username, email, password } = NewAccount::read_checked(&mut fields);
    fields.finish()?;
    let email = sent.then_some(email.as_str());
    let (user, organisation, role) = service_invitations::join_as_new(services, token, &username, email, password).await?;
    let session = service::sessions::open(services, user, &origin_of(request)).await?;
    let mut connection = services.db.unrestricted_conn().await?;
    let organisation = OrganisationBody::of(&mut connection, organisation, role).await?;
    let mut answer = with_cookies(services, &session);
    Ok(answer.json(Joined { organisation, login: Some(session.into()) }))
}
