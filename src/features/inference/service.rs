//! All that answers predictions in one process, and the way of a request through it.

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use tokio_util::sync::CancellationToken;

use super::answer::{self, Answer, Options, answer, answers};
use super::assignment::Assigner;
use super::directory::{Directory, ServedModel, UnknownUsers};
use super::error::InferenceError;
use super::limits::Limits;
use super::recent_events::RecentEvents;
use crate::features::accounts::Scope;
use crate::features::api_keys::KnownKey;
use crate::features::models::{ModelCache, ModelError};
use crate::ml::artifact::TrainedModel as Artifact;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// What answers predictions. One of these is made at start and handed to every HTTP worker as application data.
pub struct Inference {
    pub directory: Directory,
    pub assigner: Assigner,
    recent: RecentEvents,
    limits: Limits,
    models: web::Data<ModelCache>,
    services: Services,
}

impl Inference {
    /// Keeps up with the database until `stop` is cancelled.
    pub fn start(services: &Services, models: web::Data<ModelCache>, stop: &CancellationToken) -> Self {
        Self {
            directory: Directory::start(services, models.clone(), stop.clone()),
            assigner: Assigner::new(&services.secret),
            recent: RecentEvents::start(services, stop.clone()),
            limits: Limits::new(&services.settings),
            models,
            services: services.clone(),
        }
    }

    /// The key that calls, with the scope for it and within its limit.
    pub async fn admit(&self, request: &HttpRequest) -> ApiResult<Arc<KnownKey>> {
        let sent = request.headers().get("x-api-key").ok_or(InferenceError::KeyMissing)?;
        let text = sent.to_str().map_err(|_| ApiError::key_not_valid())?;
        let caller = self.directory.caller(text).await?;
        caller.principal.require_scope(Scope::Predict)?;
        let key = caller.principal.key.as_ref().ok_or_else(ApiError::key_not_valid)?;
        self.limits.admit(&self.services.clock, key, request.path())?;
        Ok(caller)
    }

    /// What the project of a model wants unknown users to get.
    pub async fn unknown_users(&self, model: &ServedModel) -> ApiResult<UnknownUsers> {
        match model.ownership.project_id {
            Some(project) => Ok(self.directory.serving(project).await?.unknown_users),
            None => Ok(UnknownUsers::default()),
        }
    }

    /// The list for one user, or for somebody without a name.
    pub async fn for_one(
        &self,
        model: &ServedModel,
        user: Option<String>,
        options: Options,
        unknown: UnknownUsers,
    ) -> ApiResult<Answer> {
        let artifact = self.models.get(&self.services, &model.row).await?;
        let options = self.with_recent(model, user.as_deref(), options);
        if is_quick(&artifact, &options) {
            return Ok(answer(&artifact, user.as_deref(), &options, unknown));
        }
        let work = move || answer(&artifact, user.as_deref(), &options, unknown);
        Ok(tokio::task::spawn_blocking(work).await.map_err(crashed)?)
    }

    /// The lists for many users, in their order.
    pub async fn for_many(
        &self,
        model: &ServedModel,
        users: Vec<String>,
        options: Options,
        unknown: UnknownUsers,
    ) -> ApiResult<Vec<Answer>> {
        let artifact = self.models.get(&self.services, &model.row).await?;
        let asked = users.into_iter().map(|user| {
            let options = self.with_recent(model, Some(&user), options.clone());
            (user, options)
        });
        let asked: Vec<(String, Options)> = asked.collect();
        let work = move || answers(&artifact, &asked, unknown);
        Ok(tokio::task::spawn_blocking(work).await.map_err(crashed)?)
    }

    /// The items most like some others as a group.
    pub async fn related(&self, model: &ServedModel, items: Vec<String>, options: Options) -> ApiResult<Answer> {
        let artifact = self.models.get(&self.services, &model.row).await?;
        let work = move || answer::related(&artifact, &items, &options);
        Ok(Some(tokio::task::spawn_blocking(work).await.map_err(crashed)?))
    }

    /// The same wishes with what the user has lately clicked or bought among the interactions.
    fn with_recent(&self, model: &ServedModel, user: Option<&str>, options: Options) -> Options {
        let events = model.ownership.project_id.zip(user).and_then(|(project, user)| self.recent.of(project, user));
        let Some(events) = events else { return options };
        let interactions = events.iter().cloned().chain(options.interactions).collect();
        Options { interactions, ..options }
    }
}

/// Whether the answer takes less time than handing the question to another thread: lists from an index of factors do.
fn is_quick(artifact: &Artifact, options: &Options) -> bool {
    artifact.model.factors().is_some() && options.interactions.is_empty() && options.diversity == 0.0 && !options.explain
}

fn crashed(error: tokio::task::JoinError) -> ModelError {
    ModelError::Crashed(error.to_string())
}
