//! What a model would have answered to requests of the past, as serving would have asked it then.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::answer::{Options, answers};
use super::recent_events::{MOST_ITEMS, REMEMBERED};
use super::store;
use crate::features::models::{ModelError, ReadyModel};
use crate::features::projects::Project;
use crate::platform::http::ApiResult;
use crate::platform::services::Services;

/// A request for the list of a user and nothing else.
#[derive(Debug, Clone)]
pub struct PastRequest {
    pub user: String,
    pub at: DateTime<Utc>,
}

/// The lists that a model would have answered, in the order of the requests: with what the users had clicked or bought shortly
/// before, and for somebody it does not know what the project is set to answer (no items where that is 404).
pub async fn past_lists(
    services: &Services,
    model: Arc<ReadyModel>,
    project: &Project,
    asked: Vec<PastRequest>,
    cutoff: usize,
) -> ApiResult<Vec<Vec<String>>> {
    let whom = asked.iter().map(|request| (request.user.as_str(), request.at)).unzip();
    let mut connection = services.db.conn().await?;
    let recent = store::recent_before(&mut connection, project.id, whom, REMEMBERED, MOST_ITEMS).await?;
    drop(connection);
    let options = |interactions| Options { cutoff, interactions, exclude_seen: true, ..Options::default() };
    let asked: Vec<(String, Options)> =
        asked.into_iter().zip(recent).map(|(request, recent)| (request.user, options(recent))).collect();
    let unknown = project.unknown_user;
    let work = move || answers(&model, &asked, unknown, &CancellationToken::new());
    let answered = tokio::task::spawn_blocking(work).await.map_err(|error| ModelError::Crashed(error.to_string()))?;
    let ids = |list: Vec<super::listed::ListedItem>| list.into_iter().map(|item| item.item_id).collect();
    Ok(answered.into_iter().map(|answer| answer.map(|(_, list)| ids(list)).unwrap_or_default()).collect())
}
