//! `/slot_change/`: the history of changes of slots, and their reversal.

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::model::{SlotChange, SlotChangeAction};
use super::super::{service, store};
use crate::features::accounts::{Access, Editor, Principal, Viewer};
use crate::platform::http::{ApiResult, Filters, Page, PageRequest, timestamp};
use crate::platform::services::Services;

/// A change of the slots that answer, in answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SlotChange)]
pub struct ChangeBody {
    id: i64,
    project: i64,
    action: SlotChangeAction,
    /// The affected slots before the change.
    #[schema(value_type = Vec<Object>)]
    before: Value,
    /// The same slots after the change; one that is missing in either was created or deleted.
    #[schema(value_type = Vec<Object>)]
    after: Value,
    /// The test whose winner was promoted.
    ab_test: Option<i64>,
    /// The change that was reverted.
    reverts: Option<i64>,
    /// Null if the program made the change.
    changed_by: Option<i64>,
    #[serde(serialize_with = "timestamp::serialize")]
    ins_datetime: DateTime<Utc>,
}

impl From<SlotChange> for ChangeBody {
    fn from(change: SlotChange) -> Self {
        Self {
            id: change.id,
            project: change.project_id,
            action: change.action,
            before: change.before,
            after: change.after,
            ab_test: change.ab_test_id,
            reverts: change.reverts_id,
            changed_by: change.changed_by,
            ins_datetime: change.ins_datetime,
        }
    }
}

/// Lists the changes in the projects that the caller may see, newest first.
#[utoipa::path(get, path = "/slot_change/", tag = "deployment_slot", operation_id = "list_slot_change",
    params(("project" = Option<i64>, Query), ("page" = Option<String>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<ChangeBody>), (status = 400, description = "A filter is invalid")))]
pub async fn list(
    principal: Principal,
    services: web::Data<Services>,
    filters: Filters,
    page: PageRequest,
) -> ApiResult<web::Json<Page<ChangeBody>>> {
    let project = filters.id("project")?;
    let mut connection = services.db.conn().await?;
    let (count, rows) = store::list_changes(&mut connection, &principal, project, &page).await?;
    Ok(web::Json(page.wrap(count, rows.into_iter().map(ChangeBody::from).collect())?))
}

/// Returns a change.
#[utoipa::path(get, path = "/slot_change/{id}/", tag = "deployment_slot", operation_id = "read_slot_change",
    params(("id" = i64, Path)),
    responses((status = 200, body = ChangeBody), (status = 404, description = "Not found, or the caller has no access to it")))]
pub async fn read(access: Access<SlotChange, Viewer>) -> web::Json<ChangeBody> {
    web::Json(access.object.into())
}

/// Reverts a change: the affected slots are set to their state before it. Returns the change that results.
#[utoipa::path(post, path = "/slot_change/{id}/revert/", tag = "deployment_slot", operation_id = "create_slot_change_revert",
    params(("id" = i64, Path)),
    responses((status = 200, body = ChangeBody), (status = 400, description = "All weights would be 0"),
        (status = 404, description = "Not found, or the caller has no access to it"),
        (status = 409, description = "A running test uses one of the slots, or a model was deleted or lost its file since then")))]
pub async fn revert(access: Access<SlotChange, Editor>, services: web::Data<Services>) -> ApiResult<web::Json<ChangeBody>> {
    let mut connection = services.db.conn().await?;
    let actor = access.principal.user.id;
    Ok(web::Json(service::revert(&mut connection, access.object, actor, services.clock.now()).await?.into()))
}
