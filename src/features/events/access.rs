//! Who may report and read events: a key with the scope `predict` whatever the verb, or a person with a role in the project.

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

/// Somebody who may have to do with events at all.
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

/// An event the caller may read, or change when the verb does.
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
    /// A key was made for reporting: whether its maker may still edit the project is no matter.
    fn role_to_write(&self) -> Role {
        if self.0.key.is_some() { Role::Viewer } else { Role::Editor }
    }

    /// 403 unless the caller may report events of all these pairs of project and slot. What is not there and what is somebody
    /// else's are answered alike.
    pub async fn require(&self, known: &KnownSlots, pairs: &HashSet<(i64, i64)>) -> ApiResult<()> {
        let owners = known.of(&pairs.iter().map(|(_, slot)| *slot).collect()).await?;
        let may = |(project, slot): &(i64, i64)| {
            let owner = owners.get(slot).filter(|owner| owner.project_id == Some(*project));
            owner.and_then(|owner| self.0.role_on(*owner)).is_some_and(|role| role >= self.role_to_write())
        };
        if pairs.iter().all(may) {
            return Ok(());
        }
        Err(ApiError::forbidden("You may not report events of this project, or the deployment slot is not one of it."))
    }
}
