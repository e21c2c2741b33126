//! Recommends without ever returning an empty list: the model's own list for a user it knows, a list from the user's latest
//! interactions (folded in, or compared with other sessions) or profile, and popular items for all others.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::bodies::{Leads, ListOptions, OptionsOfOne, PersonalOptions};
use super::exploration::{self, Share, Slate};
use super::filter::Admitted;
use super::listed::{self, ListedItem};
use super::profiles::{self, Profile};
use crate::features::models::ReadyModel;
use crate::features::projects::UnknownUsers;
use crate::ml::artifact::{Anchors, Person, TrainedModel as Artifact, Wanted};
use crate::ml::features::FeatureTable;
use crate::ml::sessions::SessionModel;
use crate::platform::wire_enum;

wire_enum! {
    /// How a list was computed.
    pub enum Strategy {
        /// The model knows the user.
        Personal = "personal",
        /// From the interactions sent along, and those that the model knows of the user.
        FoldIn = "fold_in",
        /// From what is known of a user that the model does not know, and from the interactions sent along.
        Profile = "profile",
        /// From sessions like the one in progress: the latest events of the user and the interactions sent along.
        Session = "session",
        /// From what the model knows of the user, and from the items that the list must resemble.
        Hybrid = "hybrid",
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
    pub leads: Leads,
    pub personal: PersonalOptions,
    pub list: ListOptions,
    /// The items that match the filter, once it has been evaluated.
    pub admitted: Option<Arc<Admitted>>,
    /// The share of the places that go to new items; `None` if the list is not to be changed.
    pub new_items: Option<Share>,
}

impl Options {
    /// Returns the options of a list for a user or a session, by its latest interactions.
    pub fn of(interactions: Vec<String>, (personal, list): OptionsOfOne) -> Self {
        Self { interactions, leads: Leads::default(), personal, list, admitted: None, new_items: None }
    }

    /// Returns whether nothing but the cutoff differs from the defaults that affect ranking.
    pub fn is_plain(&self) -> bool {
        let ListOptions { allow, deny, diversity, filter, .. } = &self.list;
        let any_item = allow.is_none() && deny.is_empty() && filter.is_none();
        let only_of_user = self.interactions.is_empty() && self.leads.user_features.is_none() && !self.has_anchors();
        only_of_user && any_item && self.personal.exclude_seen && *diversity == 0.0
    }

    /// Returns whether the list must resemble some items.
    pub fn has_anchors(&self) -> bool {
        !self.leads.anchor_items.is_empty()
    }

    fn anchors(&self) -> Anchors<'_> {
        Anchors { items: &self.leads.anchor_items, weight: self.leads.anchor_weight }
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

/// An answer to one request, with the probabilities of all lists that it might have got if new items could take places.
pub type Drawn = Option<(Strategy, Vec<ListedItem>, Option<Slate>)>;

/// Items by their numbers with their scores, best first, and the strategy of the list.
type Ranked = Option<(Strategy, Vec<(u32, f32)>)>;

/// The items of interactions that the model was not trained on, oldest first; `None` if there are none.
pub type Interactions = Option<Arc<Vec<String>>>;

/// A user that a list is for, with what the model was not trained on.
#[derive(Debug)]
pub struct AskedUser<U> {
    pub user: U,
    pub interactions: Interactions,
    pub profile: Profile,
}

impl<U> AskedUser<U> {
    fn interactions(&self) -> &[String] {
        self.interactions.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Returns what a model of users computes a list from; `known` is the number of a user that it knows.
    fn person(&self, model: &Artifact, known: Option<u32>) -> Person<'_> {
        let profile = self.profile.as_deref().filter(|profile| profiles::has_known_column(model, profile));
        Person { known, history: self.interactions(), profile }
    }
}

/// What to answer to a request that names a user if nothing is known of them; `None` for a request without a user.
type Unknown = Option<UnknownUsers>;

/// Returns the list for a user, or for a request without a user, from their interactions; those in the options are ignored.
pub fn answer(model: &ReadyModel, asked: &AskedUser<Option<&str>>, options: &Options, unknown: UnknownUsers) -> Drawn {
    let unknown = asked.user.map(|_| unknown);
    let answer = match model {
        ReadyModel::Matrix(model) => {
            let person = asked.person(model, asked.user.and_then(|user| model.users.find(user)));
            if let Some(share) = options.new_items.filter(|_| model.n_trained_items() < model.items.len()) {
                return with_new_items(model, person, options, unknown, share);
            }
            of_matrix(model, person, options, unknown)
        }
        ReadyModel::Sessions(model) => of_sessions(model, asked.interactions(), options, unknown),
    };
    answer.map(|(strategy, items)| (strategy, items, None))
}

fn of_matrix(model: &Artifact, person: Person<'_>, options: &Options, unknown: Unknown) -> Answer {
    let (strategy, list) = ranked(model, person, options, &options.wanted(), unknown)?;
    Some((strategy, listed(model, list, options, || reasons(model, person, options, strategy))))
}

/// Returns a list in which new items may have taken some places.
fn with_new_items(model: &Artifact, person: Person<'_>, options: &Options, unknown: Unknown, share: Share) -> Drawn {
    let wanted = options.wanted();
    let (strategy, list) = ranked(model, person, options, &wanted, unknown)?;
    let n_trained = model.n_trained_items() as u32;
    let new: Vec<u32> = match wanted.among {
        None => (n_trained..model.items.len() as u32).collect(),
        Some(among) => among.iter().copied().filter(|item| *item >= n_trained).collect(),
    };
    let present: Vec<u32> = list.iter().map(|(item, _)| *item).filter(|item| *item >= n_trained).collect();
    let most = exploration::most_candidates(list.len());
    let wanted = Wanted { cutoff: most + present.len(), among: Some(&new), diversity: 0.0, ..wanted };
    let others = ranked(model, person, options, &wanted, unknown).filter(|(other, _)| *other == strategy);
    let mut others = others.map(|(_, others)| others).unwrap_or_default();
    others.retain(|(item, _)| !present.contains(item));
    others.truncate(most);
    let slate = Slate::new(&list, &others, share.of_places);
    let drawn = listed(model, slate.draw(share.request), options, || reasons(model, person, options, strategy));
    Some((strategy, drawn, Some(slate)))
}

/// Returns the items for a person by their numbers, with their scores.
fn ranked(model: &Artifact, person: Person<'_>, options: &Options, wanted: &Wanted<'_>, unknown: Unknown) -> Ranked {
    if options.has_anchors()
        && let Some(list) = near_anchors(model, person, options, wanted)
    {
        return Some(list);
    }
    if person.known.is_none()
        && let Some(list) = person.profile.and_then(|profile| ranked_by(model, profile, person.history, wanted))
    {
        return Some((Strategy::Profile, list));
    }
    if !person.history.is_empty()
        && let Some(list) = model.rank_for_history(person.known, person.history, wanted)
    {
        return Some((Strategy::FoldIn, list));
    }
    if let Some(list) = person.known.and_then(|user| model.rank_for_user(user, wanted)) {
        return Some((Strategy::Personal, list));
    }
    if unknown == Some(UnknownUsers::NotFound) {
        return None;
    }
    Some((Strategy::Popular, model.rank_popular(wanted)))
}

/// Returns the items that a list was computed from.
fn reasons(model: &Artifact, person: Person<'_>, options: &Options, strategy: Strategy) -> Vec<String> {
    match strategy {
        Strategy::Hybrid | Strategy::Profile | Strategy::FoldIn => history(model, person.known, person.history),
        Strategy::Related => options.leads.anchor_items.clone(),
        Strategy::Personal => history(model, person.known, &[]),
        _ => Vec::new(),
    }
}

/// Returns the list by a profile; `None` if the model takes none.
fn ranked_by(model: &Artifact, profile: &FeatureTable, history: &[String], wanted: &Wanted<'_>) -> Option<Vec<(u32, f32)>> {
    model.rank_for_profile(profile, history, wanted).unwrap_or_else(|error| {
        // A list of another kind is still useful.
        tracing::warn!(%error, "a profile could not be used");
        None
    })
}

/// Returns the list for a user that resembles the anchors, or the items related to these if nothing is known of the user; `None` if
/// the model knows none of them.
fn near_anchors(model: &Artifact, person: Person<'_>, options: &Options, wanted: &Wanted<'_>) -> Ranked {
    if let Some(list) = model.rank_hybrid(&person, &options.anchors(), wanted) {
        return Some((Strategy::Hybrid, list));
    }
    model.rank_related(&options.leads.anchor_items, wanted).map(|list| (Strategy::Related, list))
}

/// Returns the list of a session model, which knows no users. If it knows no item of the session, the list has items related to the
/// anchors, or popular ones if it knows none of these either.
fn of_sessions(model: &SessionModel, session: &[String], options: &Options, unknown: Unknown) -> Answer {
    let (wanted, anchors) = (options.wanted(), &options.leads.anchor_items);
    let related = || model.rank_related(anchors, &wanted).map(|list| (Strategy::Related, list, anchors.as_slice()));
    let next = model.rank_next(session, &wanted).map(|list| (Strategy::Session, list, session));
    let (strategy, list, reasons) = match next.or_else(related) {
        Some(found) => found,
        None if unknown == Some(UnknownUsers::NotFound) => return None,
        None => (Strategy::Popular, model.rank_popular(&wanted), session),
    };
    let mut list = listed::plain(list);
    if options.personal.explain {
        listed::explain(&mut list, &model.items, |items| model.shares(reasons, items, MOST_REASONS));
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
    asked: &[AskedUser<String>],
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
            asked.map(|asked| of_sessions(model, asked.interactions(), options, Some(unknown))).collect()
        }
    }
}

fn many_of_matrix(model: &Artifact, asked: &[AskedUser<String>], options: &Options, unknown: UnknownUsers) -> Vec<Answer> {
    let known: Vec<Option<u32>> = asked.iter().map(|asked| model.users.find(&asked.user)).collect();
    let plain = asked.iter().zip(&known).filter(|(asked, _)| asked.interactions().is_empty());
    let plain: Vec<Option<u32>> = plain.map(|(_, known)| *known).collect();
    let mut lists = model.rank_for_users(&plain, &options.wanted()).into_iter();
    let one = |(asked, known): (&AskedUser<String>, Option<u32>)| {
        let together = if asked.interactions().is_empty() { lists.next().flatten() } else { None };
        match together {
            Some(list) => Some((Strategy::Personal, listed(model, list, options, || history(model, known, &[])))),
            None => of_matrix(model, asked.person(model, known), options, Some(unknown)),
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
