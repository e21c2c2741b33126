//! The distinct pairs of a log, and their division into sides.

use super::{Split, SplitScheme};
use crate::interactions::InteractionLog;
use crate::sparse::Csr;

/// The side that a pair belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Train,
    HeldOut,
    Dropped,
}

/// Distinct pairs by user, with the first time of each.
pub(super) struct Pairs {
    pub matrix: Csr,
    /// Parallel to `matrix.indices`; empty without times.
    pub times: Vec<i64>,
}

impl Pairs {
    /// Returns the distinct pairs of a log.
    pub fn of(log: &InteractionLog) -> Self {
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

    /// Takes pairs off the training side: they are held out for users that are tested, and dropped for all others.
    pub fn hide(&self, fate: &mut [Fate], tested: &[bool], is_hidden: impl Fn(usize) -> bool) {
        for (user, is_tested) in tested.iter().enumerate() {
            let row = self.matrix.indptr[user]..self.matrix.indptr[user + 1];
            let side = if *is_tested { Fate::HeldOut } else { Fate::Dropped };
            row.filter(|&at| is_hidden(at)).for_each(|at| fate[at] = side);
        }
    }

    /// Returns the two sides.
    pub fn divide(&self, fate: &[Fate], scheme: SplitScheme) -> Split {
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
        let moment = known_until.first().filter(|_| scheme.has_one_moment());
        let others_known_until = moment.copied().unwrap_or(i64::MAX);
        Split {
            train: pick(Fate::Train),
            held_out,
            test_users,
            n_warm: self.matrix.n_cols,
            item_order: None,
            numbers: Vec::new(),
            known_until,
            others_known_until,
            evidence: None,
            item_features: None,
            item_notes: Vec::new(),
            new_users: None,
        }
    }

    /// Returns for each user the moment of their first hidden pair (TU), or the last moment before the first hidden pair of any
    /// user (TG and TI).
    fn known_until(&self, fate: &[Fate], scheme: SplitScheme) -> Vec<i64> {
        let first_hidden = |user: usize| {
            let row = self.matrix.indptr[user]..self.matrix.indptr[user + 1];
            row.filter(|&at| fate[at] != Fate::Train).map(|at| self.times[at]).min()
        };
        let users = 0..self.matrix.n_rows;
        match scheme {
            SplitScheme::RG | SplitScheme::CI => Vec::new(),
            // Events at the very moment of the first hidden pair stay known: some training pair may be as late.
            SplitScheme::TU => users.map(|user| first_hidden(user).unwrap_or(i64::MAX)).collect(),
            SplitScheme::TG | SplitScheme::TI => {
                let first = users.clone().filter_map(first_hidden).min();
                vec![first.map_or(i64::MAX, |time| time.saturating_sub(1)); users.len()]
            }
        }
    }
}
