//! Refreshes the directory when data changes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::super::error::InferenceError;
use super::super::model::Serving;
use super::handover::{Memory, Part, hand_over};
use super::{Directory, store, tables};
use crate::features::models::Items;
use crate::platform::db::{Change, ReadError};
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::known::{self, Mark};

/// Tables that decide about access only, not about what is served.
const OF_ACCESS_ONLY: [&str; 3] = ["api_keys", "memberships", "users"];
/// Changes within this time are read together.
const PAUSE: Duration = Duration::from_millis(50);
/// The time until the next attempt for a project whose slots could not all be updated.
const RETRY: Duration = Duration::from_secs(15);
/// The time until the next attempt to read what could not be read.
const REREAD: Duration = Duration::from_secs(1);
/// Projects that are read at the same time.
const READS: usize = 4;
/// Projects for which a part is loaded at the same time, one each; at most half of them those of one tenant.
pub const LOADS: usize = 4;
/// Projects that wait for such a place at the start: many, so that those of a tenant with slow ones do not keep others from it.
const AHEAD: usize = 64;

/// Changes that have not been applied yet.
#[derive(Debug, Default)]
struct Changed {
    all: bool,
    projects: HashSet<i64>,
    models: HashSet<i64>,
}

/// Queue of changes to apply.
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

/// Applies changes until cancelled.
pub async fn run(directory: Directory, stop: CancellationToken) {
    let inbox = Inbox::default();
    // Concurrently, because rows must be marked stale also while the database does not answer.
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
            if row.is_moved {
                // The rows in memory name the organisation of their project.
                shelves.models.doubt_where(|model| model.ownership.project_id == row.project_id);
            }
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

/// What remains of the changes noticed so far.
#[derive(Default)]
struct Behind {
    /// Projects that could not be read.
    unread: HashSet<i64>,
    /// The parts loaded since the last change of a project, and whether that succeeded.
    tried: HashMap<i64, HashMap<Part, bool>>,
    /// Projects with a part being loaded.
    busy: HashSet<i64>,
}

impl Behind {
    /// Forgets failed loads, so that they are tried again, and returns their projects.
    fn forget_failures(&mut self) -> HashSet<i64> {
        let mut projects = HashSet::new();
        for (project, tried) in &mut self.tried {
            let count = tried.len();
            tried.retain(|_, is_loaded| *is_loaded);
            if tried.len() < count {
                projects.insert(*project);
            }
        }
        projects
    }
}

async fn follow_changes(directory: &Directory, inbox: &Inbox) {
    let (mut behind, mut loads) = (Behind::default(), FuturesUnordered::new());
    let (mut reread, mut retry) = (every(REREAD), every(RETRY));
    loop {
        let projects: HashSet<i64> = tokio::select! {
            () = inbox.told.notified() => {
                tokio::time::sleep(PAUSE).await;
                let projects = projects_of(directory, inbox).await;
                behind.tried.retain(|project, _| !projects.contains(project));
                projects
            }
            Some((project, part, is_loaded)) = loads.next() => {
                behind.busy.remove(&project);
                behind.tried.entry(project).or_default().insert(part, is_loaded);
                HashSet::from([project])
            }
            _ = reread.tick() => behind.unread.drain().collect(),
            _ = retry.tick() => behind.forget_failures(),
        };
        let tried = &behind.tried;
        let publishing = projects.into_iter().map(|project| {
            let tried = tried.get(&project);
            async move { (project, publish(directory, project, tried).await) }
        });
        let published: Vec<_> = futures_util::stream::iter(publishing).buffer_unordered(READS).collect().await;
        for (project, lacking) in published {
            match lacking {
                Err(_) => {
                    behind.unread.insert(project);
                }
                Ok(Some(part)) if behind.busy.insert(project) => loads.push(load_for(directory, project, part)),
                Ok(_) => {}
            }
        }
    }
}

/// Returns an interval whose first tick comes after one period, and which skips missed ticks.
fn every(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    ticks
}

/// Loads a part for a project, and returns both with whether that succeeded.
async fn load_for(directory: &Directory, project: i64, part: Part) -> (i64, Part, bool) {
    let is_loaded = load(directory, project, &part).await;
    (project, part, is_loaded)
}

/// Returns the projects affected by the changes: those in memory and, if models are loaded before the first request, those with
/// an active slot.
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

/// Loads the deployed models, as far as the cache has room for them.
pub async fn preload(directory: &Directory) {
    let projects = deployed(directory).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "what is deployed could not be loaded ahead; it is loaded when asked for");
        Vec::new()
    });
    // What cannot be read now is read by the first request for it.
    let learning = |project| async move { drop(learn(directory, project).await) };
    futures_util::stream::iter(projects).for_each_concurrent(AHEAD, learning).await;
    if directory.models.is_full() {
        tracing::warn!("model_cache_bytes is used up; the models of some projects are loaded when asked for");
    }
}

async fn learn(directory: &Directory, project: i64) -> Result<(), ReadError> {
    let mut tried = HashMap::new();
    while let Some(part) = publish(directory, project, Some(&tried)).await? {
        let is_loaded = load(directory, project, &part).await;
        tried.insert(part, is_loaded);
    }
    Ok(())
}

/// Reads a project and publishes the part of it that is in memory; for the rest, the former state stays in service. Returns the
/// next part to load.
async fn publish(directory: &Directory, project: i64, tried: Option<&HashMap<Part, bool>>) -> Result<Option<Part>, ReadError> {
    loop {
        let mark = directory.shelves.projects.mark();
        let serving = known::within(known::LONGEST, directory.read_serving(project)).await?;
        // A change since then may have been published already, and must not be undone.
        if let Some(lacking) = put(directory, project, mark, serving, tried.unwrap_or(&HashMap::new())) {
            return Ok(lacking.into_iter().next());
        }
    }
}

/// Publishes the part of a project that is in memory, and returns the parts to load for the rest; `None` if something has changed
/// since the mark.
fn put(directory: &Directory, project: i64, mark: Mark, mut serving: Serving, tried: &HashMap<Part, bool>) -> Option<Vec<Part>> {
    let shelves = &directory.shelves;
    // One at a time: an older decision must not take parts out of service that have been loaded since.
    let _turn = shelves.publishing.lock().unwrap_or_else(PoisonError::into_inner);
    let before = shelves.projects.peek(&project);
    if before.is_none() && serving.slots.is_empty() {
        return Some(Vec::new());
    }
    let memory = Memory { holds: &|part| holds(directory, part), has_room: &|part| has_room(directory, part), tried };
    let mut lacking = hand_over(&mut serving, before.as_deref(), &memory);
    lacking.extend(outdated_models(directory, project, &serving).filter(|part| !tried.contains_key(part)));
    let outdated: Vec<Arc<str>> = before.iter().flat_map(|before| before.tables_not_of(&serving)).collect();
    let is_put = shelves.projects.put(mark, [(project, Arc::new(serving))]);
    if is_put {
        outdated.iter().for_each(|outdated| shelves.tables.forget(outdated));
    }
    is_put.then_some(lacking)
}

/// Returns the models of a project in memory, the most recently used first, whose new items are not those of the item metadata that
/// is served: requests for them should not be the first to notice. They answer until they have been read again.
fn outdated_models(directory: &Directory, project: i64, serving: &Serving) -> impl Iterator<Item = Part> {
    let is_outdated = move |model: &i64| {
        let known = directory.shelves.models.peek(model).filter(|known| known.ownership.project_id == Some(project));
        known.is_some_and(|known| directory.models.is_outdated(&known.row, known.tenant, Items::Of(serving.items.as_ref())))
    };
    let outdated = directory.models.ids().into_iter().rev().filter(is_outdated);
    outdated.map(move |model| Part::NewItems(model, serving.items.clone()))
}

fn holds(directory: &Directory, part: &Part) -> bool {
    match part {
        Part::Model(model) => directory.shelves.models.current(model).is_some_and(|known| directory.models.has(&known.row)),
        Part::Table(key) => directory.shelves.tables.has(key),
        // A model answers with the new items that it has.
        Part::NewItems(..) => true,
    }
}

/// Returns whether loading a part evicts no other. A model in memory whose row is stale counts as loaded.
fn has_room(directory: &Directory, part: &Part) -> bool {
    let is_in_doubt_only = |model| directory.shelves.models.peek(model).is_some_and(|known| directory.models.has(&known.row));
    !directory.models.is_full() || matches!(part, Part::Model(model) if is_in_doubt_only(model))
}

/// Loads a part for a project once its tenant has a place, and returns whether that succeeded.
async fn load(directory: &Directory, project: i64, part: &Part) -> bool {
    let _place = directory.shelves.loading.turn(party_of(directory, project, part).await).await;
    let loaded = match part {
        Part::Model(model) => load_model(directory, *model).await,
        Part::Table(key) => load_table(directory, key).await,
        Part::NewItems(model, items) => renew_model(directory, *model, Items::Of(items.as_ref())).await,
    };
    if let Err(error) = &loaded {
        tracing::warn!(project, ?part, %error, "what a project serves cannot be loaded");
    }
    loaded.is_ok()
}

/// Returns the tenant that a part is loaded for: that of the model, or of a model that the project serves.
async fn party_of(directory: &Directory, project: i64, part: &Part) -> Option<i64> {
    let model = match part {
        Part::Model(model) | Part::NewItems(model, _) => *model,
        Part::Table(_) => directory.shelves.projects.peek(&project)?.models().next()?,
    };
    directory.known_model(model).await.ok().flatten().map(|known| known.tenant.party())
}

async fn load_table(directory: &Directory, key: &Arc<str>) -> ApiResult<()> {
    let table = directory.shelves.tables.get(key, &directory.services, async || Ok(())).await?;
    table.map(drop).ok_or_else(tables::gone)
}

async fn load_model(directory: &Directory, model: i64) -> ApiResult<()> {
    let known = directory.known_model(model).await.map_err(|error| ApiError::from(&*error))?;
    let known = known.ok_or(InferenceError::NoModel(model))?;
    let items = match known.ownership.project_id {
        Some(project) => directory.read_serving(project).await.map_err(|error| ApiError::from(&error))?.items,
        None => None,
    };
    let wanted = (&known.row, known.tenant);
    directory.models.get(&directory.services, wanted, Items::Of(items.as_ref()), async || Ok(())).await?;
    Ok(())
}

async fn renew_model(directory: &Directory, model: i64, items: Items<'_>) -> ApiResult<()> {
    let known = directory.known_model(model).await.map_err(|error| ApiError::from(&*error))?;
    let known = known.ok_or(InferenceError::NoModel(model))?;
    // Not awaited: adding items may take longer than the place to load in may be held.
    directory.models.renew(&directory.services, (&known.row, known.tenant), items, async || Ok(()));
    Ok(())
}
