//! The steps to a list that is never empty: the model's own for a user it knows, what somebody has just done (folded in, or
//! compared with other sessions), and what most people have for everybody else.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::filter::{Admitted, Filter};
use super::listed::{self, ListedItem};
use crate::features::models::ReadyModel;
use crate::features::projects::UnknownUsers;
use crate::ml::artifact::{Recommendations, TrainedModel as Artifact, Wanted};
use crate::ml::sessions::SessionModel;
use crate::platform::wire_enum;

wire_enum! {
    /// How a list came about.
    pub enum Strategy {
        /// The model knows the user.
        Personal = "personal",
        /// From the interactions sent along, and those the model knows of the user.
        FoldIn = "fold_in",
        /// From sessions like the one in progress, which is what the user has lately done and the interactions sent along.
        Session = "session",
        /// What most users or sessions have.
        Popular = "popular",
        /// From the items that a list is to go with.
        Related = "related",
    }
}

/// Users answered before the work looks whether it is still wanted, where each takes long.
const FEW_AT_ONCE: usize = 4;

/// Reasons that are told for each item.
const MOST_REASONS: usize = 3;

/// What somebody should get.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub cutoff: usize,
    /// Items of interactions that the model has not seen, oldest first.
    pub interactions: Vec<String>,
    /// When given, only these items.
    pub allow: Option<Vec<String>>,
    /// Not these items.
    pub deny: Vec<String>,
    /// Leave out what the user has already interacted with.
    pub exclude_seen: bool,
    /// From 0, best first, to 1, as unlike one another as possible.
    pub diversity: f32,
    /// Tell for each item why it is listed.
    pub explain: bool,
    /// Tell for each item what is known about it.
    pub with_metadata: bool,
    /// When given, only items whose metadata fits.
    pub filter: Option<Arc<Filter>>,
    /// The items that the filter admits, once it has been evaluated.
    pub admitted: Option<Arc<Admitted>>,
}

impl Options {
    /// Whether nothing is asked for but so many of the best items that a user has not met yet.
    pub fn is_plain(&self) -> bool {
        let Self { interactions, allow, deny, exclude_seen, diversity, filter, .. } = self;
        let any_item = allow.is_none() && deny.is_empty() && filter.is_none();
        interactions.is_empty() && any_item && *exclude_seen && *diversity == 0.0
    }

    /// Returns whether each list takes much longer than finding the best items.
    fn is_slow(&self) -> bool {
        self.diversity > 0.0 || self.explain
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            cutoff: self.cutoff,
            exclude_seen: self.exclude_seen,
            allow: self.allow.as_deref(),
            among: self.admitted.as_ref().map(|admitted| admitted.items.as_slice()),
            deny: &self.deny,
            diversity: self.diversity,
        }
    }
}

/// A list and how it came about; none where the model does not know the user and that is to be said.
pub type Answer = Option<(Strategy, Vec<ListedItem>)>;

/// The list for a user, or for somebody without a name.
pub fn answer(model: &ReadyModel, user: Option<&str>, options: &Options, unknown: UnknownUsers) -> Answer {
    match model {
        ReadyModel::Matrix(model) => of_matrix(model, user, options, unknown),
        ReadyModel::Sessions(model) => of_sessions(model, user, options, unknown),
    }
}

fn of_matrix(model: &Artifact, user: Option<&str>, options: &Options, unknown: UnknownUsers) -> Answer {
    let wanted = options.wanted();
    let known = user.and_then(|user| model.users.find(user));
    if !options.interactions.is_empty() {
        let history = history(model, known, &options.interactions);
        if let Some(list) = model.recommend_history_as(&history, &wanted) {
            return Some((Strategy::FoldIn, listed(model, list, options, || history)));
        }
    }
    if let Some(list) = user.filter(|_| known.is_some()).and_then(|user| model.recommend_user_as(user, &wanted)) {
        return Some((Strategy::Personal, listed(model, list, options, || history(model, known, &[]))));
    }
    if user.is_some() && unknown == UnknownUsers::NotFound {
        return None;
    }
    Some((Strategy::Popular, listed(model, model.recommend_popular_as(&wanted), options, Vec::new)))
}

/// A model of sessions knows no users: whoever has done nothing that it knows gets what is popular.
fn of_sessions(model: &SessionModel, user: Option<&str>, options: &Options, unknown: UnknownUsers) -> Answer {
    let (session, wanted) = (&options.interactions, options.wanted());
    let (strategy, list) = match model.recommend(session, &wanted) {
        Some(list) => (Strategy::Session, list),
        None if user.is_some() && unknown == UnknownUsers::NotFound => return None,
        None => (Strategy::Popular, model.recommend_popular(&wanted)),
    };
    let mut list = listed::plain(list);
    if options.explain {
        listed::explain(&mut list, |items| model.shares(session, items, MOST_REASONS));
    }
    Some((strategy, list))
}

/// The items most like some others as a group; what most users or sessions have where the model knows none of them.
pub fn related(model: &ReadyModel, items: &[String], options: &Options) -> (Strategy, Vec<ListedItem>) {
    let wanted = options.wanted();
    let (related, popular): (_, &dyn Fn() -> Recommendations) = match model {
        ReadyModel::Matrix(model) => (model.related_as(items, &wanted), &|| model.recommend_popular_as(&wanted)),
        ReadyModel::Sessions(model) => (model.related(items, &wanted), &|| model.recommend_popular(&wanted)),
    };
    match related {
        Some(list) => (Strategy::Related, listed::plain(list)),
        None => (Strategy::Popular, listed::plain(popular())),
    }
}

/// Computes the answers of many users, in their order, and ends early once `stop` is cancelled. Users without new interactions
/// have the same options, so their lists are computed together.
pub fn answers(model: &ReadyModel, asked: &[(String, Options)], unknown: UnknownUsers, stop: &CancellationToken) -> Vec<Answer> {
    match model {
        ReadyModel::Matrix(model) => {
            let together = if asked.iter().any(|(_, options)| options.is_slow()) { FEW_AT_ONCE } else { asked.len().max(1) };
            let parts = asked.chunks(together).take_while(|_| !stop.is_cancelled());
            parts.flat_map(|part| many_of_matrix(model, part, unknown)).collect()
        }
        ReadyModel::Sessions(model) => {
            let asked = asked.iter().take_while(|_| !stop.is_cancelled());
            asked.map(|(user, options)| of_sessions(model, Some(user), options, unknown)).collect()
        }
    }
}

fn many_of_matrix(model: &Artifact, asked: &[(String, Options)], unknown: UnknownUsers) -> Vec<Answer> {
    let plain = || asked.iter().filter(|(_, options)| options.interactions.is_empty());
    let users: Vec<String> = plain().map(|(user, _)| user.clone()).collect();
    let lists = plain().next().map(|(_, options)| model.recommend_users_as(&users, &options.wanted()));
    let mut lists = lists.into_iter().flatten();
    let mut one = |(user, options): &(String, Options)| {
        let together = if options.interactions.is_empty() { lists.next().flatten() } else { None };
        match together {
            Some(list) => {
                let history = || history(model, model.users.find(user), &[]);
                Some((Strategy::Personal, listed(model, list, options, history)))
            }
            None => of_matrix(model, Some(user), options, unknown),
        }
    };
    asked.iter().map(&mut one).collect()
}

/// What the model knows of a user, with what it does not know yet.
fn history(model: &Artifact, known: Option<u32>, fresh: &[String]) -> Vec<String> {
    let seen = known.map(|user| model.seen.row_indices(user as usize)).unwrap_or_default();
    seen.iter().map(|item| model.items.get(*item).to_owned()).chain(fresh.iter().cloned()).collect()
}

/// A list with what was asked for beside it; `history` is what it was made from.
fn listed(model: &Artifact, list: Recommendations, options: &Options, history: impl FnOnce() -> Vec<String>) -> Vec<ListedItem> {
    let mut list = listed::plain(list);
    if options.explain {
        listed::explain(&mut list, |items| model.shares(&history(), items, MOST_REASONS));
    }
    list
}
