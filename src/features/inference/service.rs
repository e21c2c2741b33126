//! Runs the answers where they hold up no other request.

use std::sync::Arc;

use super::answer::{Options, Strategy, answer};
use super::directory::{Directory, ServedModel, UnknownUsers};
use super::recent_events::RecentEvents;
use crate::features::models::{ModelError, Scored};
use crate::ml::artifact::TrainedModel as Artifact;
use crate::platform::http::ApiResult;

/// A list and how it came about.
pub type Answer = Option<(Strategy, Vec<Scored>)>;

/// What the project of a model wants unknown users to get.
pub async fn unknown_users(directory: &Directory, model: &ServedModel) -> ApiResult<UnknownUsers> {
    match model.ownership.project_id {
        Some(project) => Ok(directory.serving(project).await?.unknown_users),
        None => Ok(UnknownUsers::default()),
    }
}

/// The same wishes with what the user has lately clicked or bought among the interactions.
pub fn with_recent(recent: &RecentEvents, project: Option<i64>, user: Option<&str>, options: Options) -> Options {
    let events = project.zip(user).and_then(|(project, user)| recent.of(project, user));
    let Some(events) = events else { return options };
    let interactions = events.iter().cloned().chain(options.interactions).collect();
    Options { interactions, ..options }
}

/// The list for one user.
pub async fn for_one(
    model: Arc<Artifact>,
    user: Option<String>,
    options: Options,
    unknown: UnknownUsers,
) -> Result<Answer, ModelError> {
    let work = move || answer(&model, user.as_deref(), &options, unknown);
    tokio::task::spawn_blocking(work).await.map_err(crashed)
}

/// The lists for many users, in their order.
pub async fn for_many(
    model: Arc<Artifact>,
    asked: Vec<(String, Options)>,
    unknown: UnknownUsers,
) -> Result<Vec<Answer>, ModelError> {
    let work = move || asked.iter().map(|(user, options)| answer(&model, Some(user), options, unknown)).collect();
    tokio::task::spawn_blocking(work).await.map_err(crashed)
}

fn crashed(error: tokio::task::JoinError) -> ModelError {
    ModelError::Crashed(error.to_string())
}
