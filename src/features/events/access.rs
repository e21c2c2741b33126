//! Access to events: a key with the scope `predict`, with any HTTP method, or a user with a role in the project.

use std::collections::HashSet;
use std::future::{Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use super::model::ConversionEvent;
use super::slots::KnownSlots;
use crate::features::accounts::{Principal, Role, Scope, caller_of};
use crate::platform::http::{ApiError, ApiResult, Filters};
use crate::platform::services::Services;

/// A caller who may access events of some project.
#[derive(Debug, Clone)]
pub struct Reporter(pub Principal);

impl FromRequest for Reporter {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(reporter(request))
    }
}

fn reporter(request: &HttpRequest) -> ApiResult<Reporter> {
    let principal = caller_of(request)?;
    principal.require_scope(Scope::Predict)?;
    Ok(Reporter(principal))
}

/// An event that the caller may read, or change if the method is not a safe one.
pub struct EventAccess {
    pub object: ConversionEvent,
    pub reporter: Reporter,
}

impl FromRequest for EventAccess {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = ApiResult<Self>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let reporter = reporter(request);
        let services = request.app_data::<web::Data<Services>>().cloned();
        let id = request.match_info().get("id").and_then(|text| text.parse().ok());
        let writes = !request.method().is_safe();
        let filters = Filters::from_query(request.query_string());
        Box::pin(async move {
            let reporter = reporter?;
            let services = services.ok_or_else(|| ApiError::internal(&"the services are not part of the application"))?;
            let mut connection = services.db.conn().await?;
            let role = if writes { reporter.role_to_write() } else { Role::Viewer };
            let id = id.ok_or_else(ApiError::not_found)?;
            let object = reporter.0.load_asked(&mut connection, id, role, filters).await?;
            Ok(Self { object, reporter })
        })
    }
}

impl Reporter {
    /// Returns the role needed to write. A key was created for reporting: its creator need no longer be an editor of the project.
    fn role_to_write(&self) -> Role {
        if self.0.key.is_some() { Role::Viewer } else { Role::Editor }
    }

    /// Fails with 403 unless the caller may report events for all these pairs of project and slot. Missing objects and those of
    /// other organisations get the same answer.
    pub async fn require(&self, known: &KnownSlots, pairs: &HashSet<(i64, i64)>) -> ApiResult<()> {
        let owners = known.of(&pairs.iter().map(|(_, slot)| *slot).collect()).await?;
        let may = |(project, slot): &(i64, i64)| {
            let owner = owners.get(slot).filter(|owner| owner.project_id == Some(*project));
            owner.and_then(|owner| self.0.role_on(*owner)).is_some_and(|role| role >= self.role_to_write())
        };
        if pairs.iter().all(may) {
            return Ok(());
        }
        Err(ApiError::forbidden("You may not report events for this project, or the deployment slot does not belong to it."))
    }
}
