//! Predictions of one process: authorises requests and selects the model that answers.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::answer::{Options, Strategy};
use super::answerer::Answerer;
use super::directory::ServedModel;
use super::error::InferenceError;
use super::exploration::Share;
use super::limits::{Limits, Target};
use super::listed::List;
use super::model::{Serving, Slot};
use super::observer::{Asked, Observer};
use crate::features::accounts::{KeyGrant, Scope};
use crate::features::api_keys::{KnownKey, KnownKeys};
use crate::features::models::ModelCache;
use crate::platform::clock::Clock;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// The predictions of one process. One instance is created at start and given to every HTTP worker as application data.
pub struct Inference {
    answerer: Arc<Answerer>,
    observer: Observer,
    limits: Limits,
    keys: KnownKeys,
    clock: Clock,
}

/// A list from a slot of a project.
pub struct SlotAnswer {
    pub request_id: Uuid,
    pub slot: Slot,
    pub strategy: Strategy,
    pub items: List,
}

impl Inference {
    /// Starts answering, and refreshes caches from the database until `stop` is cancelled.
    pub fn start(services: &Services, models: Arc<ModelCache>, keys: KnownKeys, stop: &CancellationToken) -> Arc<Self> {
        let answerer = Arc::new(Answerer::start(services, models, &keys, stop));
        let observer = Observer::start(services, Arc::clone(&answerer));
        let limits = Limits::new(&services.settings);
        Arc::new(Self { answerer, observer, limits, keys, clock: services.clock.clone() })
    }

    /// Authenticates a key with the scope for predictions, and counts the call against its limits. `network` returns the network
    /// of the client: invalid keys are counted per network, valid keys are accepted from there all the same.
    pub async fn admit(&self, key: &str, network: impl FnOnce() -> String, target: Target) -> ApiResult<Arc<KnownKey>> {
        let now = self.clock.now();
        let caller = self.keys.caller(key, network).await.map_err(|error| self.limits.worded(error))?;
        caller.principal.require_scope(Scope::Predict)?;
        let key = caller.principal.key.as_ref().ok_or_else(ApiError::key_not_valid)?;
        if !self.is_there(&caller, key, target, now).await? {
            self.limits.admit_missing(key, now)?;
        }
        self.limits.admit(key, target, now)?;
        Ok(caller)
    }

    /// Returns whether the target exists; for projects, only the key's own does. Fails if the key has asked for too many missing
    /// targets, as each of these costs a query.
    async fn is_there(&self, caller: &KnownKey, key: &KeyGrant, target: Target, now: DateTime<Utc>) -> ApiResult<bool> {
        let directory = &self.answerer.directory;
        match target.id {
            None => Ok(true),
            Some(project) if target.kind == Target::OF_PROJECT => Ok(caller.principal.key_project() == Some(project)),
            Some(model) if directory.is_known(model) => Ok(true),
            Some(model) => {
                self.limits.check_missing(key, now)?;
                // If this fails, the next step reports the error.
                Ok(directory.exists(model).await.unwrap_or(true))
            }
        }
    }

    /// Returns the list of a model for a user, or for a request without one, and its strategy; 404 if the model does not know the
    /// user and the project is set to say so.
    pub async fn for_one(
        &self,
        caller: &KnownKey,
        model: i64,
        user: Option<&str>,
        options: Options,
    ) -> ApiResult<(Option<Strategy>, List)> {
        let (model, serving) = self.asked(caller, model).await?;
        match (self.answerer.for_one(&model, user, options, &serving).await?, user) {
            ((None, _), Some(user)) => Err(InferenceError::UnknownUser(user.to_owned()).into()),
            (answer, _) => Ok(answer),
        }
    }

    /// Returns the lists of a model for many users, in their order, with their strategies.
    pub async fn for_many(
        &self,
        caller: &KnownKey,
        model: i64,
        users: Vec<String>,
        options: Options,
    ) -> ApiResult<Vec<(Option<Strategy>, List)>> {
        let (model, serving) = self.asked(caller, model).await?;
        self.answerer.for_many(&model, users, options, &serving).await
    }

    /// Returns the items that a model finds most similar to a group of items, and the strategy of the list.
    pub async fn related(
        &self,
        caller: &KnownKey,
        model: i64,
        items: Vec<String>,
        options: Options,
    ) -> ApiResult<(Option<Strategy>, List)> {
        let (model, serving) = self.asked(caller, model).await?;
        self.answerer.related(&model, items, options, &serving).await
    }

    /// Returns a model that the caller may use, and how its project is served.
    async fn asked(&self, caller: &KnownKey, model: i64) -> ApiResult<(Arc<ServedModel>, Arc<Serving>)> {
        let directory = &self.answerer.directory;
        let model = directory.model(&caller.principal, model).await?;
        let serving = match model.ownership.project_id {
            Some(project) => directory.serving(project).await?,
            None => Arc::new(Serving::nothing()),
        };
        Ok((model, serving))
    }

    /// Returns the list for a user, or for a request without one, by the slot of the project that answers it, and observes it if
    /// the project logs its lists. 403 if the key belongs to another project, 404 if nothing is deployed or the model does not
    /// know the user and the project is set to say so, 409 if no slot gets any traffic.
    pub async fn for_project(
        &self,
        caller: Arc<KnownKey>,
        project: i64,
        user: Option<String>,
        mut options: Options,
    ) -> ApiResult<SlotAnswer> {
        if caller.principal.key_project() != Some(project) {
            return Err(InferenceError::OtherProject.into());
        }
        let directory = &self.answerer.directory;
        let serving = directory.serving(project).await?;
        if serving.slots.is_empty() {
            return Err(InferenceError::NoSlot.into());
        }
        let request_id = Uuid::new_v4();
        let slot = serving.slot_of(user.as_deref()).ok_or(InferenceError::NoWeight)?;
        let model = directory.model(&caller.principal, slot.trained_model_id).await?;
        let of_places = serving.new_item_share;
        options.new_items = (of_places > 0.0).then_some(Share { of_places, request: request_id });
        let logged = serving.logs(request_id).then(|| options.clone());
        let (strategy, items) = self.answerer.for_one(&model, user.as_deref(), options, &serving).await?;
        let Some(strategy) = strategy else {
            return Err(InferenceError::UnknownUser(user.unwrap_or_default()).into());
        };
        if let Some(options) = logged {
            let (serving, tenant) = (Arc::clone(&serving), model.tenant);
            let asked = Asked { caller, serving, request_id, project, tenant, user, options };
            self.observer.observe(asked, slot, strategy, &items);
        }
        Ok(SlotAnswer { request_id, slot: slot.clone(), strategy, items })
    }

    /// Returns the list for a user, or for a request without one, by a slot of a project, to a caller who may use the project. It is
    /// not logged.
    pub async fn try_out(&self, project: i64, user: Option<&str>, options: Options) -> ApiResult<List> {
        let directory = &self.answerer.directory;
        let serving = directory.serving(project).await?;
        if serving.slots.is_empty() {
            return Err(InferenceError::NoSlot.into());
        }
        let slot = serving.slot_of(user).ok_or(InferenceError::NoWeight)?;
        let model = directory.model_of(project, slot.trained_model_id).await?;
        match (self.answerer.for_one(&model, user, options, &serving).await?, user) {
            ((None, _), Some(user)) => Err(InferenceError::UnknownUser(user.to_owned()).into()),
            ((_, list), _) => Ok(list),
        }
    }

    /// Returns whether the models deployed at the start are in memory, or are configured to be loaded on first use.
    pub fn is_ready(&self) -> bool {
        self.answerer.directory.is_ready()
    }

    /// Returns the present time.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Returns how many projects are in memory.
    pub fn known_projects(&self) -> u64 {
        self.answerer.directory.count()
    }

    /// Returns how many API keys are in memory.
    pub fn known_keys(&self) -> u64 {
        self.keys.count()
    }

    /// Waits until every list observed so far is logged, up to a time limit.
    pub async fn finish(&self) {
        self.observer.finish().await;
    }
}
