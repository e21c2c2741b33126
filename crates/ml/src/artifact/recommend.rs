//! Lists for users, for histories, and of items similar to others.

use std::borrow::Cow;

use super::TrainedModel;
use super::derived::Working;
use crate::algorithms::{Factors, UserMap};
use crate::item_index::Scratch;
use crate::lists::{Recommendations, Wanted, WantedNumbers, codes};
use crate::ranking::{Candidates, top_k};

/// The user, history or profile that a list is for.
#[derive(Clone, Copy)]
pub(super) enum For<'a> {
    User(u32),
    History(&'a [u32]),
    /// The vector that the map predicts for a user with this history.
    Profile {
        map: &'a UserMap,
        vector: &'a [f32],
        history: &'a [u32],
    },
}

/// Scores computed at once for several users.
const BLOCK: usize = 1 << 20;
/// Most users scored at once.
const MOST_AT_ONCE: usize = 32;
/// Most users searched for at once. More would save little, and each has buffers.
const MOST_SEARCHED_AT_ONCE: usize = 8;
/// The same by tiles, of which the items are read once for all.
const MOST_IN_TILES: usize = 96;

impl TrainedModel {
    /// Recommends the best items to a known user; `None` when the user is not known.
    pub fn recommend_user(&self, user_id: &str, cutoff: usize, exclude_seen: bool) -> Option<Recommendations> {
        self.recommend_user_as(user_id, &Wanted { exclude_seen, ..Wanted::best(cutoff) })
    }

    /// Recommends items to a known user as `wanted` asks; `None` when the user is not known.
    pub fn recommend_user_as(&self, user_id: &str, wanted: &Wanted<'_>) -> Option<Recommendations> {
        let user = self.users.find(user_id)?;
        self.rank_for_user(user, wanted).map(|list| self.with_ids(list))
    }

    /// Returns the numbers of the items that [`Self::recommend_user_as`] lists for the user of a number, with their scores.
    pub fn rank_for_user(&self, user: u32, wanted: &Wanted<'_>) -> Option<Vec<(u32, f32)>> {
        self.with_working(|working| self.list(For::User(user), &wanted.in_numbers(&self.items), working))
    }

    /// Recommends as [`Self::recommend_user_as`] does to many users, in their order, faster than one by one: `wanted` is
    /// resolved once, and models that score several users faster together do so.
    pub fn recommend_users_as(&self, user_ids: &[String], wanted: &Wanted<'_>) -> Vec<Option<Recommendations>> {
        let users: Vec<Option<u32>> = user_ids.iter().map(|user| self.users.find(user)).collect();
        let lists = self.rank_for_users(&users, wanted);
        lists.into_iter().map(|list| list.map(|list| self.with_ids(list))).collect()
    }

    /// Returns the numbers of the items that [`Self::recommend_users_as`] lists for users of given numbers, with their scores.
    pub fn rank_for_users(&self, users: &[Option<u32>], wanted: &Wanted<'_>) -> Vec<Option<Vec<(u32, f32)>>> {
        let wanted = wanted.in_numbers(&self.items);
        self.with_working(|working| self.lists_for_users(users, &wanted, working))
    }

    /// Computes the lists of some users on the calling thread.
    pub(super) fn lists_for_users(
        &self,
        users: &[Option<u32>],
        wanted: &WantedNumbers<'_>,
        working: &mut Working,
    ) -> Vec<Option<Vec<(u32, f32)>>> {
        if let Some(factors) = self.model.factors() {
            let of_block = |users: &[Option<u32>]| self.search_for_block(users, &factors, wanted, working);
            let at_once = if self.index(&factors).searches_by_tiles() { MOST_IN_TILES } else { MOST_SEARCHED_AT_ONCE };
            return users.chunks(at_once).flat_map(of_block).collect();
        }
        if self.model.scores_one_by_one() {
            return users.iter().map(|user| self.list(For::User((*user)?), wanted, working)).collect();
        }
        let at_once = (BLOCK / self.items.len().max(1)).clamp(1, MOST_AT_ONCE);
        users.chunks(at_once).flat_map(|users| self.lists_of_block(users, wanted, working)).collect()
    }

    fn search_for_block(
        &self,
        users: &[Option<u32>],
        factors: &Factors<'_>,
        wanted: &WantedNumbers<'_>,
        working: &mut Working,
    ) -> Vec<Option<Vec<(u32, f32)>>> {
        let asked = |user: Option<u32>| {
            let user = user?;
            Some((factors.user(user)?, wanted.candidates(self.seen.row_indices(user as usize))))
        };
        let asked: Vec<Option<(&[f32], Candidates<'_>)>> = users.iter().copied().map(asked).collect();
        let known: Vec<(&[f32], Candidates<'_>)> = asked.iter().copied().flatten().collect();
        let index = self.index(factors);
        let best = if index.searches_by_tiles() {
            index.best_of_many(factors.items, &known, wanted.depth(), &mut working.tiles)
        } else {
            working.searches.resize_with(known.len().max(working.searches.len()), Scratch::default);
            index.best_of_each(factors.items, &known, wanted.depth(), &mut working.searches)
        };
        let mut lists = best.into_iter();
        let list = |asked: Option<_>| asked.and_then(|_| lists.next()).map(|best| wanted.finish(best, || self.by_item()));
        asked.into_iter().map(list).collect()
    }

    fn lists_of_block(
        &self,
        users: &[Option<u32>],
        wanted: &WantedNumbers<'_>,
        working: &mut Working,
    ) -> Vec<Option<Vec<(u32, f32)>>> {
        let known: Vec<u32> = users.iter().copied().flatten().collect();
        let n_items = self.items.len();
        working.scores.resize(known.len() * n_items, 0.0);
        let scored = self.model.score_users(&known, &self.seen, &mut working.scores).is_ok();
        let mut rows = working.scores.chunks_exact(n_items.max(1));
        let mut list = |user: u32| {
            let candidates = wanted.candidates(self.seen.row_indices(user as usize));
            let best = top_k(rows.next().filter(|_| scored)?, wanted.depth(), &candidates);
            Some(wanted.finish(best, || self.by_item()))
        };
        users.iter().map(|user| user.and_then(&mut list)).collect()
    }

    /// Recommends the best items to a user known only by items, which are not listed again; `None` when the model knows none of
    /// them.
    pub fn recommend_history(&self, item_ids: &[String], cutoff: usize) -> Option<Recommendations> {
        self.recommend_history_as(item_ids, &Wanted::best(cutoff))
    }

    /// Recommends as [`Self::recommend_history`] does, as `wanted` asks.
    pub fn recommend_history_as(&self, item_ids: &[String], wanted: &Wanted<'_>) -> Option<Recommendations> {
        self.rank_for_history(None, item_ids, wanted).map(|list| self.with_ids(list))
    }

    /// Returns the numbers of the items that [`Self::recommend_history_as`] lists, with their scores, for a history of the items
    /// that the user of a number is known to have interacted with, and others.
    pub fn rank_for_history(&self, user: Option<u32>, others: &[String], wanted: &Wanted<'_>) -> Option<Vec<(u32, f32)>> {
        let mut history = codes(&self.items, others);
        if let Some(user) = user {
            history.extend_from_slice(self.seen.row_indices(user as usize));
            history.sort_unstable();
            history.dedup();
        }
        if history.is_empty() {
            return None;
        }
        self.with_working(|working| self.list(For::History(&history), &wanted.in_numbers(&self.items), working))
    }

    /// Returns the items most similar to one; `None` when the model does not know it.
    pub fn similar(&self, item_id: &str, cutoff: usize) -> Option<Recommendations> {
        self.rank_related(&[item_id.to_owned()], &Wanted::best(cutoff)).map(|list| self.with_ids(list))
    }

    /// Returns the numbers of the items most similar to some others as a group, by the sum of their similarities to each; those
    /// are not listed themselves. `None` when the model knows none of them.
    pub fn rank_related(&self, item_ids: &[String], wanted: &Wanted<'_>) -> Option<Vec<(u32, f32)>> {
        let group = codes(&self.items, item_ids);
        if group.is_empty() {
            return None;
        }
        let wanted = Wanted { exclude_seen: true, ..*wanted }.in_numbers(&self.items);
        self.with_working(|working| self.list_related(&group, &wanted, working))
    }

    /// Computes the list of a group on the calling thread; `wanted` excludes what is seen.
    pub(super) fn list_related(
        &self,
        group: &[u32],
        wanted: &WantedNumbers<'_>,
        working: &mut Working,
    ) -> Option<Vec<(u32, f32)>> {
        self.add_likenesses(group, &mut working.scores)?;
        let best = top_k(&working.scores, wanted.depth(), &wanted.candidates(group));
        Some(wanted.finish(best, || self.by_item()))
    }

    /// Computes the sum of the similarities of each item to those of a group.
    pub(super) fn add_likenesses(&self, group: &[u32], sums: &mut Vec<f32>) -> Option<()> {
        sums.clear();
        sums.resize(self.items.len(), 0.0);
        let mut likenesses = vec![0f32; self.items.len()];
        for &item in group {
            self.model.similar_items(item, &mut likenesses).ok()?;
            // An item without similarity to one of the group may have some to the others.
            let finite = likenesses.iter().map(|likeness| if likeness.is_finite() { *likeness } else { 0.0 });
            sums.iter_mut().zip(finite).for_each(|(sum, likeness)| *sum += likeness);
        }
        Some(())
    }

    /// Recommends the most popular items, for a user without a history. The score is the total value of the item's interactions:
    /// without weights, the number of its users.
    pub fn recommend_popular_as(&self, wanted: &Wanted<'_>) -> Recommendations {
        self.with_ids(self.rank_popular(wanted))
    }

    /// Returns the numbers of the items that [`Self::recommend_popular_as`] lists, with their scores.
    pub fn rank_popular(&self, wanted: &Wanted<'_>) -> Vec<(u32, f32)> {
        let wanted = wanted.in_numbers(&self.items);
        let best = top_k(self.popularity(), wanted.depth(), &wanted.candidates(&[]));
        wanted.finish(best, || self.by_item())
    }

    /// Computes one list; `None` when the request does not fit the model.
    pub(super) fn list(&self, whom: For<'_>, wanted: &WantedNumbers<'_>, working: &mut Working) -> Option<Vec<(u32, f32)>> {
        let candidates = wanted.candidates(match whom {
            For::User(user) => self.seen.row_indices(user as usize),
            For::History(history) | For::Profile { history, .. } => history,
        });
        let best = match self.model.factors() {
            Some(factors) => {
                let user = self.factors_of(whom, &factors)?;
                let index = self.index(&factors);
                index.best(factors.items, &user, wanted.depth(), &candidates, &mut working.search)
            }
            None => {
                working.scores.resize(self.items.len(), 0.0);
                let scores = &mut working.scores;
                match whom {
                    For::User(user) => self.model.score_users(&[user], &self.seen, scores).ok()?,
                    For::History(history) => self.model.score_history(history, scores).ok()?,
                    For::Profile { map, vector, history } => map.score(&*self.model, vector, history, scores).ok()?,
                }
                top_k(scores, wanted.depth(), &candidates)
            }
        };
        Some(wanted.finish(best, || self.by_item()))
    }

    fn factors_of<'a>(&self, whom: For<'a>, factors: &Factors<'a>) -> Option<Cow<'a, [f32]>> {
        match whom {
            For::User(user) => factors.user(user).map(Cow::Borrowed),
            For::History(history) => self.model.user_vector(history).ok().flatten().map(Cow::Owned),
            For::Profile { map, vector, history } => map.factors(&*self.model, vector, history).ok().flatten(),
        }
    }

    pub(super) fn with_ids(&self, list: Vec<(u32, f32)>) -> Recommendations {
        list.into_iter().map(|(item, score)| (self.items.get(item).to_owned(), score)).collect()
    }
}
