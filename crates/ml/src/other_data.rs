//! Evaluates models trained on one log with the held-out part of another, for example to compare a deployed model, trained on
//! yesterday's upload, with one trained on today's: each learns from its own data, and both are evaluated on the same held-out
//! interactions.
//!
//! Users and items are those of both logs, matched by their ids. Users and items that occur only in the split's log are new to
//! the model: a new item has no interactions, and a new user gets the most popular items, as from a deployed model.

use super::algorithms::{Factors, Recommender};
use super::context::Context;
use super::error::{MlError, MlResult};
use super::evaluate::evaluate;
use super::ids::Ids;
use super::interactions::{Events, InteractionLog};
use super::metrics::Metric;
use super::registry;
use super::sparse::Csr;
use super::splits::Split;
use super::tensors::TensorWriter;
use super::tuning::Suggestion;
use super::weights::{Weights, weighed_matrix};

/// The evaluation of every model: a split, and the ids of its users and items.
#[derive(Debug, Clone, Copy)]
pub struct Exam<'a> {
    pub split: &'a Split,
    pub users: &'a Ids,
    pub items: &'a Ids,
    pub metric: Metric,
    pub cutoff: usize,
}

/// Returns the score of a suggestion that learns from all of `own` except what the split hides.
///
/// Items that a user has on either training side are never listed, since a deployed model would not show them.
pub fn judge(suggestion: &Suggestion, exam: &Exam<'_>, own: &InteractionLog, context: &Context) -> MlResult<f64> {
    let (weights, params) = Weights::default().overridden(&suggestion.params)?;
    let known = known(exam, own);
    if known.n_rows() == 0 {
        return Err(MlError::EmptyInput("the other data contain only held-out interactions; nothing is left to learn".into()));
    }
    let own = InteractionLog::merge(&[ids_only(exam.users, exam.items, &known), known])?;
    let seen = weighed_matrix(&own, &weights);
    let places = Places::of(exam, &own);
    let held_out = places.matrix(&exam.split.held_out, &Csr::empty(seen.n_rows, seen.n_cols))?;
    let had = places.matrix(&exam.split.train, &seen)?;
    let model = registry::fit(&suggestion.algorithm, &params, &seen, context)?;
    let model = Deployed::new(model, seen, &held_out);
    Ok(evaluate(&model, &had, &held_out, exam.cutoff, context)?.get(exam.metric))
}

/// Returns the two logs over the same users and items, those of both.
pub fn over_same_ids(one: &InteractionLog, other: &InteractionLog) -> MlResult<[InteractionLog; 2]> {
    Ok([
        InteractionLog::merge(&[ids_only(&other.users, &other.items, one), one.clone()])?,
        InteractionLog::merge(&[ids_only(&one.users, &one.items, other), other.clone()])?,
    ])
}

/// Returns the rows that the split does not hide.
fn known(exam: &Exam<'_>, own: &InteractionLog) -> InteractionLog {
    let find = |ids: &Ids, own: &Ids| own.iter().map(|id| ids.find(id)).collect::<Vec<_>>();
    let (users, items) = (find(exam.users, &own.users), find(exam.items, &own.items));
    own.filtered(|row| {
        let (user, item) = (users[own.user_codes[row] as usize], items[own.item_codes[row] as usize]);
        !exam.split.hides(user, item, own.times.as_ref().map(|times| times[row]))
    })
}

/// Returns a log without rows that has the columns of another.
fn ids_only(users: &Ids, items: &Ids, columns_of: &InteractionLog) -> InteractionLog {
    InteractionLog {
        users: users.clone(),
        items: items.clone(),
        user_codes: Vec::new(),
        item_codes: Vec::new(),
        times: columns_of.times.as_ref().map(|_| Vec::new()),
        events: columns_of.events.as_ref().map(|events| Events { names: events.names.clone(), codes: Vec::new() }),
    }
}

/// Returns the numbers of the ids among all ids; every id is among them.
fn places(ids: &Ids, all: &Ids) -> Vec<u32> {
    ids.iter().filter_map(|id| all.find(id)).collect()
}

/// Numbers of the split's users and items among those of both logs.
struct Places {
    users: Vec<u32>,
    items: Vec<u32>,
}

impl Places {
    fn of(exam: &Exam<'_>, all: &InteractionLog) -> Self {
        let in_log = places(exam.items, &all.items);
        let items = match &exam.split.item_order {
            Some(order) => order.iter().map(|&item| in_log[item as usize]).collect(),
            None => in_log,
        };
        Places { users: places(exam.users, &all.users), items }
    }

    /// Combines the pairs of a matrix of the split with those of a matrix of both logs.
    fn matrix(&self, of_split: &Csr, with: &Csr) -> MlResult<Csr> {
        let (mut rows, mut columns) = (Vec::new(), Vec::new());
        for user in 0..of_split.n_rows {
            let items = of_split.row_indices(user).iter().map(|&item| self.items[item as usize]);
            columns.extend(items);
            rows.resize(columns.len(), self.users[user]);
        }
        for user in 0..with.n_rows {
            columns.extend_from_slice(with.row_indices(user));
            rows.resize(columns.len(), user as u32);
        }
        Csr::from_pairs(with.n_rows, with.n_cols, &rows, &columns)
    }
}

/// A model as it answers traffic: users it does not know get the most popular items.
struct Deployed {
    model: Box<dyn Recommender>,
    /// The interactions it learnt from.
    seen: Csr,
    /// Number of users of each item; items without users are not listed.
    popularity: Vec<f32>,
    is_asked_about_newcomers: bool,
}

impl Deployed {
    fn new(model: Box<dyn Recommender>, seen: Csr, held_out: &Csr) -> Self {
        let listed = |count: u32| if count == 0 { f32::NEG_INFINITY } else { count as f32 };
        let popularity = seen.column_counts().into_iter().map(listed).collect();
        let is_asked_about_newcomers = (0..seen.n_rows).any(|user| held_out.row_len(user) > 0 && seen.row_len(user) == 0);
        Deployed { model, seen, popularity, is_asked_about_newcomers }
    }
}

impl Recommender for Deployed {
    fn n_users(&self) -> usize {
        self.model.n_users()
    }

    fn n_items(&self) -> usize {
        self.model.n_items()
    }

    fn score_users(&self, users: &[u32], _: &Csr, out: &mut [f32]) -> MlResult<()> {
        self.model.score_users(users, &self.seen, out)?;
        for (&user, scores) in users.iter().zip(out.chunks_exact_mut(self.popularity.len().max(1))) {
            if self.seen.row_len(user as usize) == 0 {
                scores.copy_from_slice(&self.popularity);
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

    fn factors(&self) -> Option<Factors<'_>> {
        self.model.factors().filter(|_| !self.is_asked_about_newcomers)
    }

    fn scores_one_by_one(&self) -> bool {
        self.model.scores_one_by_one()
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        self.model.save(out);
    }

    fn heap_bytes(&self) -> u64 {
        self.model.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::interactions::InteractionLogBuilder;
    use crate::splits::{SplitConfig, SplitScheme, split};
    use crate::trials;

    /// Returns a log in which every user has six of the eight items of one of two tastes.
    fn tastes(users: std::ops::Range<usize>) -> InteractionLog {
        let mut builder = InteractionLogBuilder::new(true);
        for user in users {
            for n in 0..6 {
                let item = format!("t{}-{}", user % 2, (user / 2 + n) % 8);
                builder.push(&format!("u{user:03}"), &item, Some((user * 10 + n) as i64));
            }
        }
        builder.finish()
    }

    fn neighbours() -> Suggestion {
        let params = json!({ "top_k": 20 }).as_object().cloned().unwrap_or_default();
        Suggestion { algorithm: "CosineKNN".to_owned(), params }
    }

    fn exam<'a>(split: &'a Split, log: &'a InteractionLog) -> Exam<'a> {
        Exam { split, users: &log.users, items: &log.items, metric: Metric::Ndcg, cutoff: 5 }
    }

    fn halves() -> SplitConfig {
        SplitConfig { heldout_ratio: 0.5, ..SplitConfig::default() }
    }

    #[test]
    fn the_same_data_score_the_same_and_less_of_it_scores_less() {
        let (all, context) = (tastes(0..60), Context::new(1, 2));
        let divided = split(&all, &halves()).unwrap();
        let here = trials::judge(&neighbours(), &divided, Metric::Ndcg, 5, &context).unwrap();
        assert_eq!(judge(&neighbours(), &exam(&divided, &all), &all, &context).unwrap(), here);
        for algorithm in ["IALS", "TopPop", "CosineUserKNN", "RP3beta"] {
            let suggestion = Suggestion { algorithm: algorithm.to_owned(), params: Map::new() };
            let here = trials::judge(&suggestion, &divided, Metric::Ndcg, 5, &context).unwrap();
            let there = judge(&suggestion, &exam(&divided, &all), &all, &context).unwrap();
            assert!((here - there).abs() < 1e-6, "{algorithm}: {here} and {there}");
        }

        let few = all.filtered(|row| all.user_codes[row] < 4);
        let cut_short = split(&few, &halves()).unwrap();
        let new = trials::judge(&neighbours(), &cut_short, Metric::Ndcg, 5, &context).unwrap();
        let deployed = judge(&neighbours(), &exam(&cut_short, &few), &all, &context).unwrap();
        assert!(new < 0.9 * deployed, "{new} and {deployed}");
    }

    #[test]
    fn whom_the_data_do_not_know_gets_what_most_have_and_unknown_items_are_missed() {
        let (all, context) = (tastes(0..60), Context::new(1, 1));
        let divided = split(&all, &halves()).unwrap();
        let before = tastes(0..30);
        let known = judge(&neighbours(), &exam(&divided, &all), &before, &context).unwrap();
        let here = trials::judge(&neighbours(), &divided, Metric::Ndcg, 5, &context).unwrap();
        assert!(known > 0.0 && known < here, "{known} and {here}");
        let mut other = InteractionLogBuilder::new(false);
        ["a", "b"].iter().for_each(|item| other.push("somebody else", item, None));
        assert_eq!(judge(&neighbours(), &exam(&divided, &all), &other.finish(), &context).unwrap(), 0.0);
    }

    #[test]
    fn what_is_held_out_or_later_is_not_learnt() {
        let all = tastes(0..60);
        let config = SplitConfig { scheme: SplitScheme::TG, heldout_ratio: 0.3, test_user_ratio: 0.5, ..SplitConfig::default() };
        let divided = split(&all, &config).unwrap();
        let mut more = InteractionLogBuilder::new(true);
        more.push("new", "t0-1", Some(0));
        more.push("new", "t0-2", Some(1_000_000));
        let more = InteractionLog::merge(&[all.clone(), more.finish()]).unwrap();
        let known = known(&exam(&divided, &all), &more);
        assert_eq!(known.n_rows(), divided.train.nnz() + 1);
        let whole = exam(&divided, &all);
        let nothing = all.filtered(|row| all.times.as_ref().is_some_and(|times| times[row] > 500));
        assert!(judge(&neighbours(), &whole, &nothing, &Context::new(1, 1)).is_err());
    }

    #[test]
    fn cold_items_are_not_learnt_and_keep_their_places() {
        let all = tastes(0..60);
        for scheme in [SplitScheme::CI, SplitScheme::TI] {
            let divided = split(&all, &SplitConfig { scheme, heldout_ratio: 0.3, ..SplitConfig::default() }).unwrap();
            let exam = exam(&divided, &all);
            // Nothing is dropped, since all users are tested; no pair of these data repeats.
            assert_eq!(known(&exam, &all).n_rows(), divided.train.nnz());
            let places = Places::of(&exam, &all);
            let learnt = places.matrix(&divided.train, &Csr::empty(all.n_users(), all.n_items())).unwrap();
            assert_eq!(places.matrix(&divided.held_out, &learnt).unwrap(), all.to_csr());
            assert!(judge(&neighbours(), &exam, &all, &Context::new(1, 1)).unwrap() > 0.0);
        }
    }

    #[test]
    fn two_logs_get_the_same_numbers() {
        let [one, other] = over_same_ids(&tastes(0..4), &tastes(2..8)).unwrap();
        assert_eq!((&one.users, &one.items), (&other.users, &other.items));
        assert_eq!((one.n_rows(), other.n_rows(), one.n_users()), (24, 36, 8));
        assert!(one.times.is_some());
    }
}
