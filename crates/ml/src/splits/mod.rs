//! Divides interactions into a part that models are trained on and a part that they are evaluated on.
//!
//! The unit is the distinct pair of user and item; a pair that occurs several times counts at its
//! first time, because from then on the item is known to the user and would not be recommended.

mod cold_items;
mod described;
mod new_users;
mod pairs;

use std::borrow::Cow;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{MlError, MlResult};
use crate::features::FieldNote;
use crate::interactions::InteractionLog;
use crate::sparse::Csr;
use crate::weights::{Evidence, Weights};
pub(crate) use new_users::only;
pub use new_users::{NewUsers, UserFeatures};
use pairs::{Fate, Pairs};

/// How held-out interactions are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SplitScheme {
    /// At random, for each user.
    RG,
    /// Everything after one moment, the same for all users.
    TG,
    /// The last interactions of each user.
    TU,
    /// All interactions of cold items, which are chosen at random, and of the other interactions some at random, for each user.
    CI,
    /// All interactions of cold items, which are those first seen after one moment, and everything else after that moment.
    TI,
}

impl SplitScheme {
    /// Returns whether all interactions of some items are held out.
    pub fn holds_out_items(self) -> bool {
        matches!(self, Self::CI | Self::TI)
    }

    fn needs_times(self) -> bool {
        !matches!(self, Self::RG | Self::CI)
    }

    /// Returns whether one moment, the same for all users, divides the sides.
    fn has_one_moment(self) -> bool {
        matches!(self, Self::TG | Self::TI)
    }
}

/// Settings of a split; the defaults are those of the wire format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SplitConfig {
    /// How held-out interactions are chosen.
    pub scheme: SplitScheme,
    /// Share of each user's interactions that is held out (rounded down); for TG the share of all, for CI the share of those with
    /// items that are not cold. TI holds out all that is later than its moment.
    pub heldout_ratio: f64,
    /// Number held out of each user (for TG: of all), instead of the ratio.
    pub n_heldout: Option<u32>,
    /// Share of the items that is cold (rounded down), for CI and TI.
    pub heldout_item_ratio: f64,
    /// Share of users that are tested (rounded to the nearest, at least one).
    pub test_user_ratio: f64,
    /// Number of users that are tested, instead of the ratio.
    pub n_test_users: Option<u32>,
    /// Seed of the choice of users, and of what RG and CI hold out.
    pub random_seed: u64,
}

impl Default for SplitConfig {
    fn default() -> Self {
        SplitConfig {
            scheme: SplitScheme::RG,
            heldout_ratio: 0.1,
            n_heldout: None,
            heldout_item_ratio: 0.2,
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
        if self.scheme.holds_out_items() {
            if self.heldout_item_ratio.is_nan() || self.heldout_item_ratio <= 0.0 || self.heldout_item_ratio >= 1.0 {
                let ratio = self.heldout_item_ratio;
                return Err(MlError::BadSplit(format!("heldout_item_ratio must be greater than 0 and less than 1, not {ratio}")));
            }
        } else if self.n_heldout == Some(0) || (self.n_heldout.is_none() && self.heldout_ratio == 0.0) {
            return Err(MlError::BadSplit("nothing would be held out; raise heldout_ratio or n_heldout".into()));
        }
        if self.n_test_users == Some(0) || (self.n_test_users.is_none() && self.test_user_ratio == 0.0) {
            return Err(MlError::BadSplit("no user would be tested; raise test_user_ratio or n_test_users".into()));
        }
        if self.scheme.needs_times() && !has_time {
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
            None => share(n, self.heldout_ratio),
        }
    }

    /// Returns how many of `n` items are cold.
    fn n_cold_of(&self, n: usize) -> usize {
        share(n, self.heldout_item_ratio)
    }
}

/// Returns a share of `n`, rounded down.
fn share(n: usize, ratio: f64) -> usize {
    // The small term keeps 0.7 × 10 from becoming 6.999….
    ((n as f64 * ratio + 1e-9).floor() as usize).min(n)
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
    /// Number of items before the first cold one, which has no training interactions; the number of all items unless the split
    /// holds out items.
    pub n_warm: usize,
    /// The number in the log of each item, where the split numbers items in another order: those with training interactions first,
    /// then the cold ones, both in an order that is drawn. `None` when the numbers are those of the log.
    pub item_order: Option<Vec<u32>>,
    /// The number here of each item of the log; empty when the numbers are the same.
    numbers: Vec<u32>,
    /// For each user the moment up to which interactions may be known; empty when the split is not by time.
    known_until: Vec<i64>,
    /// The moment up to which interactions of users outside the split may be known.
    others_known_until: i64,
    evidence: Option<Evidence>,
    item_features: Option<Csr>,
    item_notes: Vec<FieldNote>,
    new_users: Option<NewUsers>,
}

impl Split {
    /// Gathers the data that weights are computed from, event types and times of the training pairs, from the log that was split.
    /// In a split by time, later events of these pairs stay unknown.
    pub fn with_evidence(mut self, log: &InteractionLog) -> Self {
        let until = |user: usize| self.known_until.get(user).copied().unwrap_or(i64::MAX);
        self.evidence = Evidence::gather(log, &self.train, |item| self.number_of(item), until);
        self
    }

    /// Returns the number here of an item of the log.
    pub fn number_of(&self, item_of_log: u32) -> u32 {
        self.numbers.get(item_of_log as usize).copied().unwrap_or(item_of_log)
    }

    /// Returns the number in the log of an item.
    pub fn item_of_log(&self, number: u32) -> u32 {
        self.item_order.as_ref().map_or(number, |order| order[number as usize])
    }

    /// Returns whether a model that learns from other data must not learn an interaction there, because it is held out here, later
    /// than what may be known, or with a cold item. Users and items are numbered as in the log that was split; `None` stands for a
    /// user or an item that only the other data have, and for a missing time.
    pub fn hides(&self, user: Option<u32>, item: Option<u32>, time: Option<i64>) -> bool {
        let item = item.map(|item| self.number_of(item));
        let is_cold = item.is_some_and(|item| item as usize >= self.n_warm);
        let held_out = |(user, item): (u32, u32)| self.held_out.row_indices(user as usize).binary_search(&item).is_ok();
        let until = match user {
            Some(user) => self.known_until.get(user as usize).copied().unwrap_or(i64::MAX),
            None => self.others_known_until,
        };
        is_cold || user.zip(item).is_some_and(held_out) || time.is_some_and(|time| time > until)
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

/// Splits a log. With TG and TI, interactions after the moment of users that are not tested are on neither side: a model must not
/// learn from the future. The same goes for their interactions with cold items (CI and TI).
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
        SplitScheme::CI => cold_items::at_random(&pairs, &tested, cfg, &mut rng)?,
        SplitScheme::TI => cold_items::first_seen_later(&pairs, &tested, cfg)?,
    };
    let split = pairs.divide(&fate, cfg.scheme);
    if split.test_users.is_empty() && !cfg.scheme.holds_out_items() {
        return Err(MlError::BadSplit(
            "no interaction was held out; users have too few interactions for this heldout_ratio".into(),
        ));
    }
    if split.train.nnz() == 0 {
        return Err(MlError::BadSplit("nothing is left to learn from; lower heldout_ratio or n_heldout".into()));
    }
    if cfg.scheme.holds_out_items() { split.with_cold_items(&mut rng) } else { Ok(split) }
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
    pairs.hide(&mut fate, tested, |at| pairs.times[at] > moment);
    fate
}
