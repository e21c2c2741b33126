use super::*;
use crate::registry::fit as fit_any;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

/// Returns users of a few tastes; popular items make dense rows of the Gram matrix, others sparse ones.
fn tastes(n_users: usize, n_items: usize) -> Csr {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (mut rows, mut cols) = (Vec::new(), Vec::new());
    for user in 0..n_users {
        for _ in 0..6 {
            let share: f64 = rng.random();
            let item = (share * share * share * n_items as f64) as usize;
            rows.push(user as u32);
            cols.push(((item + user % 3 * 2) % n_items) as u32);
        }
    }
    let mut train = Csr::from_pairs(n_users, n_items, &rows, &cols).unwrap();
    train.values.iter_mut().enumerate().for_each(|(at, value)| *value = 1.0 + (at % 4) as f32 / 4.0);
    train
}

fn settings(l1: f32, l2: f32, positive_only: bool) -> Settings {
    Settings { penalty: Penalty { l1, l2, positive_only }, sweeps: 10_000, tolerance: 1e-7, top_k: usize::MAX }
}

fn dense_gram(train: &Csr) -> Vec<f64> {
    let n = train.n_cols;
    let mut gram = vec![0f64; n * n];
    for user in 0..train.n_rows {
        let (items, values) = train.row(user);
        for (&a, &x) in items.iter().zip(values) {
            items.iter().zip(values).for_each(|(&b, &y)| gram[a as usize * n + b as usize] += f64::from(x * y));
        }
    }
    gram
}

/// Returns the largest violation of the conditions under which a column of weights is optimal.
fn violation(gram: &[f64], weights: &Csr, penalty: Penalty) -> f64 {
    let n = weights.n_rows;
    let (l1, l2) = (f64::from(penalty.l1), f64::from(penalty.l2));
    let mut worst = 0f64;
    for target in 0..n {
        let (items, values) = weights.row(target);
        assert!(!items.contains(&(target as u32)), "an item explains itself");
        let mut w = vec![0f64; n];
        items.iter().zip(values).for_each(|(&item, &value)| w[item as usize] = f64::from(value));
        for k in (0..n).filter(|&k| k != target) {
            let explained: f64 = (0..n).map(|m| gram[k * n + m] * w[m]).sum();
            let gradient = gram[k * n + target] - explained - l2 * w[k];
            worst = worst.max(if w[k] != 0.0 {
                (gradient - l1 * w[k].signum()).abs()
            } else if penalty.positive_only {
                gradient - l1
            } else {
                gradient.abs() - l1
            });
        }
    }
    worst
}

#[test]
fn weights_meet_the_optimality_conditions() {
    let train = tastes(300, 150);
    let ctx = Context::new(0, 2);
    let gram = Gram::new(&train, &ctx).unwrap();
    let kinds = (0..150).filter(|&item| matches!(gram.row(item), gram::GramRow::Dense(_))).count();
    assert!((1..150).contains(&kinds), "{kinds} dense rows: both kinds shall be tried");
    let reference = dense_gram(&train);
    for positive_only in [true, false] {
        for (l1, l2) in [(0.5, 3.0), (2.0, 0.1), (0.0, 5.0)] {
            let settings = settings(l1, l2, positive_only);
            let weights = solve(&gram, settings, &ctx).unwrap();
            assert!(weights.nnz() > 100);
            assert_eq!(weights.values.iter().all(|&w| w > 0.0), positive_only);
            let worst = violation(&reference, &weights, settings.penalty);
            assert!(worst < 2e-3, "{positive_only} {l1} {l2}: {worst}");
        }
    }
}

#[test]
fn only_the_largest_weights_are_kept() {
    let train = tastes(200, 60);
    let ctx = Context::new(0, 1);
    let gram = Gram::new(&train, &ctx).unwrap();
    let all = solve(&gram, settings(0.1, 1.0, true), &ctx).unwrap();
    let few = solve(&gram, Settings { top_k: 3, ..settings(0.1, 1.0, true) }, &ctx).unwrap();
    for item in 0..60 {
        let mut wanted = all.row(item).1.to_vec();
        wanted.sort_by(|a, b| b.total_cmp(a));
        wanted.truncate(3);
        let mut kept = few.row(item).1.to_vec();
        kept.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(kept, wanted);
    }
}

#[test]
fn a_matrix_that_would_not_fit_is_refused_before_it_is_made() {
    let train = tastes(300, 150);
    assert!(Gram::bytes_at_most(&train) >= 150 * 40);
    let needed = INFO.estimate_memory_bytes(&Default::default(), TrainShape::of(&train)).unwrap();
    let full = Csr::from_pairs(2000, 500, &vec![7; 500], &(0..500).collect::<Vec<_>>()).unwrap();
    let guess = INFO.estimate_memory_bytes(&Default::default(), TrainShape::of(&full)).unwrap();
    let ctx = Context::new(0, 1).with_memory_budget(guess.max(needed));
    let params = json!({});
    let refused = fit_any("SLIM", params.as_object().unwrap(), &full, &ctx);
    assert!(matches!(refused, Err(MlError::MemoryBudget { .. })), "one user of all items makes the matrix dense");
}
