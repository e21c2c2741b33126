//! Makes the directory follow what changes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::super::error::InferenceError;
use super::super::model::{Serving, Slot};
use super::{Directory, store};
use crate::platform::db::{Change, ReadError};
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::known;

/// Tables that say who may ask, and nothing about what is served.
const OF_ACCESS_ONLY: [&str; 2] = ["api_keys", "users"];
/// Changes that come in a burst are followed once.
const PAUSE: Duration = Duration::from_millis(50);
/// How soon to look again at a project whose slots could not all follow.
const RETRY: Duration = Duration::from_secs(15);
/// How soon to look again at what could not be read.
const REREAD: Duration = Duration::from_secs(1);

/// What has changed and is still to be followed.
#[derive(Debug, Default)]
struct Changed {
    all: bool,
    projects: HashSet<i64>,
    models: HashSet<i64>,
}

/// Where changes wait to be followed.
#[derive(Default)]
struct Inbox {
    changed: Mutex<Changed>,
    told: Notify,
}

impl Inbox {
    fn add(&self, note: impl FnOnce(&mut Changed)) {
        note(&mut self.changed.lock().unwrap_or_else(PoisonError::into_inner));
        self.told.notify_one();
    }

    fn take(&self) -> Changed {
        std::mem::take(&mut self.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Follows changes until told to stop.
pub async fn run(directory: Directory, stop: CancellationToken) {
    let inbox = Inbox::default();
    // At the same time: what has changed is put in doubt also while the database does not answer.
    let work = async { tokio::join!(note_changes(&directory, &inbox), follow_changes(&directory, &inbox)) };
    stop.run_until_cancelled(work).await;
}

async fn note_changes(directory: &Directory, inbox: &Inbox) {
    let mut changes = directory.services.db.changes();
    while let Some(change) = changes.next().await {
        note(directory, inbox, change);
    }
}

fn note(directory: &Directory, inbox: &Inbox, change: Change) {
    let shelves = &directory.shelves;
    match change {
        Some(row) if OF_ACCESS_ONLY.contains(&row.table.as_str()) => {}
        Some(row) if row.table == "trained_models" => {
            shelves.models.doubt(&row.id);
            shelves.missing.invalidate(&row.id);
            inbox.add(|changed| {
                changed.models.insert(row.id);
            });
        }
        Some(row) if row.project_id.is_some() => {
            let project = row.project_id.unwrap_or_default();
            shelves.projects.outdate(&project);
            inbox.add(|changed| {
                changed.projects.insert(project);
            });
        }
        _ => {
            shelves.models.doubt_all();
            shelves.missing.invalidate_all();
            shelves.projects.outdate_all();
            inbox.add(|changed| changed.all = true);
        }
    }
}

async fn follow_changes(directory: &Directory, inbox: &Inbox) {
    // Projects to look at again because they could not be read, or because not all of their models could be loaded.
    let (mut unread, mut behind) = (HashSet::new(), HashSet::new());
    loop {
        let wait = match (unread.is_empty(), behind.is_empty()) {
            (false, _) => REREAD,
            (true, false) => RETRY,
            (true, true) => Duration::MAX,
        };
        let mut projects: HashSet<i64> = match tokio::time::timeout(wait, inbox.told.notified()).await {
            Ok(()) => {
                tokio::time::sleep(PAUSE).await;
                projects_of(directory, inbox).await
            }
            Err(_) if unread.is_empty() => behind.clone(),
            Err(_) => HashSet::new(),
        };
        projects.extend(unread.drain());
        for project in projects {
            behind.remove(&project);
            let retried = match learn(directory, project).await {
                Ok(true) => continue,
                Ok(false) => &mut behind,
                Err(_) => &mut unread,
            };
            retried.insert(project);
        }
    }
}

/// The projects that what has changed is about: the known ones and, where models are loaded before they are asked for, those
/// with something deployed.
async fn projects_of(directory: &Directory, inbox: &Inbox) -> HashSet<i64> {
    let changed = inbox.take();
    let known = directory.shelves.projects.all();
    let ahead = directory.services.settings.preload_models;
    let concerned = |project: &i64, serving: &Serving| {
        changed.all || changed.projects.contains(project) || serving.models().any(|model| changed.models.contains(&model))
    };
    let mut projects: HashSet<i64> =
        known.iter().filter(|(project, serving)| concerned(project, serving.as_ref())).map(|(project, _)| *project).collect();
    if ahead {
        projects.extend(&changed.projects);
    }
    if ahead && changed.all {
        match deployed(directory).await {
            Ok(deployed) => projects.extend(deployed),
            Err(error) => {
                tracing::warn!(%error, "which projects have something deployed could not be read; it will be tried again");
                tokio::time::sleep(REREAD).await;
                inbox.add(|changed| changed.all = true);
            }
        }
    }
    projects
}

async fn deployed(directory: &Directory) -> Result<Vec<i64>, ReadError> {
    let read = async { Ok(store::deployed_projects(&mut *directory.services.db.conn().await?).await?) };
    known::within(known::LONGEST, read).await
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
        // What cannot be read is read when it is asked for.
        let _ = learn(directory, *project).await;
    }
}

/// Reads a project and puts what is new about it into service once it is in memory: until then what it had goes on
/// serving. Whether all of it could be loaded; a slot whose new model cannot keeps the model it had.
async fn learn(directory: &Directory, project: i64) -> Result<bool, ReadError> {
    loop {
        let mark = directory.shelves.projects.mark();
        let mut serving = known::within(known::LONGEST, directory.read_serving(project)).await?;
        let before = directory.shelves.projects.peek(&project);
        if before.is_none() && serving.slots.is_empty() {
            return Ok(true);
        }
        let mut is_complete = true;
        for slot in &mut serving.slots {
            is_complete &= follow(directory, project, slot, before.as_deref()).await;
        }
        let outdated = before.and_then(|before| before.items.clone()).filter(|before| serving.items.as_ref() != Some(before));
        if outdated.as_ref().is_some_and(|before| directory.shelves.tables.has(before))
            && let Err(error) = directory.items(&serving, async || Ok(())).await
        {
            tracing::warn!(project, %error, "the item metadata of a project cannot be loaded");
        }
        // What changed while this was read may have been followed before this came to it, and must not be undone.
        if directory.shelves.projects.put(mark, [(project, Arc::new(serving))]) {
            if let Some(outdated) = outdated {
                directory.shelves.tables.forget(&outdated);
            }
            return Ok(is_complete);
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
    let known = directory.known_model(model).await.map_err(|error| ApiError::from(&*error))?;
    let known = known.ok_or(InferenceError::NoModel(model))?;
    directory.models.get(&directory.services, &known.row, async || Ok(())).await?;
    Ok(())
}
