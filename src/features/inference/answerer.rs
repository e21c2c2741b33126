//! Computes the lists for a request whose caller has access.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::answer::{self, Answer, AskedUser, Interactions, Options, Strategy, answer, answers};
use super::directory::{Directory, ServedModel};
use super::error::InferenceError;
use super::filter::{Admitted, Filters};
use super::listed::{self, List, ListedItem};
use super::model::Serving;
use super::recent_events::RecentEvents;
use crate::features::accounts::Tenant;
use crate::features::api_keys::KnownKeys;
use crate::features::item_metadata::{ItemTable, LARGEST_METADATA};
use crate::features::models::{Items, ModelCache, ModelError, ReadyModel};
use crate::platform::computing::{Busy, Computing, Place};
use crate::platform::http::ApiResult;
use crate::platform::services::Services;

/// Items that are scored one by one in less time than passing the request to another thread takes.
const FEW: usize = 4_096;

/// Answers requests of callers, and the same requests for the other slots of a project.
pub struct Answerer {
    pub directory: Directory,
    recent: RecentEvents,
    filters: Filters,
    computing: Arc<Computing>,
    models: Arc<ModelCache>,
    services: Services,
}

impl Answerer {
    /// Creates the answerer and its caches, which are refreshed from the database until `stop` is cancelled.
    pub fn start(services: &Services, models: Arc<ModelCache>, keys: &KnownKeys, stop: &CancellationToken) -> Self {
        Self {
            directory: Directory::start(services, Arc::clone(&models), keys, stop.clone()),
            recent: RecentEvents::start(services, stop.clone()),
            filters: Filters::new(),
            computing: Arc::new(Computing::of_machine()),
            models,
            services: services.clone(),
        }
    }

    /// Returns the list for one user, or for a request without a user, and its strategy. Where the model does not know the user
    /// and the project is set to answer 404, the list is empty and has no strategy.
    pub async fn for_one(
        &self,
        model: &ServedModel,
        user: Option<&str>,
        options: Options,
        serving: &Serving,
    ) -> ApiResult<(Option<Strategy>, List)> {
        let ready = self.ready(model, serving).await?;
        let mut options = self.filtered(model, &ready, options, serving).await?;
        let interactions = self.with_recent(model, user, std::mem::take(&mut options.interactions));
        let (party, unknown, with_metadata) = (Some(model.tenant.party()), serving.unknown_users, options.list.with_metadata);
        let mut answered = if is_quick(&ready, &interactions, &options) {
            answer(&ready, user, &interactions, &options, unknown)
        } else {
            let (ready, user) = (Arc::clone(&ready), user.map(str::to_owned));
            let work = move |_: &CancellationToken| answer(&ready, user.as_deref(), &interactions, &options, unknown);
            // Boxed, so that the future of a quick answer is not as large as that of a slow one.
            Box::pin(self.computing.run(party, work)).await?
        };
        if with_metadata {
            self.describe(model, serving, &ready, answered.iter_mut()).await?;
        }
        Ok(of_model(&ready, answered))
    }

    /// Returns the lists for many users, in their order. They share the request options, whose interactions are ignored.
    pub async fn for_many(
        &self,
        model: &ServedModel,
        users: Vec<String>,
        options: Options,
        serving: &Serving,
    ) -> ApiResult<Vec<(Option<Strategy>, List)>> {
        let (party, unknown, with_metadata) = (Some(model.tenant.party()), serving.unknown_users, options.list.with_metadata);
        let ready = self.ready(model, serving).await?;
        let options = self.filtered(model, &ready, options, serving).await?;
        let asked = users.into_iter().map(|user| {
            let recent = self.recent_of(model, &user);
            (user, recent)
        });
        let asked: Vec<AskedUser> = asked.collect();
        let asked_of = Arc::clone(&ready);
        let work = move |stop: &CancellationToken| answers(&asked_of, &asked, &options, unknown, stop);
        let mut answered = self.computing.run(party, work).await?;
        if with_metadata {
            self.describe(model, serving, &ready, answered.iter_mut().flatten()).await?;
        }
        Ok(answered.into_iter().map(|answer| of_model(&ready, answer)).collect())
    }

    /// Returns the items most similar to a group of items, and the strategy of the list.
    pub async fn related(
        &self,
        model: &ServedModel,
        items: Vec<String>,
        options: Options,
        serving: &Serving,
    ) -> ApiResult<(Option<Strategy>, List)> {
        let ready = self.ready(model, serving).await?;
        let options = self.filtered(model, &ready, options, serving).await?;
        let (party, with_metadata) = (Some(model.tenant.party()), options.list.with_metadata);
        let asked_of = Arc::clone(&ready);
        let work = move |_: &CancellationToken| answer::related(&asked_of, &items, &options);
        let mut answered = Some(self.computing.run(party, work).await?);
        if with_metadata {
            self.describe(model, serving, &ready, answered.iter_mut()).await?;
        }
        Ok(of_model(&ready, answered))
    }

    /// Returns a model from memory, or reads its file once the tenant gets a computing place.
    async fn ready(&self, model: &ServedModel, serving: &Serving) -> Result<Arc<ReadyModel>, ModelError> {
        let items = Items::Of(serving.items.as_ref());
        self.models.get(&self.services, (&model.row, model.tenant), items, || self.turn(model.tenant)).await
    }

    /// Waits for a computing place of a tenant; a request asks for one at a time.
    fn turn(&self, tenant: Tenant) -> impl Future<Output = Result<Place, Busy>> + Send + use<> {
        let computing = Arc::clone(&self.computing);
        async move { computing.admit(Some(tenant.party())).await }
    }

    /// Returns the item metadata of a model's project; `None` if it has none.
    async fn items(&self, model: &ServedModel, serving: &Serving) -> ApiResult<Option<Arc<ItemTable>>> {
        self.directory.items(serving, model.ownership.project_id, || self.turn(model.tenant)).await
    }

    /// Returns the request options with the items that match their filter; 422 without item metadata, or for an unknown field.
    async fn filtered(
        &self,
        model: &ServedModel,
        ready: &Arc<ReadyModel>,
        options: Options,
        serving: &Serving,
    ) -> ApiResult<Options> {
        let Some(filter) = &options.list.filter else { return Ok(options) };
        let table = self.items(model, serving).await?.ok_or_else(InferenceError::no_metadata)?;
        if let Some(field) = filter.unknown_field(&table) {
            return Err(InferenceError::unknown_field(field, table.columns()).into());
        }
        let admitted = Some(self.filters.admitted(filter, ready, &table, (&self.computing, model.tenant)).await?);
        Ok(Options { admitted, ..options })
    }

    /// Adds the metadata of each item to a list.
    async fn describe(
        &self,
        model: &ServedModel,
        serving: &Serving,
        ready: &ReadyModel,
        lists: impl Iterator<Item = &mut (Strategy, Vec<ListedItem>)>,
    ) -> ApiResult<()> {
        let table = self.items(model, serving).await?;
        let mut room = LARGEST_METADATA;
        for (_, list) in lists {
            let described = listed::describe(table.as_ref(), list, ready.items(), &mut room);
            described.ok_or(InferenceError::TooMuchMetadata(LARGEST_METADATA))?;
        }
        Ok(())
    }

    /// Returns the latest clicks and purchases of the user, followed by the interactions that were sent along.
    fn with_recent(&self, model: &ServedModel, user: Option<&str>, sent: Vec<String>) -> Interactions {
        match (user.and_then(|user| self.recent_of(model, user)), sent.is_empty()) {
            (recent, true) => recent,
            (None, false) => Some(Arc::new(sent)),
            (Some(recent), false) => Some(Arc::new(recent.iter().cloned().chain(sent).collect())),
        }
    }

    /// Returns the latest clicks and purchases of a user, oldest first; `None` if there are none.
    fn recent_of(&self, model: &ServedModel, user: &str) -> Interactions {
        self.recent.of(model.ownership.project_id?, user)
    }
}

fn of_model(model: &Arc<ReadyModel>, answer: Answer) -> (Option<Strategy>, List) {
    let (strategy, items) = answer.map_or((None, Vec::new()), |(strategy, items)| (Some(strategy), items));
    (strategy, List::new(model, items))
}

/// Returns whether the answer takes less time than passing the request to another thread: lists from an index of factors and
/// those from a few neighbours of a session do.
fn is_quick(model: &ReadyModel, interactions: &Interactions, options: &Options) -> bool {
    let is_quick = match model {
        ReadyModel::Matrix(model) => model.model.factors().is_some() && interactions.is_none(),
        ReadyModel::Sessions(model) => model.is_quick(),
    };
    let few = |admitted: &Arc<Admitted>| admitted.items.len() <= FEW;
    is_quick && options.list.diversity == 0.0 && !options.personal.explain && options.admitted.as_ref().is_none_or(few)
}
