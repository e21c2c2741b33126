//! All that answers predictions in one process, and the way of a request through it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::answer::{self, Answer, Options, Strategy, answer, answers};
use super::directory::{Directory, ServedModel, Serving};
use super::error::InferenceError;
use super::filter::{Admitted, Filters};
use super::limits::{Limits, Target};
use super::listed::{self, ListedItem};
use super::observer::Observer;
use super::recent_events::RecentEvents;
use crate::features::accounts::{KeyGrant, Scope};
use crate::features::api_keys::{KnownKey, KnownKeys};
use crate::features::models::{ModelCache, ReadyModel};
use crate::platform::computing::Computing;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// Items that are scored one by one in less time than handing the question to another thread takes.
const FEW: usize = 4_096;

/// Most bytes of item metadata in one answer.
const LARGEST_METADATA: usize = 16 << 20;

/// What answers predictions. One of these is made at start and handed to every HTTP worker as application data.
pub struct Inference {
    pub directory: Directory,
    pub observer: Observer,
    pub keys: KnownKeys,
    recent: RecentEvents,
    filters: Filters,
    limits: Limits,
    computing: Computing,
    models: Arc<ModelCache>,
    services: Services,
}

impl Inference {
    /// Keeps up with the database until `stop` is cancelled.
    pub fn start(services: &Services, models: Arc<ModelCache>, keys: KnownKeys, stop: &CancellationToken) -> Arc<Self> {
        Arc::new_cyclic(|inference| Self {
            observer: Observer::start(services, inference.clone()),
            directory: Directory::start(services, models.clone(), &keys, stop.clone()),
            keys,
            recent: RecentEvents::start(services, stop.clone()),
            filters: Filters::new(),
            limits: Limits::new(&services.settings),
            computing: Computing::of_machine(),
            models,
            services: services.clone(),
        })
    }

    /// Returns what a key that came from a network stands for, with the scope for it and within its limits for what it asks.
    pub async fn admit(&self, key: &str, network: &str, target: Target) -> ApiResult<Arc<KnownKey>> {
        let now = self.services.clock.now();
        let caller = self.caller(key, network).await?;
        caller.principal.require_scope(Scope::Predict)?;
        let key = caller.principal.key.as_ref().ok_or_else(ApiError::key_not_valid)?;
        if !self.is_there(&caller, key, target, now).await? {
            self.limits.admit_missing(key, now)?;
        }
        self.limits.admit(key, target, now)?;
        Ok(caller)
    }

    /// Returns what a key stands for. Those that are not valid are counted by network; valid ones are accepted from there all the
    /// same.
    async fn caller(&self, key: &str, network: &str) -> ApiResult<Arc<KnownKey>> {
        let found = self.keys.counted(key, network, self.keys.caller(key)).await;
        found.map_err(|error| self.limits.worded(error))
    }

    /// Whether there is what a key asks; of projects there is its own only. Refused where the key has asked for too much that
    /// there is not: each of these takes a look into the database.
    async fn is_there(&self, caller: &KnownKey, key: &KeyGrant, target: Target, now: DateTime<Utc>) -> ApiResult<bool> {
        match target.id {
            None => Ok(true),
            Some(project) if target.kind == Target::OF_PROJECT => Ok(caller.principal.key_project() == Some(project)),
            Some(model) if self.directory.is_known(model) => Ok(true),
            Some(model) => {
                self.limits.check_missing(key, now)?;
                // What cannot be found out now is said by what asks next.
                Ok(self.directory.exists(model).await.unwrap_or(true))
            }
        }
    }

    /// How the project of a model is served.
    pub async fn serving(&self, model: &ServedModel) -> ApiResult<Arc<Serving>> {
        match model.ownership.project_id {
            Some(project) => self.directory.serving(project).await,
            None => Ok(Arc::new(Serving::nothing())),
        }
    }

    /// The list for one user, or for somebody without a name.
    pub async fn for_one(
        &self,
        model: &ServedModel,
        user: Option<String>,
        options: Options,
        serving: &Serving,
    ) -> ApiResult<Answer> {
        let ready = self.models.get(&self.services, &model.row).await?;
        let options = self.with_recent(model, user.as_deref(), options);
        let options = self.filtered(&ready, options, serving).await?;
        let (unknown, with_metadata) = (serving.unknown_users, options.with_metadata);
        let mut answered = if is_quick(&ready, &options) {
            answer(&ready, user.as_deref(), &options, unknown)
        } else {
            let work = move |_: &CancellationToken| answer(&ready, user.as_deref(), &options, unknown);
            self.computing.run(model.ownership.project_id, work).await?
        };
        if with_metadata {
            self.describe(serving, answered.iter_mut()).await?;
        }
        Ok(answered)
    }

    /// The lists for many users, in their order.
    pub async fn for_many(
        &self,
        model: &ServedModel,
        users: Vec<String>,
        options: Options,
        serving: &Serving,
    ) -> ApiResult<Vec<Answer>> {
        let (unknown, with_metadata) = (serving.unknown_users, options.with_metadata);
        let ready = self.models.get(&self.services, &model.row).await?;
        let options = self.filtered(&ready, options, serving).await?;
        let asked = users.into_iter().map(|user| {
            let options = self.with_recent(model, Some(&user), options.clone());
            (user, options)
        });
        let asked: Vec<(String, Options)> = asked.collect();
        let work = move |stop: &CancellationToken| answers(&ready, &asked, unknown, stop);
        let mut answered = self.computing.run(model.ownership.project_id, work).await?;
        if with_metadata {
            self.describe(serving, answered.iter_mut().flatten()).await?;
        }
        Ok(answered)
    }

    /// The items most like some others as a group.
    pub async fn related(
        &self,
        model: &ServedModel,
        items: Vec<String>,
        options: Options,
        serving: &Serving,
    ) -> ApiResult<Answer> {
        let ready = self.models.get(&self.services, &model.row).await?;
        let options = self.filtered(&ready, options, serving).await?;
        let with_metadata = options.with_metadata;
        let work = move |_: &CancellationToken| answer::related(&ready, &items, &options);
        let mut answered = Some(self.computing.run(model.ownership.project_id, work).await?);
        if with_metadata {
            self.describe(serving, answered.iter_mut()).await?;
        }
        Ok(answered)
    }

    /// The same wishes with the items that their filter admits; 422 when it asks for what is not known about items.
    async fn filtered(&self, model: &Arc<ReadyModel>, options: Options, serving: &Serving) -> ApiResult<Options> {
        let Some(filter) = &options.filter else { return Ok(options) };
        let table = self.directory.items(serving).await?.ok_or_else(InferenceError::no_metadata)?;
        if let Some(field) = filter.unknown_field(&table) {
            return Err(InferenceError::unknown_field(field, table.columns()).into());
        }
        let admitted = Some(self.filters.admitted(filter, model, &table).await?);
        Ok(Options { admitted, ..options })
    }

    /// Says of each item what is known about it.
    async fn describe(&self, serving: &Serving, lists: impl Iterator<Item = &mut (Strategy, Vec<ListedItem>)>) -> ApiResult<()> {
        let table = self.directory.items(serving).await?;
        let mut room = LARGEST_METADATA;
        for (_, list) in lists {
            listed::describe(table.as_ref(), list, &mut room).ok_or(InferenceError::TooMuchMetadata(LARGEST_METADATA))?;
        }
        Ok(())
    }

    /// The same wishes with what the user has lately clicked or bought among the interactions.
    fn with_recent(&self, model: &ServedModel, user: Option<&str>, options: Options) -> Options {
        let events = model.ownership.project_id.zip(user).and_then(|(project, user)| self.recent.of(project, user));
        let Some(events) = events else { return options };
        let interactions = events.iter().cloned().chain(options.interactions).collect();
        Options { interactions, ..options }
    }
}

/// Whether the answer takes less time than handing the question to another thread: lists from an index of factors and those
/// from a few neighbours of a session do.
fn is_quick(model: &ReadyModel, options: &Options) -> bool {
    let is_quick = match model {
        ReadyModel::Matrix(model) => model.model.factors().is_some() && options.interactions.is_empty(),
        ReadyModel::Sessions(model) => model.is_quick(),
    };
    let few = |admitted: &Arc<Admitted>| admitted.items.len() <= FEW;
    is_quick && options.diversity == 0.0 && !options.explain && options.admitted.as_ref().is_none_or(few)
}
