//! Splits that hold out all interactions of some items, to evaluate how well a model recommends items that are new to it.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Fate, Pairs, Split, SplitConfig, hold_out_per_user};
use crate::error::{MlError, MlResult};
use crate::sparse::Csr;

/// Holds out all interactions of items chosen at random, and of the other interactions some of each user, as RG does.
pub(super) fn at_random(pairs: &Pairs, tested: &[bool], cfg: &SplitConfig, rng: &mut ChaCha8Rng) -> MlResult<Vec<Fate>> {
    let counts = pairs.matrix.column_counts();
    let mut items: Vec<usize> = (0..counts.len()).filter(|&item| counts[item] > 0).collect();
    let n_cold = n_cold_of(items.len(), cfg)?;
    items.shuffle(rng);
    let mut cold = vec![false; counts.len()];
    items[..n_cold].iter().for_each(|&item| cold[item] = true);
    let is_cold = |at: usize| cold[pairs.matrix.indices[at] as usize];
    let mut fate = hold_out_per_user(pairs, tested, cfg, |order| {
        order.retain(|&at| !is_cold(at));
        order.shuffle(rng);
    });
    pairs.hide(&mut fate, tested, is_cold);
    Ok(fate)
}

/// Holds out everything after the moment that divides the items by when they are first seen.
pub(super) fn first_seen_later(pairs: &Pairs, tested: &[bool], cfg: &SplitConfig) -> MlResult<Vec<Fate>> {
    let mut first_seen: Vec<Option<i64>> = vec![None; pairs.matrix.n_cols];
    for (&item, &time) in pairs.matrix.indices.iter().zip(&pairs.times) {
        let first = &mut first_seen[item as usize];
        *first = Some(first.map_or(time, |first| first.min(time)));
    }
    let mut sorted: Vec<i64> = first_seen.into_iter().flatten().collect();
    sorted.sort_unstable();
    let n_cold = n_cold_of(sorted.len(), cfg)?;
    // Items first seen at the moment itself stay warm: they cannot be told apart.
    let moment = sorted[sorted.len() - 1 - n_cold];
    if sorted.last() == Some(&moment) {
        let message = "no item would be cold, because too many are first seen at the same last moment; raise heldout_item_ratio \
                       or choose items at random (CI)";
        return Err(MlError::BadSplit(message.into()));
    }
    let mut fate = vec![Fate::Train; pairs.matrix.nnz()];
    pairs.hide(&mut fate, tested, |at| pairs.times[at] > moment);
    Ok(fate)
}

/// Returns how many of `n` items are cold: at least one, and not all.
fn n_cold_of(n: usize, cfg: &SplitConfig) -> MlResult<usize> {
    match cfg.n_cold_of(n) {
        0 => Err(MlError::BadSplit(format!("no item would be cold, because {n} are too few; raise heldout_item_ratio"))),
        n_cold if n_cold >= n => Err(MlError::BadSplit("every item would be cold; lower heldout_item_ratio".into())),
        n_cold => Ok(n_cold),
    }
}

impl Split {
    /// Numbers the items as [`Split::with_cold_items_last`] does, and refuses a split whose tested users have no cold item.
    pub(super) fn with_cold_items(self, rng: &mut ChaCha8Rng) -> MlResult<Self> {
        let split = self.with_cold_items_last(rng);
        if split.held_out.indices.iter().all(|&item| (item as usize) < split.n_warm) {
            let message = "no tested user has a cold item; raise heldout_item_ratio, test_user_ratio or n_test_users";
            return Err(MlError::BadSplit(message.into()));
        }
        Ok(split)
    }

    /// Numbers the items so that those without training interactions come last: to a model all of them are cold, whether they
    /// were chosen or lost their interactions to the other side.
    ///
    /// Equal scores go to the smaller number, and of cold items many are equal. The ids often follow popularity or age, so the
    /// order within the warm and within the cold items is drawn: it must tell nothing.
    pub(super) fn with_cold_items_last(mut self, rng: &mut ChaCha8Rng) -> Self {
        let counts = self.train.column_counts();
        let (mut warm, mut cold): (Vec<u32>, Vec<u32>) = (0..counts.len() as u32).partition(|&item| counts[item as usize] > 0);
        warm.shuffle(rng);
        cold.shuffle(rng);
        self.n_warm = warm.len();
        let order = [warm, cold].concat();
        self.numbers = vec![0; order.len()];
        order.iter().enumerate().for_each(|(number, &item)| self.numbers[item as usize] = number as u32);
        self.item_order = Some(order);
        renumber_columns(&mut self.train, &self.numbers);
        renumber_columns(&mut self.held_out, &self.numbers);
        self
    }
}

/// Gives other numbers to the columns of a matrix.
fn renumber_columns(matrix: &mut Csr, numbers: &[u32]) {
    let mut entries: Vec<(u32, f32)> = Vec::new();
    for row in 0..matrix.n_rows {
        let (columns, values) = matrix.row(row);
        entries.clear();
        entries.extend(columns.iter().map(|&column| numbers[column as usize]).zip(values.iter().copied()));
        entries.sort_unstable_by_key(|(column, _)| *column);
        let range = matrix.indptr[row]..matrix.indptr[row + 1];
        let places = matrix.indices[range.clone()].iter_mut().zip(&mut matrix.values[range]);
        places.zip(&entries).for_each(|(place, entry)| (*place.0, *place.1) = *entry);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::interactions::{InteractionLog, InteractionLogBuilder};
    use crate::splits::{SplitScheme, split};
    use crate::weights::Weights;

    /// Returns a log in which each of 20 users has 10 of 20 items; item `n` is first seen at time `100 n`.
    fn log() -> InteractionLog {
        let mut builder = InteractionLogBuilder::new(true).with_events();
        for user in 0..20 {
            for item in (0..20).filter(|item| (user + item) % 2 == 0) {
                let event = if item % 3 == 0 { "buy" } else { "view" };
                builder.push_event(&format!("u{user:02}"), &format!("i{item:02}"), Some(100 * item + user), event);
            }
        }
        builder.finish()
    }

    fn config(scheme: SplitScheme) -> SplitConfig {
        SplitConfig { scheme, heldout_ratio: 0.25, ..SplitConfig::default() }
    }

    #[test]
    fn a_fifth_of_the_items_and_a_share_of_the_other_interactions_is_held_out() {
        let log = log();
        let split = split(&log, &config(SplitScheme::CI)).unwrap();
        assert_eq!(split.n_warm, 16);
        for user in 0..20 {
            let (train, held_out) = (split.train.row_indices(user), split.held_out.row_indices(user));
            let n_cold = held_out.iter().filter(|item| **item >= 16).count();
            assert_eq!(held_out.len() - n_cold, (10 - n_cold) / 4, "user {user}");
            assert_eq!((train.len() + held_out.len(), train.iter().all(|item| *item < 16)), (10, true));
        }
        let cold = |seed| {
            let split = super::super::split(&log, &SplitConfig { random_seed: seed, ..config(SplitScheme::CI) });
            split.unwrap().item_order.unwrap()[16..].to_vec()
        };
        assert!(cold(1) != cold(2) || cold(2) != cold(3), "the seed decides which items are cold");
    }

    #[test]
    fn items_first_seen_after_the_moment_are_cold_and_all_that_is_later_is_hidden() {
        let log = log();
        let config = SplitConfig { test_user_ratio: 0.5, ..config(SplitScheme::TI) };
        let split = split(&log, &config).unwrap();
        // Item 15 is first seen by user 1.
        let moment = 1501;
        assert_eq!(split.n_warm, 16);
        assert!((0..20).all(|item| (split.number_of(item) < 16) == (item < 16)), "{:?}", split.item_order);
        for row in 0..log.n_rows() {
            let (user, item, time) = (log.user_codes[row], log.item_codes[row], log.times.as_ref().unwrap()[row]);
            let is_in = |side: &Csr| side.row_indices(user as usize).contains(&split.number_of(item));
            let is_tested = split.test_users.contains(&user);
            assert_eq!((is_in(&split.train), is_in(&split.held_out)), (time <= moment, time > moment && is_tested));
            assert_eq!(split.hides(Some(user), Some(item), Some(time)), time > moment);
        }
        assert_eq!(split.test_users.len(), 10);
        assert!(split.hides(None, Some(19), Some(0)), "no user's interaction with a cold item is known");
        assert!(split.hides(None, None, Some(5000)) && !split.hides(None, None, Some(0)));
    }

    #[test]
    fn the_order_of_warm_and_of_cold_items_is_drawn() {
        let log = log();
        let order = |scheme, random_seed| {
            let split = split(&log, &SplitConfig { random_seed, ..config(scheme) }).unwrap();
            assert!((0..20).all(|item| split.item_of_log(split.number_of(item)) == item));
            split.item_order.unwrap()
        };
        for scheme in [SplitScheme::CI, SplitScheme::TI] {
            let orders: Vec<Vec<u32>> = (0..20).map(|seed| order(scheme, seed)).collect();
            assert_eq!(orders[7], order(scheme, 7), "the seed decides");
            let n_rising = |part: std::ops::Range<usize>| {
                let rising = |order: &&Vec<u32>| order[part.start] < order[part.end - 1];
                orders.iter().filter(rising).count()
            };
            for part in [0..16, 16..20] {
                assert!((3..=17).contains(&n_rising(part.clone())), "{scheme:?} {part:?}: {orders:?}");
            }
        }
    }

    #[test]
    fn an_item_that_lost_all_training_interactions_is_cold_whether_chosen_or_not() {
        let mut builder = InteractionLogBuilder::new(false);
        for user in 0..30 {
            builder.push(&format!("u{user}"), &format!("i{}", user % 9), None);
            builder.push(&format!("u{user}"), &format!("i{}", (user + 1) % 9), None);
        }
        builder.push("u0", "a", None);
        let log = builder.finish();
        // Of the users' two or three items one is held out: that of user 0 may be the only interaction of its item.
        let is_lost = |random_seed| {
            let config = SplitConfig { n_heldout: Some(1), random_seed, ..config(SplitScheme::CI) };
            let split = split(&log, &config).unwrap();
            let counts = split.train.column_counts();
            assert!(counts[..split.n_warm].iter().all(|count| *count > 0));
            assert!(counts[split.n_warm..].iter().all(|count| *count == 0));
            split.n_warm < 8
        };
        assert!((0..50).any(is_lost), "two items are chosen; some seed makes a third one cold");
    }

    #[test]
    fn hidden_pairs_and_weights_follow_the_numbers_of_the_log() {
        let log = log();
        let split = split(&log, &config(SplitScheme::CI)).unwrap().with_evidence(&log);
        let order = split.item_order.clone().unwrap();
        let weights = Weights::new(BTreeMap::from([("buy".to_owned(), 5.0)]), None).unwrap();
        let weighed = split.weighed_train(&weights);
        let mut n_learnt = 0;
        for (&user, &item) in log.user_codes.iter().zip(&log.item_codes) {
            let number = split.number_of(item);
            assert_eq!(order[number as usize], item);
            let (columns, values) = weighed.row(user as usize);
            let learnt = columns.binary_search(&number).ok().map(|at| values[at]);
            assert_eq!(learnt.is_none(), split.hides(Some(user), Some(item), None));
            assert!(learnt.is_none_or(|weight| weight == if item % 3 == 0 { 5.0 } else { 1.0 }), "item {item}: {learnt:?}");
            n_learnt += usize::from(learnt.is_some());
        }
        assert_eq!(n_learnt, split.train.nnz());
        let cold = order[18];
        assert!(split.hides(None, Some(cold), None) && split.hides(Some(3), Some(cold), None));
        assert!(!split.hides(None, Some(order[3]), None) && !split.hides(None, None, None));
    }

    #[test]
    fn what_leaves_no_item_cold_or_none_warm_is_refused_in_a_sentence() {
        let message = |log: &InteractionLog, config: &SplitConfig| match split(log, config) {
            Err(MlError::BadSplit(message)) => message,
            other => panic!("{other:?}"),
        };
        let ratio = |scheme, heldout_item_ratio| SplitConfig { heldout_item_ratio, ..config(scheme) };
        for (scheme, bad) in
            [(SplitScheme::CI, 0.0), (SplitScheme::CI, 1.0), (SplitScheme::TI, f64::NAN), (SplitScheme::TI, -0.5)]
        {
            assert!(message(&log(), &ratio(scheme, bad)).starts_with("heldout_item_ratio must be greater than 0"));
        }
        for scheme in [SplitScheme::CI, SplitScheme::TI] {
            assert!(message(&log(), &ratio(scheme, 0.01)).starts_with("no item would be cold"));
        }
        let mut builder = InteractionLogBuilder::new(true);
        (0..9).for_each(|n| builder.push(&format!("u{}", n % 3), &format!("i{n}"), Some(n.min(4))));
        let at_once = builder.finish();
        assert!(message(&at_once, &ratio(SplitScheme::TI, 0.3)).contains("the same last moment"));
        assert_eq!(split(&at_once, &ratio(SplitScheme::TI, 0.6)).unwrap().n_warm, 4);
        let everything = SplitConfig { n_heldout: Some(100), ..config(SplitScheme::CI) };
        assert!(message(&log(), &everything).starts_with("nothing is left"));
        // Only user b has the cold item; some seed tests user a.
        let mut builder = InteractionLogBuilder::new(true);
        (0..9).for_each(|n| builder.push(if n < 8 { "a" } else { "b" }, &format!("i{n}"), Some(n)));
        let log = builder.finish();
        let one = |random_seed| SplitConfig { n_test_users: Some(1), random_seed, ..config(SplitScheme::TI) };
        let refused = (0..20).find_map(|seed| split(&log, &one(seed)).err());
        assert!(refused.is_some_and(|error| error.to_string().contains("no tested user has a cold item")));
    }
}
