//! Hears of changes and makes the directory follow.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt};
use tokio_util::sync::CancellationToken;

use super::store::Slot;
use super::{Directory, Serving, store};
use crate::features::models::TrainedModel;
use crate::platform::db::Notification;
use crate::platform::http::ApiResult;

/// The channel that the triggers of the tables behind the directory notify on.
const CHANNEL: &str = "recotem_serving";
/// Tables that say what is served, and nothing about who may ask for it.
const OF_SERVING_ONLY: [&str; 4] = ["deployment_slots", "ab_tests", "trained_models", "item_meta_data"];
/// Changes that come in a burst are followed once.
const PAUSE: Duration = Duration::from_millis(50);
/// How soon to look again at a project whose slots could not all follow.
const RETRY: Duration = Duration::from_secs(15);

/// Follows changes until told to stop.
pub async fn run(directory: Directory, stop: CancellationToken) {
    let mut changes = directory.services.db.listen(&[CHANNEL]);
    let mut behind = HashSet::new();
    let follow = async {
        loop {
            let wait = if behind.is_empty() { Duration::MAX } else { RETRY };
            let projects = match tokio::time::timeout(wait, changes.next()).await {
                Ok(Some(first)) => changed(&directory, first, &mut changes).await,
                Ok(None) => return,
                Err(_) => Some(behind.clone()),
            };
            for project in projects_of(&directory, projects).await {
                if learn(&directory, project).await {
                    behind.remove(&project)
                } else {
                    behind.insert(project)
                };
            }
        }
    };
    stop.run_until_cancelled(follow).await;
}

/// The projects that a burst of changes is about; none stands for all.
async fn changed(
    directory: &Directory,
    first: Notification,
    more: &mut (impl Stream<Item = Notification> + Unpin),
) -> Option<HashSet<i64>> {
    // Keys and models are read again from now on, whatever becomes of the rest.
    let mark = |change: &Notification| {
        if may_be_about_access(change) {
            directory.shelves.access_generation.fetch_add(1, Ordering::AcqRel);
        }
        directory.shelves.generation.fetch_add(1, Ordering::AcqRel);
    };
    mark(&first);
    tokio::time::sleep(PAUSE).await;
    let mut projects = project_of(&first).map(|project| HashSet::from([project]));
    while let Some(Some(next)) = more.next().now_or_never() {
        mark(&next);
        projects = projects.zip(project_of(&next)).map(|(mut projects, project)| {
            projects.insert(project);
            projects
        });
    }
    projects
}

/// The project that a change is about, if it is about one.
fn project_of(change: &Notification) -> Option<i64> {
    told(change)?.get("project_id")?.as_i64()
}

/// Whether somebody may now do more or less than before.
fn may_be_about_access(change: &Notification) -> bool {
    let table = told(change).and_then(|told| told.get("table")?.as_str().map(str::to_owned));
    table.is_none_or(|table| !OF_SERVING_ONLY.contains(&table.as_str()))
}

/// What a trigger tells of a change.
fn told(change: &Notification) -> Option<serde_json::Value> {
    let Notification::Message { payload, .. } = change else { return None };
    serde_json::from_str(payload).ok()
}

/// Those of the changed projects that matter here: the known ones and, where models are loaded before they are asked for,
/// those with something deployed.
async fn projects_of(directory: &Directory, changed: Option<HashSet<i64>>) -> HashSet<i64> {
    let mut projects: HashSet<i64> = directory.shelves.projects.iter().map(|(project, _)| *project).collect();
    if directory.services.settings.preload_models {
        match deployed(directory).await {
            Ok(deployed) => projects.extend(deployed),
            Err(error) => tracing::warn!(%error, "which projects have something deployed could not be read"),
        }
    }
    match changed {
        Some(changed) => projects.intersection(&changed).copied().collect(),
        None => projects,
    }
}

async fn deployed(directory: &Directory) -> ApiResult<Vec<i64>> {
    Ok(store::deployed_projects(&mut *directory.services.db.conn().await?).await?)
}

/// Loads what is deployed, as far as the cache has room for it.
pub async fn preload(directory: &Directory) {
    let projects = deployed(directory).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "what is deployed could not be loaded ahead; it is loaded when asked for");
        Vec::new()
    });
    for (done, project) in projects.iter().enumerate() {
        if directory.models.is_full() {
            let left = projects.len() - done;
            tracing::warn!(
                projects = left,
                "model_cache_bytes is used up; the models of some projects are loaded when asked for"
            );
            return;
        }
        learn(directory, *project).await;
    }
}

/// Reads a project and puts what is new about it into service once it is in memory: until then what it had goes on
/// serving. Whether all of it could be loaded; a slot whose new model cannot keeps the model it had.
async fn learn(directory: &Directory, project: i64) -> bool {
    loop {
        let generation = directory.generation();
        let Ok(mut serving) = directory.read_serving(project).await else { return false };
        let before = directory.shelves.projects.get(&project);
        let mut is_complete = true;
        for slot in &mut serving.slots {
            is_complete &= follow(directory, project, slot, before.as_deref()).await;
        }
        let outdated = before.and_then(|before| before.items.clone()).filter(|before| serving.items.as_ref() != Some(before));
        if outdated.as_ref().is_some_and(|before| directory.shelves.tables.has(before))
            && let Err(error) = directory.items(&serving).await
        {
            tracing::warn!(project, %error, "the item metadata of a project cannot be loaded");
        }
        directory.shelves.projects.insert(project, Arc::new(serving));
        if let Some(outdated) = outdated {
            directory.shelves.tables.forget(&outdated);
        }
        // Whoever changed something while this was read may have been followed before this came to it.
        if generation == directory.generation() {
            return is_complete;
        }
    }
}

/// Loads the model of a slot, or leaves the slot with the model it had.
async fn follow(directory: &Directory, project: i64, slot: &mut Slot, before: Option<&Serving>) -> bool {
    let Err(error) = load(directory, slot.trained_model_id).await else { return true };
    tracing::warn!(project, slot = slot.id, model = slot.trained_model_id, %error, "the model of a slot cannot be loaded");
    if let Some(before) = before.and_then(|before| before.slots.iter().find(|before| before.id == slot.id)) {
        slot.trained_model_id = before.trained_model_id;
    }
    false
}

async fn load(directory: &Directory, model: i64) -> ApiResult<()> {
    let row: TrainedModel = directory.read_model(model).await?.row;
    directory.models.get(&directory.services, &row).await?;
    Ok(())
}
