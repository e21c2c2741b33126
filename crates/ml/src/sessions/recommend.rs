//! Lists for a session in progress, of items related to others, and of popular items.

use std::collections::BTreeMap;

use super::artifact::SessionModel;
use super::vmis_knn::{Scorer, VmisKnn};
use crate::diversity;
use crate::error::MlResult;
use crate::lists::{Admitted, Reasons, Recommendations, Wanted};

/// Up to this many items are faster to sort by popularity than to look up among all.
const FEW: usize = 4_096;
/// Steps that take less time than passing a request to another thread and getting its result.
const QUICK: usize = 50_000;

type Scored = Vec<(u32, f32)>;

impl SessionModel {
    /// Recommends items to show next, for a session given first item to last; `None` when the model knows none of its items.
    ///
    /// Where neighbours hold fewer items than requested, the most popular others are appended with a score of zero.
    pub fn recommend(&self, session: &[String], wanted: &Wanted<'_>) -> Option<Recommendations> {
        self.rank_next(session, wanted).map(|list| self.with_ids(list))
    }

    /// Returns the numbers of the items that [`Self::recommend`] lists, with their scores.
    pub fn rank_next(&self, session: &[String], wanted: &Wanted<'_>) -> Option<Scored> {
        let session = self.known(session);
        if session.is_empty() {
            return None;
        }
        let admitted = wanted.admitted(&self.items, &session);
        let best = |n| self.with_scorer(|scorer| rank(scorer, &session, n, &admitted)).ok();
        self.list(wanted, best)
    }

    /// Returns the items related to some others as a group, in any order: by the sum of their scores in sessions of each alone.
    /// Those of the group are not listed. `None` when the model knows none of them.
    pub fn related(&self, item_ids: &[String], wanted: &Wanted<'_>) -> Option<Recommendations> {
        self.rank_related(item_ids, wanted).map(|list| self.with_ids(list))
    }

    /// Returns the numbers of the items that [`Self::related`] lists, with their scores.
    pub fn rank_related(&self, item_ids: &[String], wanted: &Wanted<'_>) -> Option<Scored> {
        let mut group = self.known(item_ids);
        group.sort_unstable();
        group.dedup();
        if group.is_empty() {
            return None;
        }
        let admitted = Wanted { exclude_seen: true, ..*wanted }.admitted(&self.items, &group);
        let mut sums: BTreeMap<u32, f32> = BTreeMap::new();
        self.with_scorer(|scorer| -> MlResult<()> {
            for item in &group {
                scorer.score(&[*item])?.iter().for_each(|(item, score)| *sums.entry(*item).or_default() += score);
            }
            Ok(())
        })
        .ok()?;
        let sums: Scored = sums.into_iter().filter(|(item, _)| admitted.has(*item)).collect();
        self.list(wanted, |n| Some(filled(&self.model, sums.clone(), n, &admitted)))
    }

    /// Recommends the most popular items, for a session without known items. The score is the total weight of the item's
    /// interactions: without weights, the number of sessions.
    pub fn recommend_popular(&self, wanted: &Wanted<'_>) -> Recommendations {
        self.with_ids(self.rank_popular(wanted))
    }

    /// Returns the numbers of the items that [`Self::recommend_popular`] lists, with their scores.
    pub fn rank_popular(&self, wanted: &Wanted<'_>) -> Scored {
        let admitted = wanted.admitted(&self.items, &[]);
        self.list(wanted, |n| Some(self.popularity.best(n, &admitted))).unwrap_or_default()
    }

    /// Returns for each item of a list which items of a session contribute most to its score, at most `n`, each with its share:
    /// its part, from 0 to 1, of all positive contributions. Items that are listed for their popularity, or not known, get no
    /// reasons.
    pub fn shares<'l>(&self, session: &[String], list: impl Iterator<Item = &'l str>, n: usize) -> MlResult<Vec<Reasons>> {
        let session = self.known(session);
        let list: Vec<Option<u32>> = list.map(|item| self.items.find(item)).collect();
        let known: Vec<u32> = list.iter().copied().flatten().collect();
        let mut shares = self.with_scorer(|scorer| scorer.shares(&session, &known, n))?.into_iter();
        let named = |shares: Scored| shares.into_iter().map(|(item, share)| (self.items.get(item).to_owned(), share)).collect();
        Ok(list.into_iter().map(|item| item.and_then(|_| shares.next()).map(named).unwrap_or_default()).collect())
    }

    /// Returns whether a list takes less time than passing the request to another thread.
    pub fn is_quick(&self) -> bool {
        self.model.steps() <= QUICK
    }

    /// Returns the bytes held on the heap, approximately and without the dictionary.
    pub fn heap_bytes(&self) -> u64 {
        self.model.heap_bytes() + self.popularity.heap_bytes()
    }

    /// Returns the numbers of the items that the model knows, in their order.
    fn known(&self, ids: &[String]) -> Vec<u32> {
        ids.iter().filter_map(|id| self.items.find(id)).collect()
    }

    fn with_scorer<T>(&self, work: impl FnOnce(&mut Scorer<'_>) -> T) -> T {
        self.idle.lend(|buffers| {
            let mut scorer = Scorer::with(&self.model, std::mem::take(buffers));
            let result = work(&mut scorer);
            *buffers = scorer.into_buffers();
            result
        })
    }

    /// Returns the list as `wanted` asks; `best` returns the given number of best items.
    fn list(&self, wanted: &Wanted<'_>, best: impl Fn(usize) -> Option<Scored>) -> Option<Scored> {
        if wanted.diversity > 0.0 {
            let candidates = best(diversity::candidates_for(wanted.cutoff))?;
            Some(diversity::spread(&candidates, wanted.cutoff, wanted.diversity, self.model.by_item()))
        } else {
            best(wanted.cutoff)
        }
    }

    fn with_ids(&self, list: Scored) -> Recommendations {
        list.into_iter().map(|(item, score)| (self.items.get(item).to_owned(), score)).collect()
    }
}

/// Returns the `n` best admitted items, best first: by score, equal ones by number; then the most popular of the rest.
pub(super) fn rank(scorer: &mut Scorer<'_>, session: &[u32], n: usize, admitted: &Admitted<'_>) -> MlResult<Scored> {
    let model = scorer.model();
    let scored = scorer.score(session)?.iter().copied().filter(|(item, _)| admitted.has(*item)).collect();
    Ok(filled(model, scored, n, admitted))
}

/// Returns the `n` best of some items, then the most popular of all others that are admitted.
fn filled(model: &VmisKnn, mut list: Scored, n: usize, admitted: &Admitted<'_>) -> Scored {
    let better = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if list.len() > n {
        list.select_nth_unstable_by(n, better);
        list.truncate(n);
    }
    list.sort_unstable_by(better);
    if list.len() < n {
        let mut held: Vec<u32> = list.iter().map(|(item, _)| *item).collect();
        held.sort_unstable();
        let is_other = |item: &u32| held.binary_search(item).is_err() && admitted.has(*item);
        let missing = n - list.len();
        let follow = |item: u32| (item, 0.0);
        match admitted.only.as_deref().filter(|only| only.len() <= FEW) {
            Some(only) => {
                let mut others: Vec<u32> = only.iter().copied().filter(is_other).collect();
                others.sort_by_key(|&item| std::cmp::Reverse(model.counts()[item as usize]));
                list.extend(others.into_iter().take(missing).map(follow));
            }
            None => list.extend(model.by_popularity().iter().copied().filter(is_other).take(missing).map(follow)),
        }
    }
    list
}
