//! Why an item was recommended: the items of the history that contribute most to its score.

use super::TrainedModel;
use crate::error::MlResult;
use crate::lists::{Reasons, codes};

impl TrainedModel {
    /// Returns which of a known user's items contribute most to an item's score, at most `n`; `None` when the user or the item is
    /// not known.
    ///
    /// The user is treated as one known only by their items, see [`Self::explain_history`].
    pub fn explain_user(&self, user_id: &str, item_id: &str, n: usize) -> MlResult<Option<Reasons>> {
        let (Some(user), Some(item)) = (self.users.find(user_id), self.items.find(item_id)) else { return Ok(None) };
        self.explain(self.seen.row_indices(user as usize), item, n).map(Some)
    }

    /// Returns which items of a history contribute most to an item's score, at most `n`; `None` when the model does not know the
    /// item or any of the history.
    ///
    /// What each adds comes from [`crate::algorithms::Recommender::contributions`]. Items that add nothing or reduce the score
    /// are left out, so the result may be empty: popularity, for example, does not depend on the history.
    pub fn explain_history(&self, history: &[String], item_id: &str, n: usize) -> MlResult<Option<Reasons>> {
        let history = codes(&self.items, history);
        match self.items.find(item_id) {
            Some(item) if !history.is_empty() => self.explain(&history, item, n).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns for each item of a list which items of a history contribute most to its score, at most `n`, each with its share:
    /// its part, from 0 to 1, of all positive contributions. Items of the list, or of the history, that are not known get no
    /// reasons.
    pub fn shares<'l>(&self, history: &[String], list: impl Iterator<Item = &'l str>, n: usize) -> MlResult<Vec<Reasons>> {
        let history = codes(&self.items, history);
        let list: Vec<Option<u32>> = list.map(|item| self.items.find(item)).collect();
        let known: Vec<u32> = list.iter().copied().flatten().collect();
        let contributions = self.model.contributions(&history, &known)?;
        let mut rows = contributions.chunks_exact(history.len().max(1));
        let shares = |item: Option<u32>| {
            let Some(contributions) = item.and_then(|_| rows.next()) else { return Reasons::new() };
            let mut reasons = speaking_for(&history, contributions);
            let all: f64 = reasons.iter().map(|(_, contribution)| f64::from(*contribution)).sum();
            reasons.iter_mut().for_each(|(_, contribution)| *contribution = (f64::from(*contribution) / all) as f32);
            self.named(reasons, n)
        };
        Ok(list.into_iter().map(shares).collect())
    }

    fn explain(&self, history: &[u32], item: u32, n: usize) -> MlResult<Reasons> {
        let contributions = self.model.contributions(history, &[item])?;
        Ok(self.named(speaking_for(history, &contributions), n))
    }

    /// Returns the first `n` with their ids.
    fn named(&self, mut reasons: Vec<(u32, f32)>, n: usize) -> Reasons {
        reasons.truncate(n);
        reasons.into_iter().map(|(item, amount)| (self.items.get(item).to_owned(), amount)).collect()
    }
}

/// Returns the items of a history that add something, the greatest contributions first.
fn speaking_for(history: &[u32], contributions: &[f32]) -> Vec<(u32, f32)> {
    let mut reasons: Vec<(u32, f32)> = history.iter().copied().zip(contributions.iter().copied()).collect();
    reasons.retain(|(_, contribution)| *contribution > 0.0);
    reasons.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    reasons
}
