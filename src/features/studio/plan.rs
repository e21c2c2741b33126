//! How a run finds its model: by a search over some algorithms on one split, or without one.

use super::model::Goal;
use crate::features::evaluation::Scheme;

/// Neighbours by what items have in common.
pub const CONTENT_KNN: &str = "ContentKNNRecommender";

/// Algorithms that learn from interactions, the quickest first.
const COLLABORATIVE: [&str; 3] = ["CosineKNNRecommender", "RP3betaRecommender", "IALSRecommender"];

/// Learns a matrix of all pairs of items.
const DENSE_SLIM: &str = "DenseSLIMRecommender";

/// The most items of a matrix of all pairs, which takes 1.6 GB then.
const MOST_ITEMS_OF_PAIRS: u64 = 20_000;

/// Rows up to which a search makes its most trials, and rows from which on it makes its fewest.
const FEW_ROWS: u64 = 200_000;
const MANY_ROWS: u64 = 5_000_000;

/// Trials for each algorithm, by the size of the data.
const TRIALS: [i32; 3] = [5, 3, 2];

/// What is known of the data once it has been checked.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Facts {
    pub rows: u64,
    pub users: u64,
    pub items: u64,
    pub has_times: bool,
    /// Share of the items with interactions that the item file describes; 0 without columns that do.
    pub described: f64,
}

/// How a run finds its model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// By a search.
    Search { scheme: Scheme, algorithms: Vec<&'static str>, most_trials: i32 },
    /// Without one: neighbours by what items have in common.
    Content,
}

impl Facts {
    /// Returns how to find a model for a goal, or why there can be none.
    pub fn plan(&self, goal: Goal) -> Result<Plan, String> {
        let is_described = self.described > 0.0;
        if matches!(goal, Goal::Content | Goal::Hybrid) && !is_described {
            return Err(format!(
                "The goal \"{goal}\" needs an item file with columns that describe the items of the interactions."
            ));
        }
        if let Some(lack) = self.lack() {
            return if is_described && goal != Goal::Collaborative { Ok(Plan::Content) } else { Err(lack) };
        }
        let (scheme, algorithms) = match goal {
            Goal::Content => (self.scheme(), vec![CONTENT_KNN]),
            Goal::Collaborative => (self.scheme(), self.collaborative()),
            Goal::Auto if !is_described => (self.scheme(), self.collaborative()),
            Goal::Auto | Goal::Hybrid => {
                let mut algorithms = self.collaborative();
                algorithms.push(CONTENT_KNN);
                (Scheme::CI, algorithms)
            }
        };
        let each = TRIALS[usize::from(self.rows > FEW_ROWS) + usize::from(self.rows > MANY_ROWS)];
        let most_trials = each * i32::try_from(algorithms.len()).unwrap_or(1);
        Ok(Plan::Search { scheme, algorithms, most_trials })
    }

    /// Returns why nothing can be learnt from the interactions, if so.
    pub fn lack(&self) -> Option<String> {
        let rows = self.rows;
        match (self.users, self.items) {
            (0, _) => Some("There are no interactions. Send a file with what users did.".to_owned()),
            (1, _) => Some(format!(
                "All {rows} interactions are of one user, and recommendations are learnt from what many users have in common. Send \
                 those of more users, or check which column has the user ids."
            )),
            (_, 0 | 1) => Some(format!(
                "All {rows} interactions are with one item. Send those with more items, or check which column has the item ids."
            )),
            _ => None,
        }
    }

    /// Returns how interactions are held out: the last ones of each user, or random ones where they have no times.
    fn scheme(&self) -> Scheme {
        if self.has_times { Scheme::TU } else { Scheme::RG }
    }

    fn collaborative(&self) -> Vec<&'static str> {
        let mut algorithms = COLLABORATIVE.to_vec();
        if self.items <= MOST_ITEMS_OF_PAIRS {
            algorithms.insert(2, DENSE_SLIM);
        }
        algorithms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::registry;

    const SHOP: Facts = Facts { rows: 1_000, users: 50, items: 40, has_times: true, described: 0.9 };

    fn algorithms(facts: Facts, goal: Goal) -> Vec<&'static str> {
        match facts.plan(goal) {
            Ok(Plan::Search { algorithms, .. }) => algorithms,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_algorithm_exists() {
        for name in COLLABORATIVE.into_iter().chain([DENSE_SLIM, CONTENT_KNN]) {
            assert_eq!(registry::find_matrix(name).map(|info| info.name), Ok(name));
        }
    }

    #[test]
    fn everything_that_was_sent_is_learnt_from() {
        let Ok(Plan::Search { scheme, algorithms, most_trials }) = SHOP.plan(Goal::Auto) else { panic!() };
        assert_eq!((scheme, algorithms.len(), most_trials), (Scheme::CI, 5, 25));
        let bare = Facts { described: 0.0, ..SHOP };
        let Ok(Plan::Search { scheme, algorithms, .. }) = bare.plan(Goal::Auto) else { panic!() };
        assert_eq!(scheme, Scheme::TU);
        assert!(!algorithms.contains(&CONTENT_KNN));
        let untimed = Facts { has_times: false, ..bare };
        assert!(matches!(untimed.plan(Goal::Auto), Ok(Plan::Search { scheme: Scheme::RG, .. })));
    }

    #[test]
    fn a_matrix_of_all_pairs_has_a_limit_of_items() {
        let at = |items| Facts { items, ..SHOP };
        assert!(algorithms(at(MOST_ITEMS_OF_PAIRS), Goal::Collaborative).contains(&DENSE_SLIM));
        assert!(!algorithms(at(MOST_ITEMS_OF_PAIRS + 1), Goal::Collaborative).contains(&DENSE_SLIM));
    }

    #[test]
    fn large_data_has_fewer_trials() {
        let trials = |rows| match (Facts { rows, ..SHOP }).plan(Goal::Collaborative) {
            Ok(Plan::Search { most_trials, .. }) => most_trials,
            other => panic!("{other:?}"),
        };
        assert_eq!([FEW_ROWS, FEW_ROWS + 1, MANY_ROWS + 1].map(trials), [20, 12, 8]);
    }

    #[test]
    fn one_user_teaches_nothing_but_items_can_still_be_compared() {
        let alone = Facts { users: 1, ..SHOP };
        assert_eq!(alone.plan(Goal::Auto), Ok(Plan::Content));
        assert!(alone.plan(Goal::Collaborative).unwrap_err().contains("of one user"));
        let bare = Facts { described: 0.0, ..alone };
        assert!(bare.plan(Goal::Auto).unwrap_err().starts_with("All 1000 interactions are of one user"));
        assert!(bare.plan(Goal::Hybrid).unwrap_err().contains("needs an item file"));
        assert_eq!(Facts { users: 0, rows: 0, described: 1.0, ..SHOP }.plan(Goal::Content), Ok(Plan::Content));
    }
}
