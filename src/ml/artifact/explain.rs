//! Why an item was recommended: the items of the history that speak for it.

use super::TrainedModel;
use super::wanted::codes;
use crate::ml::error::MlResult;

/// Items of a history with what each adds to the score of another, greatest first.
pub type Reasons = Vec<(String, f32)>;

impl TrainedModel {
    /// Which of a known user's items speak most for an item, at most `n`; `None` when user or item are not known.
    ///
    /// The user is looked at as somebody known only by their items, see [`Self::explain_history`].
    pub fn explain_user(&self, user_id: &str, item_id: &str, n: usize) -> MlResult<Option<Reasons>> {
        let (Some(user), Some(item)) = (self.users.find(user_id), self.items.find(item_id)) else { return Ok(None) };
        self.explain(self.seen.row_indices(user as usize), item, n).map(Some)
    }

    /// Which items of a history speak most for an item, at most `n`; `None` when the model knows none of the history
    /// or not the item.
    ///
    /// What each adds comes from [`crate::ml::algorithms::Recommender::contributions`]. Items that add nothing or
    /// speak against it are left out, so there may be none: the most popular items are so for everybody.
    pub fn explain_history(&self, history: &[String], item_id: &str, n: usize) -> MlResult<Option<Reasons>> {
        let history = codes(&self.items, history);
        match self.items.find(item_id) {
            Some(item) if !history.is_empty() => self.explain(&history, item, n).map(Some),
            _ => Ok(None),
        }
    }

    fn explain(&self, history: &[u32], item: u32, n: usize) -> MlResult<Reasons> {
        let contributions = self.model.contributions(history, item)?;
        let mut reasons: Vec<(u32, f32)> = history.iter().copied().zip(contributions).collect();
        reasons.retain(|(_, contribution)| *contribution > 0.0);
        reasons.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        reasons.truncate(n);
        Ok(reasons.into_iter().map(|(item, contribution)| (self.items.get(item).to_owned(), contribution)).collect())
    }
}
