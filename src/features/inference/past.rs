//! Computes what a model would have answered to past requests, exactly as serving would have asked it then.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::answer::{AskedUser, Options, answers};
use super::bodies::{ListOptions, PersonalOptions};
use super::listed::ListedItem;
use super::profiles;
use super::recent_events::{MOST_ITEMS, REMEMBERED};
use super::store;
use crate::features::accounts::Tenant;
use crate::features::datasets::PREVIEWS;
use crate::features::item_metadata::{self, ItemTable, Subject, Unread};
use crate::features::models::ReadyModel;
use crate::features::projects::Project;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::memory::Promise;
use crate::platform::services::Services;

/// A request for the list of a user and nothing else.
#[derive(Debug, Clone)]
pub struct PastRequest {
    pub user: String,
    pub at: DateTime<Utc>,
}

/// The user metadata of a project, from which a model answers the users that it does not know, and the memory that it takes.
#[derive(Clone, Default)]
pub struct PastUsers(Option<Arc<(ItemTable, Promise)>>);

impl PastUsers {
    /// Reads the newest user metadata of a project, if the model uses any.
    pub async fn read(services: &Services, model: &ReadyModel, (project, tenant): (&Project, Tenant)) -> ApiResult<Self> {
        if !profiles::are_used(model, None) {
            return Ok(Self::default());
        }
        let mut connection = services.db.conn().await?;
        let newest = item_metadata::newest(&mut connection, project.id, Subject::User).await?;
        drop(connection);
        let Some(key) = newest else { return Ok(Self::default()) };
        let (blobs, memory) = (services.blobs.clone(), services.memory().promise());
        let read = move |_: &CancellationToken| {
            item_metadata::read_within(&blobs, &key, &memory, || Ok(())).map(|table| (table, memory))
        };
        match PREVIEWS.run(Some(tenant.party()), read).await? {
            Ok(read) => Ok(Self(Some(Arc::new(read)))),
            Err(Unread::Gone) => Ok(Self::default()),
            Err(error) => Err(ApiError::unavailable(&format!("user metadata cannot be read: {error}"))),
        }
    }

    fn table(&self) -> Option<&ItemTable> {
        self.0.as_deref().map(|(table, _)| table)
    }
}

/// Returns the lists that a model would have answered, in the order of the requests: with the events of the users shortly before,
/// and for unknown users by their profiles, or with the answer that the project is set to (no items for 404).
pub async fn past_lists(
    services: &Services,
    (model, users): (Arc<ReadyModel>, PastUsers),
    (project, tenant): (&Project, Tenant),
    asked: Vec<PastRequest>,
    cutoff: usize,
) -> ApiResult<Vec<Vec<String>>> {
    let named = asked.iter().map(|request| (request.user.as_str(), request.at)).unzip();
    let mut connection = services.db.conn().await?;
    let recent = store::recent_before(&mut connection, project.id, named, REMEMBERED, MOST_ITEMS).await?;
    drop(connection);
    let personal = PersonalOptions { exclude_seen: true, ..PersonalOptions::default() };
    let options = Options::of(Vec::new(), (personal, ListOptions { cutoff, ..ListOptions::default() }));
    let of_model = Arc::clone(&model);
    let with_profile = move |(request, recent): (PastRequest, Vec<String>)| {
        let profile = profiles::of_row(users.table(), &of_model, &request.user);
        AskedUser { user: request.user, interactions: Some(Arc::new(recent)), profile }
    };
    let asked: Vec<AskedUser<String>> = asked.into_iter().zip(recent).map(with_profile).collect();
    let unknown = project.fields.unknown_user;
    let work = move |stop: &CancellationToken| {
        let id = |item: ListedItem| model.items().get(item.number).to_owned();
        let ids = |list: Vec<ListedItem>| -> Vec<String> { list.into_iter().map(id).collect() };
        let answered = answers(&model, &asked, &options, unknown, stop);
        answered.into_iter().map(|answer| answer.map(|(_, list)| ids(list)).unwrap_or_default()).collect()
    };
    PREVIEWS.run(Some(tenant.party()), work).await
}
