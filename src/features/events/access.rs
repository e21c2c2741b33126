//! Who may report and read events: a key with the scope `predict` whatever the verb, or a person with a role in the project.

use std::collections::HashSet;
use std::future::{Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use super::model::ConversionEvent;
use super::store;
use crate::features::accounts::{Guarded, Principal, Role, Scope, caller_of};
use crate::features::projects::Project;
use crate::platform::db::Connection;
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
    pub async fn require(&self, connection: &mut Connection, pairs: &HashSet<(i64, i64)>) -> ApiResult<()> {
        let projects: HashSet<i64> = pairs.iter().map(|(project, _)| *project).collect();
        for project in projects {
            let role = Project::load(connection, project).await?.and_then(|(_, ownership)| self.0.role_on(ownership));
            if role.is_none_or(|role| role < self.role_to_write()) {
                return Err(ApiError::forbidden("You may not report events of this project."));
            }
        }
        let slots: Vec<i64> = pairs.iter().map(|(_, slot)| *slot).collect();
        let known = store::projects_of_slots(connection, &slots).await?;
        match pairs.iter().all(|(project, slot)| known.get(slot) == Some(project)) {
            true => Ok(()),
            false => Err(ApiError::forbidden("This deployment slot does not belong to the project.")),
        }
    }
}
