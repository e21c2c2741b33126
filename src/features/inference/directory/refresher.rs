//! Hears of changes and makes the directory follow.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::{Directory, Serving};
use crate::features::models::TrainedModel;
use crate::platform::http::ApiResult;

/// The channel that the triggers of the tables behind the directory notify on.
const CHANNEL: &str = "recotem_serving";
/// Changes that come in a burst are followed once.
const PAUSE: Duration = Duration::from_millis(50);

/// Follows changes until told to stop.
pub async fn run(directory: Directory, stop: CancellationToken) {
    let mut changes = directory.services.db.listen(&[CHANNEL]);
    while let Some(Some(_)) = stop.run_until_cancelled(changes.next()).await {
        // Keys and models are read again from now on, whatever becomes of the rest.
        directory.shelves.generation.fetch_add(1, Ordering::AcqRel);
        let follow = async {
            tokio::time::sleep(PAUSE).await;
            refresh(&directory).await;
        };
        if stop.run_until_cancelled(follow).await.is_none() {
            return;
        }
    }
}

/// Reads every known project again. What a project had goes on serving until what is new is in memory.
async fn refresh(directory: &Directory) {
    let projects: Vec<i64> = directory.shelves.projects.iter().map(|(project, _)| *project).collect();
    for project in projects {
        let Ok(serving) = directory.read_serving(project).await else { continue };
        for slot in &serving.slots {
            if let Err(error) = load(directory, slot.trained_model_id).await {
                tracing::warn!(project, slot = slot.id, model = slot.trained_model_id, %error, "the model of a slot cannot be loaded");
            }
        }
        let before = directory.shelves.projects.get(&project).and_then(|before| before.items.clone());
        let outdated = before.filter(|before| serving.items.as_ref() != Some(before));
        if outdated.as_ref().is_some_and(|before| directory.shelves.tables.has(before))
            && let Err(error) = directory.items(&serving).await
        {
            tracing::warn!(project, %error, "the item metadata of a project cannot be loaded");
        }
        swap(directory, project, serving);
        if let Some(outdated) = outdated {
            directory.shelves.tables.forget(&outdated);
        }
    }
}

/// A slot whose new model cannot be loaded keeps the model it had.
fn swap(directory: &Directory, project: i64, mut serving: Serving) {
    let loaded = directory.models.ids();
    if let Some(old) = directory.shelves.projects.get(&project) {
        for slot in serving.slots.iter_mut().filter(|slot| !loaded.contains(&slot.trained_model_id)) {
            if let Some(before) = old.slots.iter().find(|before| before.id == slot.id) {
                slot.trained_model_id = before.trained_model_id;
            }
        }
    }
    directory.shelves.projects.insert(project, Arc::new(serving));
}

async fn load(directory: &Directory, model: i64) -> ApiResult<()> {
    let row: TrainedModel = directory.read_model(model).await?.row;
    directory.models.get(&directory.services, &row).await?;
    Ok(())
}
