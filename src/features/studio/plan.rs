//! How a run finds its model: by a search over some algorithms on one split, or without one.

use super::model::Goal;
use crate::features::evaluation::Scheme;

/// Neighbours by what items have in common.
pub const CONTENT_KNN: &str = "ContentKNNRecommender";

/// The list of the most popular items, which takes no search.
pub const TOP_POP: &str = "TopPopRecommender";

/// Algorithms that learn from interactions, the quickest first.
const COLLABORATIVE: [&str; 3] = ["CosineKNNRecommender", "RP3betaRecommender", "IALSRecommender"];

/// Learns a matrix of all pairs of items.
const DENSE_SLIM: &str = "DenseSLIMRecommender";

/// The most items of a matrix of all pairs, which takes 1.6 GB then.
const MOST_ITEMS_OF_PAIRS: u64 = 20_000;

/// Rows up to which a trial takes so little time that there is one more for each algorithm.
const FEW_ROWS: u64 = 50_000;

/// Trials for each algorithm.
const TRIALS: i32 = 2;

/// Seconds of the budget for which each algorithm gets one trial more.
const BUDGET_OF_TRIAL: i32 = 120;

/// Rows for which one trial may take a second, and the least number of seconds that it may take.
const ROWS_PER_SECOND: u64 = 250_000;
const SHORTEST_TRIAL: i32 = 2;

/// The part of the budget that one trial may always take, and the most it may take, as their divisors.
const SHORT_TRIALS_IN_BUDGET: i32 = 30;
const TRIALS_IN_BUDGET: i32 = 3;

/// The most users whose lists are judged: those of more would take longer and hardly say more.
const MOST_JUDGED: u64 = 1_500;

/// Interactions of a user, on average, from which on a tenth of them are held out. Of fewer, it is one.
const MANY_OF_USER: u64 = 20;

/// Why nothing can be learnt from items alone.
const NOTHING_IN_COMMON: &str = "No column of the item file says what items have in common, and there are no interactions. Send items \
    with more columns, such as a category or a description, or a file with what users did.";

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
    Search(Search),
    /// Without one: neighbours by what items have in common.
    Content,
}

/// What is searched, and how trials are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    pub scheme: Scheme,
    pub algorithms: Vec<&'static str>,
    pub most_trials: i32,
    /// Seconds that one trial may take.
    pub trial_seconds: i32,
    /// Interactions of each user that are held out, instead of a tenth.
    pub n_heldout: Option<i32>,
    /// Users whose lists are judged, instead of all.
    pub n_test_users: Option<i32>,
}

impl Facts {
    /// Returns how to find a model for a goal within a budget of seconds, or why there can be none.
    pub fn plan(&self, goal: Goal, budget: i32) -> Result<Plan, String> {
        let is_described = self.described > 0.0;
        if matches!(goal, Goal::Content | Goal::Hybrid) && !is_described {
            return Err(format!(
                "The goal \"{goal}\" needs an item file with columns that describe the items of the interactions."
            ));
        }
        if let Some(lack) = self.lack() {
            return match is_described && goal != Goal::Collaborative {
                true => Ok(Plan::Content),
                false if self.users == 0 && self.items > 0 => Err(NOTHING_IN_COMMON.to_owned()),
                false => Err(lack),
            };
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
        Ok(Plan::Search(self.search(scheme, algorithms, budget)))
    }

    fn search(&self, scheme: Scheme, algorithms: Vec<&'static str>, budget: i32) -> Search {
        let each = TRIALS + i32::from(self.rows <= FEW_ROWS) + budget / BUDGET_OF_TRIAL;
        let by_rows = i32::try_from(self.rows / ROWS_PER_SECOND).unwrap_or(i32::MAX);
        Search {
            scheme,
            most_trials: each * i32::try_from(algorithms.len()).unwrap_or(1),
            algorithms,
            trial_seconds: by_rows
                .max(SHORTEST_TRIAL)
                .max(budget / SHORT_TRIALS_IN_BUDGET)
                .min((budget / TRIALS_IN_BUDGET).max(1)),
            n_heldout: (self.rows < MANY_OF_USER * self.users).then_some(1),
            n_test_users: (self.users > MOST_JUDGED).then_some(MOST_JUDGED as i32),
        }
    }

    /// Returns why nothing can be learnt from the interactions, if so.
    pub fn lack(&self) -> Option<String> {
        let rows = self.rows;
        match (self.users, self.items) {
            (0, _) => Some("There are no interactions. Send a file with what users did.".to_owned()),
            (1, _) => Some(format!(
                "All {rows} interactions are of one user. Send those of more users, or check which column has the user ids."
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

    fn search(facts: Facts, goal: Goal) -> Search {
        match facts.plan(goal, 60) {
            Ok(Plan::Search(search)) => search,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_algorithm_exists() {
        for name in COLLABORATIVE.into_iter().chain([DENSE_SLIM, CONTENT_KNN, TOP_POP]) {
            assert_eq!(registry::find_matrix(name).map(|info| info.name), Ok(name));
        }
    }

    #[test]
    fn everything_that_was_sent_is_learnt_from() {
        let both = search(SHOP, Goal::Auto);
        assert_eq!((both.scheme, both.algorithms.len(), both.most_trials), (Scheme::CI, 5, 15));
        let bare = Facts { described: 0.0, ..SHOP };
        assert_eq!(search(bare, Goal::Auto).scheme, Scheme::TU);
        assert!(!search(bare, Goal::Auto).algorithms.contains(&CONTENT_KNN));
        assert_eq!(search(Facts { has_times: false, ..bare }, Goal::Auto).scheme, Scheme::RG);
        assert_eq!(search(SHOP, Goal::Content).algorithms, [CONTENT_KNN]);
    }

    #[test]
    fn a_matrix_of_all_pairs_has_a_limit_of_items() {
        let at = |items| search(Facts { items, ..SHOP }, Goal::Collaborative).algorithms;
        assert!(at(MOST_ITEMS_OF_PAIRS).contains(&DENSE_SLIM));
        assert!(!at(MOST_ITEMS_OF_PAIRS + 1).contains(&DENSE_SLIM));
    }

    #[test]
    fn large_data_has_fewer_and_longer_trials_of_which_some_users_are_judged() {
        let of = |rows| search(Facts { rows, ..SHOP }, Goal::Collaborative);
        assert_eq!([FEW_ROWS, FEW_ROWS + 1].map(|rows| of(rows).most_trials), [12, 8]);
        assert_eq!([100, 1_000_000, 90_000_000].map(|rows| of(rows).trial_seconds), [2, 4, 20]);
        let many = |users| search(Facts { users, ..SHOP }, Goal::Collaborative).n_test_users;
        assert_eq!((many(MOST_JUDGED), many(MOST_JUDGED + 1)), (None, Some(1_500)));
        assert_eq!((of(999).n_heldout, of(1_000).n_heldout), (Some(1), None), "20 interactions of each of 50 users");
    }

    #[test]
    fn a_larger_budget_buys_more_and_longer_trials() {
        let trials = |budget| match SHOP.plan(Goal::Collaborative, budget) {
            Ok(Plan::Search(search)) => (search.most_trials, search.trial_seconds),
            other => panic!("{other:?}"),
        };
        assert_eq!([5, 89, 90, 120, 3_600].map(trials), [(12, 1), (12, 2), (12, 3), (16, 4), (132, 120)]);
    }

    #[test]
    fn one_user_teaches_nothing_but_items_can_still_be_compared() {
        let alone = Facts { users: 1, ..SHOP };
        assert_eq!(alone.plan(Goal::Auto, 60), Ok(Plan::Content));
        assert!(alone.plan(Goal::Collaborative, 60).unwrap_err().contains("of one user"));
        let bare = Facts { described: 0.0, ..alone };
        assert!(bare.plan(Goal::Auto, 60).unwrap_err().starts_with("All 1000 interactions are of one user"));
        assert!(bare.plan(Goal::Hybrid, 60).unwrap_err().contains("needs an item file"));
        assert_eq!(Facts { users: 0, rows: 0, described: 1.0, ..SHOP }.plan(Goal::Content, 60), Ok(Plan::Content));
        let items_only = Facts { users: 0, rows: 0, described: 0.0, ..SHOP };
        assert_eq!(items_only.plan(Goal::Auto, 60), Err(NOTHING_IN_COMMON.to_owned()));
    }
}
