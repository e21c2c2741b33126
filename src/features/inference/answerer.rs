//! Computes the lists for a request whose caller has access.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::answer::{self, Answer, AskedUser, Drawn, Interactions, Options, Strategy, answer, answers};
use super::directory::{Directory, ServedModel};
use super::error::InferenceError;
use super::filter::{Admitted, Filters};
use super::listed::{self, List, ListedItem};
use super::model::Serving;
use super::profiles::{self, Profile};
use super::recent_events::RecentEvents;
use super::user_features::Values;
use crate::features::accounts::Tenant;
use crate::features::api_keys::KnownKeys;
use crate::features::item_metadata::{ItemTable, LARGEST_METADATA, Subject};
use crate::features::models::{Items, ModelCache, ModelError, ReadyModel};
use crate::ml::features::FeatureTable;
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
        let profile = self.profile(model, &ready, user, options.leads.user_features.as_deref(), serving).await?;
        let (party, unknown, with_metadata) = (Some(model.tenant.party()), serving.unknown_users, options.list.with_metadata);
        let asked = AskedUser { user, interactions, profile };
        let mut answered = if is_quick(&ready, &asked, &options) {
            answer(&ready, &asked, &options, unknown)
        } else {
            let (ready, user) = (Arc::clone(&ready), user.map(str::to_owned));
            let AskedUser { interactions, profile, .. } = asked;
            let work = move |_: &CancellationToken| {
                answer(&ready, &AskedUser { user: user.as_deref(), interactions, profile }, &options, unknown)
            };
            // Boxed, so that the future of a quick answer is not as large as that of a slow one.
            Box::pin(self.computing.run(party, work)).await?
        };
        // The chances of a drawn list hold for its places.
        let whole = answered.iter_mut().filter(|(.., slate)| slate.is_none()).map(|(_, list, _)| list);
        self.leave_out_withdrawn(model, serving, &ready, whole);
        if with_metadata {
            self.describe(model, serving, &ready, answered.iter_mut().map(|(_, list, _)| list)).await?;
        }
        Ok(drawn_of_model(&ready, answered))
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
        let table = self.table_of_profiles(model, &ready, users.iter().map(String::as_str), serving).await?;
        let asked = users.into_iter().map(|user| {
            let interactions = self.recent_of(model, &user);
            let profile = profiles::of_row(table.as_deref(), &ready, &user);
            AskedUser { user, interactions, profile }
        });
        let asked: Vec<AskedUser<String>> = asked.collect();
        let asked_of = Arc::clone(&ready);
        let work = move |stop: &CancellationToken| answers(&asked_of, &asked, &options, unknown, stop);
        let mut answered = self.computing.run(party, work).await?;
        self.leave_out_withdrawn(model, serving, &ready, answered.iter_mut().flatten().map(|(_, list)| list));
        if with_metadata {
            self.describe(model, serving, &ready, answered.iter_mut().flatten().map(|(_, list)| list)).await?;
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
        self.leave_out_withdrawn(model, serving, &ready, answered.iter_mut().map(|(_, list)| list));
        if with_metadata {
            self.describe(model, serving, &ready, answered.iter_mut().map(|(_, list)| list)).await?;
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

    /// Returns the metadata of a model's project about a subject; `None` if it has none.
    async fn metadata(&self, subject: Subject, model: &ServedModel, serving: &Serving) -> ApiResult<Option<Arc<ItemTable>>> {
        self.directory.metadata(subject, (serving, model.ownership.project_id), || self.turn(model.tenant)).await
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
        let table = self.metadata(Subject::Item, model, serving).await?.ok_or_else(InferenceError::no_metadata)?;
        if let Some(field) = filter.unknown_field(&table) {
            return Err(InferenceError::unknown_field(field, table.columns()).into());
        }
        if let Some((field, text)) = filter.text_for_numbers(&table) {
            return Err(InferenceError::text_for_numbers(field, text).into());
        }
        let admitted = Some(self.filters.admitted(filter, ready, &table, (&self.computing, model.tenant)).await?);
        Ok(Options { admitted, ..options })
    }

    /// Leaves out new items that have lost their row, which a model knows until it has been read again for the present item metadata.
    /// Item metadata that no request has used is not read for that.
    fn leave_out_withdrawn<'l>(
        &self,
        model: &ServedModel,
        serving: &Serving,
        ready: &Arc<ReadyModel>,
        lists: impl Iterator<Item = &'l mut Vec<ListedItem>>,
    ) {
        let n_trained = ready.n_trained_items();
        let has_new_items = n_trained < ready.items().len();
        if !has_new_items || self.models.is_current(model.row.id, ready, serving.items.as_ref()) {
            return;
        }
        let table = match serving.items.as_ref().map(|key| self.directory.held_items(key)) {
            Some(None) => return,
            table => table.flatten(),
        };
        lists.for_each(|list| listed::leave_out_withdrawn(list, n_trained, ready.items(), table.as_deref()));
    }

    /// Adds the metadata of each item to a list.
    async fn describe(
        &self,
        model: &ServedModel,
        serving: &Serving,
        ready: &ReadyModel,
        lists: impl Iterator<Item = &mut Vec<ListedItem>>,
    ) -> ApiResult<()> {
        let table = self.metadata(Subject::Item, model, serving).await?;
        let mut room = LARGEST_METADATA;
        for list in lists {
            let described = listed::describe(table.as_ref(), list, ready.items(), &mut room);
            described.ok_or(InferenceError::TooMuchMetadata(LARGEST_METADATA))?;
        }
        Ok(())
    }

    /// Returns what is known of a user that the model does not know: what was sent along, or else their row of user metadata.
    /// Nothing is looked up for a user that the model knows.
    async fn profile(
        &self,
        model: &ServedModel,
        ready: &ReadyModel,
        user: Option<&str>,
        sent: Option<&Values>,
        serving: &Serving,
    ) -> ApiResult<Profile> {
        if let Some(sent) = sent {
            return Ok(profiles::are_used(ready, user).then(|| Arc::new(FeatureTable::one("", sent))));
        }
        let Some(user) = user else { return Ok(None) };
        let table = self.table_of_profiles(model, ready, std::iter::once(user), serving).await?;
        Ok(profiles::of_row(table.as_deref(), ready, user))
    }

    /// Returns the user metadata of a model's project if it may say something of one of the users. Without it, the users still get
    /// lists.
    async fn table_of_profiles<'u>(
        &self,
        model: &ServedModel,
        ready: &ReadyModel,
        mut users: impl Iterator<Item = &'u str>,
        serving: &Serving,
    ) -> ApiResult<Option<Arc<ItemTable>>> {
        if serving.users.is_none() || !users.any(|user| profiles::are_used(ready, Some(user))) {
            return Ok(None);
        }
        // Boxed, so that the future of an answer without a profile stays small.
        let read = Box::pin(self.metadata(Subject::User, model, serving)).await;
        Ok(read.unwrap_or_else(|error| {
            tracing::warn!(%error, "users get lists without their profiles: the user metadata cannot be read");
            None
        }))
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

fn drawn_of_model(model: &Arc<ReadyModel>, drawn: Drawn) -> (Option<Strategy>, List) {
    match drawn {
        Some((strategy, items, slate)) => (Some(strategy), List::new(model, items).drawn_from(slate)),
        None => (None, List::new(model, Vec::new())),
    }
}

/// Returns whether the answer takes less time than passing the request to another thread: lists from an index of factors and
/// those from a few neighbours of a session do.
fn is_quick<U>(model: &ReadyModel, asked: &AskedUser<U>, options: &Options) -> bool {
    let is_quick = match model {
        ReadyModel::Matrix(model) => model.model.factors().is_some() && asked.interactions.is_none() && asked.profile.is_none(),
        ReadyModel::Sessions(model) => model.is_quick(),
    };
    let few = |admitted: &Arc<Admitted>| admitted.items.len() <= FEW;
    let few_new = options.new_items.is_none() || model.items().len() - model.n_trained_items() <= FEW;
    let is_plain = options.list.diversity == 0.0 && !options.personal.explain && !options.has_anchors();
    is_quick && is_plain && few_new && options.admitted.as_ref().is_none_or(few)
}
