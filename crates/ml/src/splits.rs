//! Divides interactions into a part that models are trained on and a part that they are evaluated on.
//!
//! The unit is the distinct pair of user and item; a pair that occurs several times counts at its
//! first time, because from then on the item is known to the user and would not be recommended.

use std::borrow::Cow;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{MlError, MlResult};
use crate::interactions::InteractionLog;
use crate::sparse::Csr;
use crate::weights::{Evidence, Weights};

/// How held-out interactions are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SplitScheme {
    /// At random, for each user.
    RG,
    /// Everything after one moment, the same for all users.
    TG,
    /// The last interactions of each user.
    TU,
}

/// Settings of a split; the defaults are those of the wire format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SplitConfig {
    /// How held-out interactions are chosen.
    pub scheme: SplitScheme,
    /// Share of each user's interactions that is held out (rounded down); for TG the share of all.
    pub heldout_ratio: f64,
    /// Number held out of each user (for TG: of all), instead of the ratio.
    pub n_heldout: Option<u32>,
    /// Share of users that are tested (rounded to the nearest, at least one).
    pub test_user_ratio: f64,
    /// Number of users that are tested, instead of the ratio.
    pub n_test_users: Option<u32>,
    /// Seed of the choice of users and of RG.
    pub random_seed: u64,
}

impl Default for SplitConfig {
    fn default() -> Self {
        SplitConfig {
            scheme: SplitScheme::RG,
            heldout_ratio: 0.1,
            n_heldout: None,
            test_user_ratio: 1.0,
            n_test_users: None,
            random_seed: 42,
        }
    }
}

impl SplitConfig {
    /// Refuses settings that could never work, before a job is created.
    pub fn validate(&self, has_time: bool) -> MlResult<()> {
        let in_unit = |name: &str, ratio: f64| {
            if (0.0..=1.0).contains(&ratio) {
                Ok(())
            } else {
                Err(MlError::BadSplit(format!("{name} must be between 0 and 1, not {ratio}")))
            }
        };
        in_unit("heldout_ratio", self.heldout_ratio)?;
        in_unit("test_user_ratio", self.test_user_ratio)?;
        if self.n_heldout == Some(0) || (self.n_heldout.is_none() && self.heldout_ratio == 0.0) {
            return Err(MlError::BadSplit("nothing would be held out; raise heldout_ratio or n_heldout".into()));
        }
        if self.n_test_users == Some(0) || (self.n_test_users.is_none() && self.test_user_ratio == 0.0) {
            return Err(MlError::BadSplit("no user would be tested; raise test_user_ratio or n_test_users".into()));
        }
        if self.scheme != SplitScheme::RG && !has_time {
            return Err(MlError::MissingTime);
        }
        Ok(())
    }

    fn n_test_users_of(&self, n_users: usize) -> usize {
        match self.n_test_users {
            Some(n) => (n as usize).min(n_users),
            None => ((n_users as f64 * self.test_user_ratio).round() as usize).clamp(1, n_users),
        }
    }

    /// Returns how many of `n` interactions are held out.
    fn n_heldout_of(&self, n: usize) -> usize {
        match self.n_heldout {
            Some(fixed) => (fixed as usize).min(n),
            // The small term keeps 0.7 × 10 from becoming 6.999….
            None => ((n as f64 * self.heldout_ratio + 1e-9).floor() as usize).min(n),
        }
    }
}

/// The two sides of a split, both users × items.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The interactions that a model may learn from.
    pub train: Csr,
    /// The held-out interactions; rows of users that are not tested are empty.
    pub held_out: Csr,
    /// Users with at least one held-out interaction, rising.
    pub test_users: Vec<u32>,
    /// For each user the moment up to which interactions may be known; empty when the split is not by time.
    known_until: Vec<i64>,
    /// The moment up to which interactions of users outside the split may be known.
    others_known_until: i64,
    evidence: Option<Evidence>,
}

impl Split {
    /// Gathers the data that weights are computed from, event types and times of the training pairs, from the log that was split.
    /// In a split by time, later events of these pairs stay unknown.
    pub fn with_evidence(mut self, log: &InteractionLog) -> Self {
        let until = |user: usize| self.known_until.get(user).copied().unwrap_or(i64::MAX);
        self.evidence = Evidence::gather(log, &self.train, until);
        self
    }

    /// Returns whether a model that learns from other data must not learn an interaction there, because it is held out here or
    /// later than what may be known. `None` stands for a user or an item that only the other data have, and for a missing time.
    pub fn hides(&self, user: Option<u32>, item: Option<u32>, time: Option<i64>) -> bool {
        let held_out = |(user, item): (u32, u32)| self.held_out.row_indices(user as usize).binary_search(&item).is_ok();
        let until = match user {
            Some(user) => self.known_until.get(user as usize).copied().unwrap_or(i64::MAX),
            None => self.others_known_until,
        };
        user.zip(item).is_some_and(held_out) || time.is_some_and(|time| time > until)
    }

    /// Returns the days that the training side covers, if its times were gathered.
    pub fn days_covered(&self) -> Option<f64> {
        self.evidence.as_ref().and_then(Evidence::days_covered)
    }

    /// Returns the training side with weighted interactions, if the data for weights were gathered.
    pub fn weighed_train(&self, weights: &Weights) -> Cow<'_, Csr> {
        match &self.evidence {
            Some(evidence) if !weights.is_neutral() => Cow::Owned(evidence.weigh(&self.train, weights)),
            _ => Cow::Borrowed(&self.train),
        }
    }
}

/// Splits a log. With TG, interactions after the moment of users that are not tested are on neither side: a model must not learn
/// from the future.
pub fn split(log: &InteractionLog, cfg: &SplitConfig) -> MlResult<Split> {
    cfg.validate(log.times.is_some())?;
    if log.n_rows() == 0 {
        return Err(MlError::EmptyInput("there are no interactions to split".into()));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(cfg.random_seed);
    let tested = choose_users(log.n_users(), cfg, &mut rng);
    let pairs = Pairs::of(log);
    let fate = match cfg.scheme {
        SplitScheme::RG => random_per_user(&pairs, &tested, cfg, &mut rng),
        SplitScheme::TU => last_per_user(&pairs, &tested, cfg),
        SplitScheme::TG => after_one_moment(&pairs, &tested, cfg),
    };
    let split = pairs.divide(&fate, cfg.scheme);
    if split.test_users.is_empty() {
        return Err(MlError::BadSplit(
            "no interaction was held out; users have too few interactions for this heldout_ratio".into(),
        ));
    }
    if split.train.nnz() == 0 {
        return Err(MlError::BadSplit("nothing is left to learn from; lower heldout_ratio or n_heldout".into()));
    }
    Ok(split)
}

/// The side that a pair belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Train,
    HeldOut,
    Dropped,
}

/// Distinct pairs by user, with the first time of each.
struct Pairs {
    matrix: Csr,
    /// Parallel to `matrix.indices`; empty without times.
    times: Vec<i64>,
}

impl Pairs {
    fn of(log: &InteractionLog) -> Self {
        let matrix = log.to_csr();
        let Some(log_times) = &log.times else { return Pairs { matrix, times: Vec::new() } };
        let mut times = vec![i64::MAX; matrix.nnz()];
        for ((&user, &item), &time) in log.user_codes.iter().zip(&log.item_codes).zip(log_times) {
            let start = matrix.indptr[user as usize];
            if let Ok(at) = matrix.row_indices(user as usize).binary_search(&item) {
                let first = &mut times[start + at];
                *first = time.min(*first);
            }
        }
        Pairs { matrix, times }
    }

    fn divide(&self, fate: &[Fate], scheme: SplitScheme) -> Split {
        let pick = |wanted: Fate| {
            let mut part = Csr::empty(self.matrix.n_rows, self.matrix.n_cols);
            for user in 0..self.matrix.n_rows {
                let range = self.matrix.indptr[user]..self.matrix.indptr[user + 1];
                let kept = range.filter(|&at| fate[at] == wanted).map(|at| self.matrix.indices[at]);
                part.indices.extend(kept);
                part.indptr[user + 1] = part.indices.len();
            }
            part.values = vec![1.0; part.indices.len()];
            part
        };
        let held_out = pick(Fate::HeldOut);
        let test_users = (0..held_out.n_rows as u32).filter(|&u| held_out.row_len(u as usize) > 0).collect();
        let known_until = self.known_until(fate, scheme);
        let moment = known_until.first().filter(|_| scheme == SplitScheme::TG);
        let others_known_until = moment.copied().unwrap_or(i64::MAX);
        Split { train: pick(Fate::Train), held_out, test_users, known_until, others_known_until, evidence: None }
    }

    /// Returns for each user the moment of their first hidden pair (TU), or the last moment before the first hidden pair of any
    /// user (TG).
    fn known_until(&self, fate: &[Fate], scheme: SplitScheme) -> Vec<i64> {
        let first_hidden = |user: usize| {
            let row = self.matrix.indptr[user]..self.matrix.indptr[user + 1];
            row.filter(|&at| fate[at] != Fate::Train).map(|at| self.times[at]).min()
        };
        let users = 0..self.matrix.n_rows;
        match scheme {
            SplitScheme::RG => Vec::new(),
            // Events at the very moment of the first hidden pair stay known: some training pair may be as late.
            SplitScheme::TU => users.map(|user| first_hidden(user).unwrap_or(i64::MAX)).collect(),
            SplitScheme::TG => {
                let first = users.clone().filter_map(first_hidden).min();
                vec![first.map_or(i64::MAX, |time| time.saturating_sub(1)); users.len()]
            }
        }
    }
}

fn choose_users(n_users: usize, cfg: &SplitConfig, rng: &mut ChaCha8Rng) -> Vec<bool> {
    let wanted = cfg.n_test_users_of(n_users);
    let mut order: Vec<usize> = (0..n_users).collect();
    order.shuffle(rng);
    let mut tested = vec![false; n_users];
    order[..wanted].iter().for_each(|&user| tested[user] = true);
    tested
}

fn random_per_user(pairs: &Pairs, tested: &[bool], cfg: &SplitConfig, rng: &mut ChaCha8Rng) -> Vec<Fate> {
    hold_out_per_user(pairs, tested, cfg, |order| order.shuffle(rng))
}

fn last_per_user(pairs: &Pairs, tested: &[bool], cfg: &SplitConfig) -> Vec<Fate> {
    hold_out_per_user(pairs, tested, cfg, |order| {
        // Latest first; equal times by item number, so that the split does not depend on row order.
        order.sort_unstable_by_key(|&at| std::cmp::Reverse((pairs.times[at], pairs.matrix.indices[at])));
    })
}

fn hold_out_per_user(pairs: &Pairs, tested: &[bool], cfg: &SplitConfig, mut arrange: impl FnMut(&mut Vec<usize>)) -> Vec<Fate> {
    let mut fate = vec![Fate::Train; pairs.matrix.nnz()];
    for user in (0..pairs.matrix.n_rows).filter(|&u| tested[u]) {
        let mut order: Vec<usize> = (pairs.matrix.indptr[user]..pairs.matrix.indptr[user + 1]).collect();
        arrange(&mut order);
        let n_heldout = cfg.n_heldout_of(order.len());
        order[..n_heldout].iter().for_each(|&at| fate[at] = Fate::HeldOut);
    }
    fate
}

fn after_one_moment(pairs: &Pairs, tested: &[bool], cfg: &SplitConfig) -> Vec<Fate> {
    let mut sorted = pairs.times.clone();
    sorted.sort_unstable();
    let n_later = cfg.n_heldout_of(sorted.len());
    // Pairs at the moment itself stay on the training side: they cannot be told apart.
    let moment = if n_later >= sorted.len() { i64::MIN } else { sorted[sorted.len() - 1 - n_later] };
    let mut fate = vec![Fate::Train; pairs.matrix.nnz()];
    for (user, is_tested) in tested.iter().enumerate() {
        let row = pairs.matrix.indptr[user]..pairs.matrix.indptr[user + 1];
        for (fate, time) in fate[row.clone()].iter_mut().zip(&pairs.times[row]) {
            if *time > moment {
                *fate = if *is_tested { Fate::HeldOut } else { Fate::Dropped };
            }
        }
    }
    fate
}
