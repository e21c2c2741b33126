//! Decisions about configs: where one belongs, which project may use it, and when it can still be changed.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::access::{Config, load_for};
use super::model::{EvaluationConfig, SplitConfig};
use crate::features::accounts::{Ownership, Principal, Role, personal_organisation};
use crate::features::projects::{self, Project};
use crate::platform::http::{ApiError, ApiResult};

/// Returns where a new config belongs: to the project that the body names or that the caller's key is bound to, otherwise to the
/// caller's personal organisation.
pub async fn home_of_new(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
) -> ApiResult<Ownership> {
    match project.or(principal.key_project()) {
        Some(id) => {
            let project: Project = principal.load_referred(connection, "project", id, Role::Editor).await?;
            Ok(Ownership { organisation_id: project.organisation_id, project_id: Some(project.id) })
        }
        None => {
            let organisation_id = personal_organisation(connection, principal.user.id).await?;
            Ok(Ownership { organisation_id, project_id: None })
        }
    }
}

/// Returns the split config that a body about a project refers to. One that the project cannot use becomes a 400 on that field.
/// If the body names no project that can be found, it is only checked whether the caller may see the config.
pub async fn split_for(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    field: &str,
    id: i64,
    project: Option<&Project>,
) -> ApiResult<SplitConfig> {
    for_project(connection, principal, field, id, project).await
}

/// Returns the evaluation config that a body about a project refers to, as [`split_for`] does.
pub async fn evaluation_for(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    field: &str,
    id: i64,
    project: Option<&Project>,
) -> ApiResult<EvaluationConfig> {
    for_project(connection, principal, field, id, project).await
}

async fn for_project<T: Config>(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    field: &str,
    id: i64,
    project: Option<&Project>,
) -> ApiResult<T> {
    let config: T = load_for(connection, principal, id, Role::Viewer).await.map_err(|error| match error.status().as_u16() {
        404 => ApiError::field(field, format!("Invalid pk \"{id}\" - object does not exist.")),
        _ => error,
    })?;
    let Some(project) = project else { return Ok(config) };
    let (home, noun) = (config.home(), T::KIND.noun());
    let instead = format!("Make one for this project instead, with \"project\": {} in its body.", project.id);
    if home.project_id.is_some_and(|of| of != project.id) {
        return Err(ApiError::field(field, format!("This {noun} belongs to another project. {instead}")));
    }
    if home.organisation_id == project.organisation_id || may_follow::<T>(connection, principal, id, home).await? {
        return Ok(config);
    }
    Err(ApiError::field(field, format!("This {noun} belongs to another organisation. {instead}")))
}

/// Returns whether a config can move to the first project that uses it: the caller created it without a project, and nothing uses
/// it.
async fn may_follow<T: Config>(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    id: i64,
    home: Ownership,
) -> ApiResult<bool> {
    Ok(home.organisation_id == personal_organisation(connection, principal.user.id).await?
        && T::is_unused(connection, id).await?)
}

/// Moves the split config of a body to the organisation of the body's project, unless it belongs there already. Call it after
/// [`split_for`] if the whole body is valid, in the transaction that puts the config to use.
pub async fn bring_split(connection: &mut AsyncPgConnection, field: &str, id: i64, organisation: i64) -> ApiResult<()> {
    bring::<SplitConfig>(connection, field, id, organisation).await
}

/// Moves the evaluation config of a body, as [`bring_split`] does; call it after [`evaluation_for`].
pub async fn bring_evaluation(connection: &mut AsyncPgConnection, field: &str, id: i64, organisation: i64) -> ApiResult<()> {
    bring::<EvaluationConfig>(connection, field, id, organisation).await
}

async fn bring<T: Config>(connection: &mut AsyncPgConnection, field: &str, id: i64, organisation: i64) -> ApiResult<()> {
    let is_there = T::load(connection, id).await?.is_some_and(|config| config.home().organisation_id == organisation);
    if is_there || T::move_unused(connection, id, organisation).await? {
        return Ok(());
    }
    let noun = T::KIND.noun();
    Err(ApiError::field(field, format!("This {noun} has just been taken into use by another organisation. Choose another one.")))
}

/// Changes a config. Fails with 409 if more than its name would change and something was or will be measured with it.
pub async fn change<T: Config>(
    connection: &mut AsyncPgConnection,
    current: T,
    fields: T::Fields,
    at: DateTime<Utc>,
) -> ApiResult<T> {
    let id = current.id();
    connection
        .transaction(async move |connection| {
            if current.differs(&fields) {
                projects::refuse_change(connection, T::KIND, id).await?;
            }
            Ok(T::update(connection, id, fields, at).await?)
        })
        .await
}
