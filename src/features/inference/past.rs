//! Computes what a model would have answered to past requests, exactly as serving would have asked it then.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::answer::{AskedUser, Options, answers};
use super::bodies::{ListOptions, PersonalOptions};
use super::listed::ListedItem;
use super::recent_events::{MOST_ITEMS, REMEMBERED};
use super::store;
use crate::features::accounts::Tenant;
use crate::features::datasets::PREVIEWS;
use crate::features::models::ReadyModel;
use crate::features::projects::Project;
use crate::platform::http::ApiResult;
use crate::platform::services::Services;

/// A request for the list of a user and nothing else.
#[derive(Debug, Clone)]
pub struct PastRequest {
    pub user: String,
    pub at: DateTime<Utc>,
}

/// Returns the lists that a model would have answered, in the order of the requests: with the events of the users shortly before,
/// and for unknown users with the answer that the project is set to (no items for 404).
pub async fn past_lists(
    services: &Services,
    model: Arc<ReadyModel>,
    (project, tenant): (&Project, Tenant),
    asked: Vec<PastRequest>,
    cutoff: usize,
) -> ApiResult<Vec<Vec<String>>> {
    let users = asked.iter().map(|request| (request.user.as_str(), request.at)).unzip();
    let mut connection = services.db.conn().await?;
    let recent = store::recent_before(&mut connection, project.id, users, REMEMBERED, MOST_ITEMS).await?;
    drop(connection);
    let personal = PersonalOptions { exclude_seen: true, ..PersonalOptions::default() };
    let options = Options::of(Vec::new(), (personal, ListOptions { cutoff, ..ListOptions::default() }));
    let asked = asked.into_iter().zip(recent);
    let asked: Vec<AskedUser> = asked.map(|(request, recent)| (request.user, Some(Arc::new(recent)))).collect();
    let unknown = project.fields.unknown_user;
    let work = move |stop: &CancellationToken| {
        let id = |item: ListedItem| model.items().get(item.number).to_owned();
        let ids = |list: Vec<ListedItem>| -> Vec<String> { list.into_iter().map(id).collect() };
        let answered = answers(&model, &asked, &options, unknown, stop);
        answered.into_iter().map(|answer| answer.map(|(_, list)| ids(list)).unwrap_or_default()).collect()
    };
    PREVIEWS.run(Some(tenant.party()), work).await
}
