//! `/auth/sessions/`: the sessions of the caller.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::features::accounts::model::LoginSession;
use crate::features::accounts::principal::Principal;
use crate::features::accounts::store::sessions;
use crate::platform::http::{ApiError, ApiResult, timestamp};
use crate::platform::services::Services;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/auth/sessions/").route(web::get().to(list)))
        .service(web::resource("/auth/sessions/{id}/").route(web::delete().to(delete)));
}

/// One log-in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionBody {
    id: i64,
    #[serde(serialize_with = "timestamp::serialize")]
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    last_used_at: DateTime<Utc>,
    address: String,
    user_agent: String,
    /// Whether it is the session of this request.
    current: bool,
}

impl SessionBody {
    fn new(session: LoginSession, current: Option<i64>) -> Self {
        Self {
            current: current == Some(session.id),
            id: session.id,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            address: session.address,
            user_agent: session.user_agent,
        }
    }
}

/// Lists the caller's sessions, the latest first.
#[utoipa::path(get, path = "/auth/sessions/", tag = "auth", operation_id = "list_auth_sessions",
    responses((status = 200, body = Vec<SessionBody>)))]
pub(super) async fn list(principal: Principal, services: web::Data<Services>) -> ApiResult<HttpResponse> {
    principal.refuse_keys()?;
    let mut connection = services.db.conn().await?;
    let rows = sessions::of_user(&mut connection, &principal.user, services.clock.now()).await?;
    let mine: Vec<SessionBody> = rows.into_iter().map(|row| SessionBody::new(row, principal.session_id)).collect();
    Ok(HttpResponse::Ok().json(mine))
}

/// Ends one of the caller's sessions; its tokens become invalid at once.
#[utoipa::path(delete, path = "/auth/sessions/{id}/", tag = "auth", operation_id = "delete_auth_sessions", params(("id" = i64, Path)),
    responses((status = 204, description = "Ended"), (status = 404, description = "Not found, or the caller has no access to it")))]
pub(super) async fn delete(
    principal: Principal,
    services: web::Data<Services>,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    principal.refuse_keys()?;
    let id = id.parse().map_err(|_| ApiError::not_found())?;
    let mut connection = services.db.conn().await?;
    if !sessions::revoke(&mut connection, principal.user.id, id, services.clock.now()).await? {
        return Err(ApiError::not_found());
    }
    Ok(HttpResponse::NoContent().finish())
}
