//! Recommends without ever returning an empty list: the model's own list for a user it knows, a list from the user's latest
//! interactions (folded in, or compared with other sessions), and popular items for all others.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::bodies::{ListOptions, OptionsOfOne, PersonalOptions};
use super::filter::Admitted;
use super::listed::{self, ListedItem};
use crate::features::models::ReadyModel;
use crate::features::projects::UnknownUsers;
use crate::ml::artifact::{TrainedModel as Artifact, Wanted};
use crate::ml::sessions::SessionModel;
use crate::platform::wire_enum;

wire_enum! {
    /// How a list was computed.
    pub enum Strategy {
        /// The model knows the user.
        Personal = "personal",
        /// From the interactions sent along, and those that the model knows of the user.
        FoldIn = "fold_in",
        /// From sessions like the one in progress: the latest events of the user and the interactions sent along.
        Session = "session",
        /// The items that most users or sessions interacted with.
        Popular = "popular",
        /// From the items that the list must resemble.
        Related = "related",
    }
}

/// Users answered between two checks for cancellation, where each takes long.
const FEW_AT_ONCE: usize = 4;

/// The largest number of reasons given for each item.
const MOST_REASONS: usize = 3;

/// The request options.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Items of interactions that the model was not trained on, oldest first.
    pub interactions: Vec<String>,
    pub personal: PersonalOptions,
    pub list: ListOptions,
    /// The items that match the filter, once it has been evaluated.
    pub admitted: Option<Arc<Admitted>>,
}

impl Options {
    /// Returns the options of a list for a user or a session, by its latest interactions.
    pub fn of(interactions: Vec<String>, (personal, list): OptionsOfOne) -> Self {
        Self { interactions, personal, list, admitted: None }
    }

    /// Returns whether nothing but the cutoff differs from the defaults that affect ranking.
    pub fn is_plain(&self) -> bool {
        let ListOptions { allow, deny, diversity, filter, .. } = &self.list;
        let any_item = allow.is_none() && deny.is_empty() && filter.is_none();
        self.interactions.is_empty() && any_item && self.personal.exclude_seen && *diversity == 0.0
    }

    /// Returns whether each list takes much longer than finding the best items.
    fn is_slow(&self) -> bool {
        self.list.diversity > 0.0 || self.personal.explain
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            cutoff: self.list.cutoff,
            exclude_seen: self.personal.exclude_seen,
            allow: self.list.allow.as_deref(),
            among: self.admitted.as_ref().map(|admitted| admitted.items.as_slice()),
            deny: &self.list.deny,
            diversity: self.list.diversity,
        }
    }
}

/// A list and its strategy; `None` where the model does not know the user and the project is set to answer 404.
pub type Answer = Option<(Strategy, Vec<ListedItem>)>;

/// The items of interactions that the model was not trained on, oldest first; `None` if there are none.
pub type Interactions = Option<Arc<Vec<String>>>;

/// A user of a batch, with their latest interactions.
pub type AskedUser = (String, Interactions);

fn items_of(interactions: &Interactions) -> &[String] {
    interactions.as_deref().map_or(&[], Vec::as_slice)
}

/// The user that a list of a user model is computed for.
#[derive(Clone, Copy)]
struct Person {
    /// Number of the user, if the model knows them.
    known: Option<u32>,
    /// Whether the request names a user.
    is_named: bool,
}

/// Returns the list for a user, or for a request without a user, from their interactions; those in the options are ignored.
pub fn answer(
    model: &ReadyModel,
    user: Option<&str>,
    interactions: &Interactions,
    options: &Options,
    unknown: UnknownUsers,
) -> Answer {
    let interactions = items_of(interactions);
    match model {
        ReadyModel::Matrix(model) => {
            let person = Person { known: user.and_then(|user| model.users.find(user)), is_named: user.is_some() };
            of_matrix(model, person, interactions, options, unknown)
        }
        ReadyModel::Sessions(model) => of_sessions(model, user.is_some(), interactions, options, unknown),
    }
}

fn of_matrix(model: &Artifact, person: Person, interactions: &[String], options: &Options, unknown: UnknownUsers) -> Answer {
    let (wanted, known) = (options.wanted(), person.known);
    if !interactions.is_empty()
        && let Some(list) = model.rank_for_history(known, interactions, &wanted)
    {
        return Some((Strategy::FoldIn, listed(model, list, options, || history(model, known, interactions))));
    }
    if let Some(list) = known.and_then(|user| model.rank_for_user(user, &wanted)) {
        return Some((Strategy::Personal, listed(model, list, options, || history(model, known, &[]))));
    }
    if person.is_named && unknown == UnknownUsers::NotFound {
        return None;
    }
    Some((Strategy::Popular, listed(model, model.rank_popular(&wanted), options, Vec::new)))
}

/// Returns the list of a session model, which knows no users: popular items if it knows no item of the session.
fn of_sessions(model: &SessionModel, is_named: bool, session: &[String], options: &Options, unknown: UnknownUsers) -> Answer {
    let wanted = options.wanted();
    let (strategy, list) = match model.rank_next(session, &wanted) {
        Some(list) => (Strategy::Session, list),
        None if is_named && unknown == UnknownUsers::NotFound => return None,
        None => (Strategy::Popular, model.rank_popular(&wanted)),
    };
    let mut list = listed::plain(list);
    if options.personal.explain {
        listed::explain(&mut list, &model.items, |items| model.shares(session, items, MOST_REASONS));
    }
    Some((strategy, list))
}

/// Returns the items most similar to a group of items; popular items if the model knows none of the group.
pub fn related(model: &ReadyModel, items: &[String], options: &Options) -> (Strategy, Vec<ListedItem>) {
    let wanted = options.wanted();
    let (related, popular): (_, &dyn Fn() -> Vec<(u32, f32)>) = match model {
        ReadyModel::Matrix(model) => (model.rank_related(items, &wanted), &|| model.rank_popular(&wanted)),
        ReadyModel::Sessions(model) => (model.rank_related(items, &wanted), &|| model.rank_popular(&wanted)),
    };
    match related {
        Some(list) => (Strategy::Related, listed::plain(list)),
        None => (Strategy::Popular, listed::plain(popular())),
    }
}

/// Computes the answers of many users, in their order, and stops early once `stop` is cancelled. Lists of users without latest
/// interactions are computed as one batch.
pub fn answers(
    model: &ReadyModel,
    asked: &[AskedUser],
    options: &Options,
    unknown: UnknownUsers,
    stop: &CancellationToken,
) -> Vec<Answer> {
    match model {
        ReadyModel::Matrix(model) => {
            let together = if options.is_slow() { FEW_AT_ONCE } else { asked.len().max(1) };
            let parts = asked.chunks(together).take_while(|_| !stop.is_cancelled());
            parts.flat_map(|part| many_of_matrix(model, part, options, unknown)).collect()
        }
        ReadyModel::Sessions(model) => {
            let asked = asked.iter().take_while(|_| !stop.is_cancelled());
            asked.map(|(_, recent)| of_sessions(model, true, items_of(recent), options, unknown)).collect()
        }
    }
}

fn many_of_matrix(model: &Artifact, asked: &[AskedUser], options: &Options, unknown: UnknownUsers) -> Vec<Answer> {
    let known: Vec<Option<u32>> = asked.iter().map(|(user, _)| model.users.find(user)).collect();
    let plain = asked.iter().zip(&known).filter(|((_, recent), _)| items_of(recent).is_empty());
    let plain: Vec<Option<u32>> = plain.map(|(_, known)| *known).collect();
    let mut lists = model.rank_for_users(&plain, &options.wanted()).into_iter();
    let one = |((_, recent), known): (&AskedUser, Option<u32>)| {
        let interactions = items_of(recent);
        let together = if interactions.is_empty() { lists.next().flatten() } else { None };
        match together {
            Some(list) => Some((Strategy::Personal, listed(model, list, options, || history(model, known, &[])))),
            None => of_matrix(model, Person { known, is_named: true }, interactions, options, unknown),
        }
    };
    asked.iter().zip(known).map(one).collect()
}

/// Returns the items that the model knows of a user, followed by the fresh ones.
fn history(model: &Artifact, known: Option<u32>, fresh: &[String]) -> Vec<String> {
    let seen = known.map(|user| model.seen.row_indices(user as usize)).unwrap_or_default();
    seen.iter().map(|item| model.items.get(*item).to_owned()).chain(fresh.iter().cloned()).collect()
}

/// Returns a list with the explanations that the options request; `history` returns the items it was computed from.
fn listed(model: &Artifact, list: Vec<(u32, f32)>, options: &Options, history: impl FnOnce() -> Vec<String>) -> Vec<ListedItem> {
    let mut list = listed::plain(list);
    if options.personal.explain {
        listed::explain(&mut list, &model.items, |items| model.shares(&history(), items, MOST_REASONS));
    }
    list
}
