//! Evaluating what a model recommends to users that it was not trained on, by their features, beside what needs none.

use crate::algorithms::{FixedScores, Recommender, UserMap};
use crate::context::Context;
use crate::error::MlResult;
use crate::evaluate::{Evaluation, evaluate};
use crate::sparse::Csr;
use crate::splits::{NewUsers, only};
use crate::tensors::TensorWriter;

/// The quality of lists for new users. What they know is in none of the lists, so that the four can be compared.
#[derive(Debug, Clone)]
pub struct ForNewUsers {
    /// By their features alone.
    pub profile: Evaluation,
    /// The most popular items: the same for everybody.
    pub popular: Evaluation,
    /// By their histories alone, of the new users who have one; `None` where none does.
    pub history: Option<Evaluation>,
    /// By both, of the same users.
    pub both: Option<Evaluation>,
}

/// Evaluates the lists that a model, fitted to the interactions of the others, makes by profile. `known` are the training
/// interactions of all users. A model without vectors of users makes the lists that it would make without profiles.
pub fn judge_profiles(
    new: &NewUsers,
    model: &dyn Recommender,
    others: &Csr,
    known: &Csr,
    cutoff: usize,
    ctx: &Context,
) -> MlResult<Evaluation> {
    let map = UserMap::fit(model, new.features(), others, None, ctx)?;
    let asked = Asked { model, profile: map.as_ref().map(|map| (map, new.features())), knows_history: false };
    evaluate(&asked, known, new.held_out(), cutoff, ctx)
}

/// Evaluates a model, fitted to the interactions of the others, beside what needs no features; `None` for models without
/// vectors of users. `known` are the training interactions of all users.
pub fn judge(
    new: &NewUsers,
    model: &dyn Recommender,
    others: &Csr,
    known: &Csr,
    cutoff: usize,
    ctx: &Context,
) -> MlResult<Option<ForNewUsers>> {
    let Some(map) = UserMap::fit(model, new.features(), others, None, ctx)? else { return Ok(None) };
    let ask = |profile: Option<(&UserMap, &Csr)>, knows_history: bool, held_out: &Csr| {
        evaluate(&Asked { model, profile, knows_history }, known, held_out, cutoff, ctx)
    };
    let by_profile = Some((&map, new.features()));
    let counts = others.column_counts().into_iter().map(|n| n as f32).collect();
    let popular = FixedScores::new(known.n_rows, counts);
    let with_history = only(new.held_out(), |user| known.row_len(user) > 0);
    let has_history = with_history.nnz() > 0;
    Ok(Some(ForNewUsers {
        profile: ask(by_profile, false, new.held_out())?,
        popular: evaluate(&popular, known, new.held_out(), cutoff, ctx)?,
        history: has_history.then(|| ask(None, true, &with_history)).transpose()?,
        both: has_history.then(|| ask(by_profile, true, &with_history)).transpose()?,
    }))
}

/// A model that is told of a user nothing but the profile, the history, or both.
struct Asked<'a> {
    model: &'a dyn Recommender,
    /// The map, and the features of all users.
    profile: Option<(&'a UserMap, &'a Csr)>,
    knows_history: bool,
}

impl Recommender for Asked<'_> {
    fn n_users(&self) -> usize {
        self.model.n_users()
    }

    fn n_items(&self) -> usize {
        self.model.n_items()
    }

    fn score_users(&self, users: &[u32], seen: &Csr, out: &mut [f32]) -> MlResult<()> {
        for (&user, out) in users.iter().zip(out.chunks_exact_mut(self.n_items().max(1))) {
            let user = user as usize;
            let history = if self.knows_history { seen.row_indices(user) } else { &[] };
            match self.profile {
                Some((map, features)) => map.score(self.model, &map.vector(&features.rows(user..user + 1))?, history, out)?,
                None => self.model.score_history(history, out)?,
            }
        }
        Ok(())
    }

    fn score_history(&self, items: &[u32], out: &mut [f32]) -> MlResult<()> {
        self.model.score_history(items, out)
    }

    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        self.model.similar_items(item, out)
    }

    fn scores_one_by_one(&self) -> bool {
        true
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        self.model.save(out);
    }

    fn heap_bytes(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests;
