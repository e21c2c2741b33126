//! Splits, metrics and ranking against plain definitions, on random input.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use proptest::prelude::*;
use recotem_ml::error::MlError;
use recotem_ml::interactions::{InteractionLog, InteractionLogBuilder};
use recotem_ml::metrics::{Discounts, ListCounts, Metric, UserMetrics, surprise_of_items};
use recotem_ml::ranking::{Candidates, top_k};
use recotem_ml::sparse::Csr;
use recotem_ml::splits::{Split, SplitConfig, SplitScheme, split};

const SCHEMES: [SplitScheme; 5] = [SplitScheme::RG, SplitScheme::TG, SplitScheme::TU, SplitScheme::CI, SplitScheme::TI];

fn rows() -> impl Strategy<Value = Vec<(u8, u8, i64)>> {
    proptest::collection::vec((0u8..12, 0u8..20, 0i64..50), 1..200)
}

fn log_of(rows: &[(u8, u8, i64)], with_times: bool) -> InteractionLog {
    let mut builder = InteractionLogBuilder::new(with_times);
    rows.iter().for_each(|(user, item, time)| builder.push(&format!("u{user}"), &format!("i{item}"), Some(*time)));
    builder.finish()
}

fn configs() -> impl Strategy<Value = SplitConfig> {
    let scheme = proptest::sample::select(SCHEMES.to_vec());
    let fixed = proptest::option::of(1u32..6);
    (scheme, 0.05f64..0.95, fixed.clone(), 0.05f64..0.95, 0.05f64..=1.0, fixed, any::<u64>()).prop_map(
        |(scheme, heldout_ratio, n_heldout, heldout_item_ratio, test_user_ratio, n_test_users, random_seed)| SplitConfig {
            scheme,
            heldout_ratio,
            n_heldout,
            heldout_item_ratio,
            test_user_ratio,
            n_test_users,
            random_seed,
        },
    )
}

fn pairs(matrix: &Csr) -> Vec<(usize, u32)> {
    (0..matrix.n_rows).flat_map(|row| matrix.row_indices(row).iter().map(move |&col| (row, col))).collect()
}

/// Returns the pairs of a side with the items' numbers in the log.
fn pairs_of_log(split: &Split, side: &Csr) -> Vec<(usize, u32)> {
    let in_log = |item: u32| split.item_order.as_ref().map_or(item, |order| order[item as usize]);
    pairs(side).into_iter().map(|(user, item)| (user, in_log(item))).collect()
}

/// Returns the first time of a pair.
fn first_time(log: &InteractionLog, pair: (usize, u32)) -> i64 {
    let rows = log.user_codes.iter().zip(&log.item_codes).zip(log.times.as_ref().unwrap());
    rows.filter(|((u, i), _)| (**u as usize, **i) == pair).map(|(_, &time)| time).min().unwrap()
}

fn n_heldout(cfg: &SplitConfig, n: usize) -> usize {
    cfg.n_heldout.map_or((n as f64 * cfg.heldout_ratio + 1e-9).floor() as usize, |fixed| (fixed as usize).min(n))
}

fn check_no_leak(log: &InteractionLog, cfg: &SplitConfig, split: &Split) {
    let (train, held_out) = (pairs_of_log(split, &split.train), pairs_of_log(split, &split.held_out));
    let all = pairs(&log.to_csr());
    assert!(train.iter().all(|pair| !held_out.contains(pair)), "a pair is on both sides");
    assert!(train.iter().chain(&held_out).all(|pair| all.contains(pair)));
    split.train.validate().unwrap();
    split.held_out.validate().unwrap();
    let with_rows: Vec<u32> = (0..log.n_users() as u32).filter(|&u| split.held_out.row_len(u as usize) > 0).collect();
    assert_eq!(split.test_users, with_rows);
    match cfg.scheme {
        SplitScheme::RG | SplitScheme::TU => assert_eq!(train.len() + held_out.len(), all.len()),
        SplitScheme::CI => {}
        SplitScheme::TG | SplitScheme::TI => {
            let last_train = train.iter().map(|&pair| first_time(log, pair)).max().unwrap();
            assert!(held_out.iter().all(|&pair| first_time(log, pair) > last_train), "learnt from the future");
        }
    }
}

/// Checks the order of the items, and that only what must not be learnt is on neither side.
fn check_items(log: &InteractionLog, cfg: &SplitConfig, split: &Split) {
    let counts = split.train.column_counts();
    let Some(order) = &split.item_order else {
        assert!(!cfg.scheme.holds_out_items() && split.n_warm == counts.len());
        return;
    };
    let (warm, cold) = order.split_at(split.n_warm);
    assert!(cfg.scheme.holds_out_items() && warm.len() + cold.len() == counts.len());
    let mut all: Vec<u32> = order.clone();
    all.sort_unstable();
    assert_eq!(all, (0..log.n_items() as u32).collect::<Vec<_>>());
    assert!(counts[..split.n_warm].iter().all(|count| *count > 0), "a warm item was not learnt");
    assert!(counts[split.n_warm..].iter().all(|count| *count == 0), "a cold item was learnt");
    let n_chosen = (log.n_items() as f64 * cfg.heldout_item_ratio + 1e-9).floor() as usize;
    match cfg.scheme {
        // Other items may have lost their interactions to the other side.
        SplitScheme::CI => assert!(cold.len() >= n_chosen),
        // Items first seen at the moment stay warm.
        _ => assert!(cold.len() <= n_chosen),
    }
    let (train, held_out) = (pairs_of_log(split, &split.train), pairs_of_log(split, &split.held_out));
    let last_train = train.iter().map(|&pair| first_time(log, pair)).max();
    for (user, item) in pairs(&log.to_csr()) {
        if !train.contains(&(user, item)) && !held_out.contains(&(user, item)) {
            assert!(!split.test_users.contains(&(user as u32)), "a tested user lost a pair");
            let is_later = cfg.scheme == SplitScheme::TI && Some(first_time(log, (user, item))) > last_train;
            assert!(is_later || cold.contains(&item), "a pair is lost that could have been learnt");
        }
    }
}

fn check_sizes(log: &InteractionLog, cfg: &SplitConfig, split: &Split) {
    let n_users = log.n_users();
    let wanted = cfg.n_test_users.map_or(((n_users as f64 * cfg.test_user_ratio).round() as usize).max(1), |n| n as usize);
    assert!(split.test_users.len() <= wanted.min(n_users));
    if cfg.scheme == SplitScheme::TG {
        assert!(split.held_out.nnz() <= n_heldout(cfg, log.to_csr().nnz()));
        return;
    }
    if cfg.scheme.holds_out_items() {
        return;
    }
    for &user in &split.test_users {
        let user = user as usize;
        let n = split.train.row_len(user) + split.held_out.row_len(user);
        assert_eq!(split.held_out.row_len(user), n_heldout(cfg, n));
        if cfg.scheme == SplitScheme::TU {
            let time = |item: &u32| first_time(log, (user, *item));
            let last_train = split.train.row_indices(user).iter().map(time).max().unwrap_or(i64::MIN);
            assert!(split.held_out.row_indices(user).iter().all(|item| time(item) >= last_train));
        }
    }
}

proptest! {
    #[test]
    fn splits_leak_nothing_and_have_exact_sizes(rows in rows(), cfg in configs()) {
        let log = log_of(&rows, true);
        match split(&log, &cfg) {
            Ok(found) => {
                check_no_leak(&log, &cfg, &found);
                check_items(&log, &cfg, &found);
                check_sizes(&log, &cfg, &found);
                prop_assert_eq!(&split(&log, &cfg).unwrap(), &found);
                let mut shuffled = rows.clone();
                shuffled.reverse();
                prop_assert_eq!(&split(&log_of(&shuffled, true), &cfg).unwrap(), &found);
            }
            Err(error) => prop_assert!(matches!(error, MlError::BadSplit(_)), "{:?}", error),
        }
        let untimed = split(&log_of(&rows, false), &cfg);
        let needs_no_times = matches!(cfg.scheme, SplitScheme::RG | SplitScheme::CI);
        prop_assert!(needs_no_times || untimed == Err(MlError::MissingTime));
    }

    #[test]
    fn the_prepared_form_is_faithful(rows in rows(), with_times: bool) {
        let log = log_of(&rows, with_times);
        prop_assert_eq!(InteractionLog::from_bytes(&log.to_bytes()).unwrap(), log);
    }

    #[test]
    fn top_k_is_a_sort(
        scores in proptest::collection::vec(prop_oneof![(-3i8..4).prop_map(f32::from), Just(f32::NEG_INFINITY), any::<f32>()], 0..300),
        k in 0usize..40,
        deny in proptest::collection::vec(0u32..300, 0..20),
        allow in proptest::option::of(proptest::collection::vec(0u32..300, 0..60)),
    ) {
        let usable = |&(item, score): &(u32, f32)| {
            !score.is_nan() && score > f32::NEG_INFINITY && !deny.contains(&item) && allow.as_ref().is_none_or(|a| a.contains(&item))
        };
        let mut sorted: Vec<(u32, f32)> = scores.iter().enumerate().map(|(i, &s)| (i as u32, s)).filter(usable).collect();
        sorted.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
        sorted.truncate(k);
        let candidates = Candidates { allow: allow.as_deref(), deny: &deny, seen: &[] };
        prop_assert_eq!(top_k(&scores, k, &candidates), sorted);
    }

    #[test]
    fn accuracy_follows_its_definitions(
        list in proptest::sample::subsequence((0u32..30).collect::<Vec<_>>(), 0..30).prop_shuffle(),
        held_out in proptest::sample::subsequence((0u32..30).collect::<Vec<_>>(), 1..20),
        k in 1usize..25,
        listable in 1usize..40,
    ) {
        let list = &list[..list.len().min(k)];
        let hits: Vec<bool> = list.iter().map(|item| held_out.contains(item)).collect();
        let n_hits = hits.iter().filter(|hit| **hit).count() as f64;
        let gain = |rank: usize| 1.0 / ((rank + 2) as f64).log2();
        let dcg: f64 = hits.iter().enumerate().filter(|(_, hit)| **hit).map(|(rank, _)| gain(rank)).sum();
        let ideal: f64 = (0..k.min(held_out.len())).map(gain).sum();
        let precision_at = |rank: usize| hits[..=rank].iter().filter(|hit| **hit).count() as f64 / (rank + 1) as f64;
        let map: f64 = (0..hits.len()).filter(|&rank| hits[rank]).map(precision_at).sum::<f64>() / held_out.len() as f64;
        let found = UserMetrics::of(list, &held_out, k, listable, &Discounts::new(k));
        let wanted = UserMetrics {
            ndcg: dcg / ideal,
            recall: n_hits / held_out.len() as f64,
            hit: f64::from(u8::from(n_hits > 0.0)),
            precision: n_hits / k.min(listable) as f64,
            map,
            mrr: hits.iter().position(|hit| *hit).map_or(0.0, |rank| 1.0 / (rank + 1) as f64),
        };
        for metric in Metric::PER_USER {
            prop_assert!((found.get(metric).unwrap() - wanted.get(metric).unwrap()).abs() < 1e-12, "{}", metric);
        }
    }

    #[test]
    fn list_metrics_follow_their_definitions(lists in proptest::collection::vec(proptest::sample::subsequence((0u32..15).collect::<Vec<_>>(), 1..6), 1..20)) {
        let known: Vec<u32> = (0..15).collect();
        let surprise = surprise_of_items(&known, 16);
        let mut counts = ListCounts::new(15);
        lists.iter().for_each(|list| counts.add(list, &surprise));
        let mut times = [0f64; 15];
        lists.iter().flatten().for_each(|&item| times[item as usize] += 1.0);
        let total: f64 = times.iter().sum();
        let apart: f64 = times.iter().flat_map(|a| times.iter().map(move |b| (a - b).abs())).sum();
        // The mean difference of all pairs, over twice the mean.
        let gini = apart / (15.0 * 15.0) / (2.0 * total / 15.0);
        let entropy: f64 = times.iter().filter(|t| **t > 0.0).map(|t| -(t / total) * (t / total).ln()).sum();
        let novelty: f64 = lists.iter().flatten().map(|&i| -(f64::from(i.max(1)) / 16.0).log2()).sum::<f64>() / total;
        let appeared = times.iter().filter(|t| **t > 0.0).count() as f64;
        for (metric, wanted) in [
            (Metric::GiniIndex, gini),
            (Metric::Entropy, entropy),
            (Metric::Novelty, novelty),
            (Metric::AppearedItem, appeared),
            (Metric::CatalogCoverage, appeared / 15.0),
        ] {
            prop_assert!((counts.get(metric).unwrap() - wanted).abs() < 1e-9, "{}", metric);
        }
    }
}
