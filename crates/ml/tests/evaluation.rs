//! Evaluation, its segments and the sparse products behind the neighbourhood models against plain definitions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use proptest::prelude::*;
use recotem_ml::algorithms::{Factors, Recommender};
use recotem_ml::context::Context;
use recotem_ml::error::MlResult;
use recotem_ml::evaluate::{Evaluation, Segment, evaluate};
use recotem_ml::metrics::Metric;
use recotem_ml::registry::fit;
use recotem_ml::sparse::Csr;
use recotem_ml::tensors::TensorWriter;

const USERS: usize = 14;
const ITEMS: usize = 37;

/// Generates matrices of small whole numbers, or of ones.
fn matrices(ones: bool) -> impl Strategy<Value = Csr> {
    let entries = proptest::collection::vec((0..USERS as u32, 0..ITEMS as u32, 1u8..5), 1..160);
    entries.prop_map(move |entries| {
        let (rows, cols): (Vec<u32>, Vec<u32>) = entries.iter().map(|&(row, col, _)| (row, col)).unzip();
        let mut matrix = Csr::from_pairs(USERS, ITEMS, &rows, &cols).unwrap();
        if !ones {
            matrix.values.iter_mut().zip(&entries).for_each(|(value, entry)| *value = f32::from(entry.2));
        }
        matrix
    })
}

fn value(matrix: &Csr, row: usize, col: usize) -> f64 {
    let (cols, values) = matrix.row(row);
    cols.binary_search(&(col as u32)).map_or(0.0, |at| f64::from(values[at]))
}

/// A model whose scores are products of whole numbers, ranked as factors or by whole rows.
#[derive(Debug)]
struct Products {
    users: Vec<f32>,
    items: Vec<f32>,
    width: usize,
    as_factors: bool,
}

impl Products {
    fn score(&self, user: usize, item: usize) -> f32 {
        (0..self.width).map(|k| self.users[user * self.width + k] * self.items[item * self.width + k]).sum::<f32>() + 0.0
    }
}

impl Recommender for Products {
    fn n_users(&self) -> usize {
        USERS
    }
    fn n_items(&self) -> usize {
        ITEMS
    }
    fn score_users(&self, users: &[u32], _: &Csr, out: &mut [f32]) -> MlResult<()> {
        let scores = users.iter().flat_map(|&user| (0..ITEMS).map(move |item| self.score(user as usize, item)));
        out.iter_mut().zip(scores).for_each(|(to, score)| *to = score);
        Ok(())
    }
    fn score_history(&self, _: &[u32], _: &mut [f32]) -> MlResult<()> {
        unreachable!()
    }
    fn similar_items(&self, _: u32, _: &mut [f32]) -> MlResult<()> {
        unreachable!()
    }
    fn factors(&self) -> Option<Factors<'_>> {
        self.as_factors.then_some(Factors { users: &self.users, items: &self.items, width: self.width })
    }
    fn save<'a>(&'a self, _: &mut TensorWriter<'a>) {}
    fn heap_bytes(&self) -> u64 {
        0
    }
}

fn products() -> impl Strategy<Value = Products> {
    let numbers = |n: usize| proptest::collection::vec((-2i8..3).prop_map(f32::from), n..=n);
    (1usize..4, any::<bool>()).prop_flat_map(move |(width, as_factors)| {
        (numbers(USERS * width), numbers(ITEMS * width)).prop_map(move |(users, items)| Products {
            users,
            items,
            width,
            as_factors,
        })
    })
}

/// Returns the mean over users of the metrics by their definitions, when only some held-out items count.
fn mean_by_definition(
    found: &Evaluation,
    held_out: &Csr,
    k: usize,
    users: &[u32],
    counts: impl Fn(u32) -> bool,
) -> (usize, Vec<f64>) {
    let mut sums = vec![0.0; Metric::PER_USER.len()];
    let mut n = 0;
    for &user in users {
        let wanted: Vec<u32> = held_out.row_indices(user as usize).iter().copied().filter(|&item| counts(item)).collect();
        if wanted.is_empty() {
            continue;
        }
        n += 1;
        let list = &found.lists()[found.users.iter().position(|&u| u == user).unwrap()];
        let ranks: Vec<usize> = (1..=list.len()).filter(|rank| wanted.contains(&list[rank - 1])).collect();
        let gain = |rank: usize| 1.0 / ((rank + 1) as f64).log2();
        let hits = ranks.len() as f64;
        let ideal: f64 = (1..=k.min(wanted.len())).map(gain).sum();
        let precisions: f64 = ranks.iter().enumerate().map(|(at, &rank)| (at + 1) as f64 / rank as f64).sum();
        let values = [
            ranks.iter().map(|&rank| gain(rank)).sum::<f64>() / ideal,
            hits / wanted.len() as f64,
            f64::from(u8::from(hits > 0.0)),
            // The list has the greatest possible length: k items, or all that are not in the training part.
            hits / list.len().max(1) as f64,
            precisions / wanted.len() as f64,
            ranks.first().map_or(0.0, |&rank| 1.0 / rank as f64),
        ];
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    (n, sums.iter().map(|sum| sum / n.max(1) as f64).collect())
}

fn assert_segment(segment: &Segment, wanted: (usize, Vec<f64>)) {
    assert_eq!(segment.n_users, wanted.0, "{}", segment.name);
    for (metric, value) in Metric::PER_USER.iter().zip(wanted.1) {
        assert!((segment.metrics[metric] - value).abs() < 1e-12, "{} {metric}", segment.name);
    }
}

proptest! {
    #[test]
    fn evaluation_is_a_full_sort_and_its_definitions(model in products(), train in matrices(true), held_out in matrices(true), k in 1usize..50) {
        let found = evaluate(&model, &train, &held_out, k, &Context::new(0, 2)).unwrap();
        for (&user, list) in found.users.iter().zip(found.lists()) {
            let user = user as usize;
            let mut wanted: Vec<u32> = (0..ITEMS as u32).filter(|item| !train.row_indices(user).contains(item)).collect();
            wanted.sort_by(|&a, &b| model.score(user, b as usize).total_cmp(&model.score(user, a as usize)).then(a.cmp(&b)));
            wanted.truncate(k);
            prop_assert_eq!(list, &wanted, "user {}", user);
        }
        let k = k.min(ITEMS);
        let (n, means) = mean_by_definition(&found, &held_out, k, &found.users, |_| true);
        prop_assert_eq!(n, found.users.len());
        for (&metric, mean) in Metric::PER_USER.iter().zip(means) {
            prop_assert!((found.get(metric) - mean).abs() < 1e-12, "{}", metric);
        }
    }

    #[test]
    fn segments_follow_their_definitions(model in products(), train in matrices(true), held_out in matrices(true), k in 1usize..12) {
        let found = evaluate(&model, &train, &held_out, k, &Context::new(0, 1)).unwrap();
        let segments = found.segments(&train, &held_out).unwrap();
        let mut users = found.users.clone();
        users.sort_by_key(|&user| (train.row_len(user as usize), user));
        let sizes: Vec<usize> = segments.activity.iter().map(|segment| segment.size).collect();
        prop_assert!(sizes.iter().sum::<usize>() == users.len() && sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        let mut rest = &users[..];
        for segment in &segments.activity {
            let (these, others) = rest.split_at(segment.size);
            rest = others;
            let lens = these.iter().map(|&user| train.row_len(user as usize) as u32);
            prop_assert_eq!(segment.interactions, (lens.clone().min().unwrap_or(0), lens.max().unwrap_or(0)));
            assert_segment(segment, mean_by_definition(&found, &held_out, k, these, |_| true));
        }
        let counts = train.column_counts();
        let mut items: Vec<u32> = (0..ITEMS as u32).collect();
        items.sort_by_key(|&item| (std::cmp::Reverse(counts[item as usize]), item));
        let covers = |n: usize| items[..n].iter().map(|&item| counts[item as usize]).sum::<u32>() * 5 >= train.nnz() as u32 * 4;
        let n_head = (0..=ITEMS).find(|&n| covers(n)).unwrap();
        let (head, tail) = (&segments.popularity[0], &segments.popularity[1]);
        prop_assert_eq!((head.size, tail.size), (n_head, ITEMS - n_head));
        let in_head = |item: u32| items[..n_head].contains(&item);
        assert_segment(head, mean_by_definition(&found, &held_out, k, &found.users, in_head));
        assert_segment(tail, mean_by_definition(&found, &held_out, k, &found.users, |item| !in_head(item)));
        prop_assert!(found.segments(&Csr::empty(USERS, ITEMS + 1), &held_out).is_err());
    }

    #[test]
    fn intervals_are_the_same_together_and_alone(model in products(), train in matrices(true), held_out in matrices(true)) {
        let found = evaluate(&model, &train, &held_out, 5, &Context::new(0, 1)).unwrap();
        for (metric, (low, high)) in found.intervals() {
            prop_assert_eq!(Some((low, high)), found.interval(metric), "{}", metric);
            prop_assert!(low <= found.get(metric) + 1e-12 && found.get(metric) <= high + 1e-12, "{} of {}", metric, found.get(metric));
        }
        prop_assert_eq!(found.interval(Metric::CatalogCoverage), None);
    }

    #[test]
    fn item_neighbours_are_the_best_of_a_dense_product(train in prop_oneof![matrices(true), matrices(false)], top_k in 1usize..45) {
        let params = serde_json::json!({ "top_k": top_k }).as_object().unwrap().clone();
        let knn = fit("CosineKNN", &params, &train, &Context::new(0, 2)).unwrap();
        let walk = fit("RP3beta", &params, &train, &Context::new(0, 2)).unwrap();
        let dot = |a: usize, b: usize| (0..USERS).map(|user| value(&train, user, a) * value(&train, user, b)).sum::<f64>();
        let sums = train.column_sums();
        let per_user: Vec<f64> = (0..USERS).map(|user| train.row(user).1.iter().map(|&v| f64::from(v)).sum()).collect();
        // From the item where a walk ends to the one where it began.
        let walked = |end: usize, start: usize| {
            let steps = |user: usize| value(&train, user, start) / sums[start] * value(&train, user, end) / per_user[user];
            (0..USERS).filter(|&user| value(&train, user, end) > 0.0).map(steps).sum::<f64>() / sums[end].powf(0.6)
        };
        for item in 0..ITEMS {
            let mut row: Vec<(usize, f64)> = (0..ITEMS).map(|other| (other, dot(item, other))).filter(|(_, d)| *d > 0.0).collect();
            row.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            row.truncate(top_k);
            let mut wanted = [0f32; ITEMS];
            row.iter().filter(|(other, _)| *other != item).for_each(|&(other, d)| wanted[other] = d as f32);
            let mut scores = [0f32; ITEMS];
            knn.similar_items(item as u32, &mut scores).unwrap();
            prop_assert_eq!(scores, wanted, "item {}", item);
        }
        // Sums of fractions in another order differ a little: compare the values kept, not which of equal ones.
        let mut columns = vec![[0f32; ITEMS]; ITEMS];
        (0..ITEMS).for_each(|start| walk.similar_items(start as u32, &mut columns[start]).unwrap());
        for end in 0..ITEMS {
            let mut wanted: Vec<f64> = (0..ITEMS).filter(|&start| sums[start] > 0.0).map(|start| walked(end, start)).collect();
            wanted.retain(|v| *v > 0.0);
            wanted.sort_by(|a, b| b.total_cmp(a));
            wanted.truncate(top_k);
            let mut found: Vec<f64> = columns.iter().map(|row| f64::from(row[end])).filter(|v| *v != 0.0).collect();
            found.sort_by(|a, b| b.total_cmp(a));
            prop_assert!(found.len() == wanted.len() && found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() <= 1e-6 * b), "{:?} {:?}", found, wanted);
        }
    }

    #[test]
    fn sparse_matrices_hold_each_pair_once_and_turn_over(pairs in proptest::collection::vec((0u32..9, 0u32..7), 0..60)) {
        let (rows, cols): (Vec<u32>, Vec<u32>) = pairs.iter().copied().unzip();
        let m = Csr::from_pairs(9, 7, &rows, &cols).unwrap();
        m.validate().unwrap();
        let t = m.transpose();
        t.validate().unwrap();
        let has = |m: &Csr, row: u32, col: u32| m.row_indices(row as usize).contains(&col);
        for (row, col) in (0..9).flat_map(|row| (0..7).map(move |col| (row, col))) {
            prop_assert_eq!(has(&m, row, col), pairs.contains(&(row, col)));
            prop_assert_eq!(has(&t, col, row), pairs.contains(&(row, col)));
        }
        prop_assert_eq!(t.transpose(), m);
    }
}

/// Returns three users, the first with one interaction; items beyond those named are unknown to all.
fn lopsided(n_items: usize) -> (Csr, Csr) {
    let last = n_items as u32 - 1;
    let train = Csr::from_pairs(4, n_items, &[0, 1, 1, 1, 2, 2], &[1, 0, 1, last / 2, 1, 2]).unwrap();
    let held_out = Csr::from_pairs(4, n_items, &[0, 0, 1, 2, 3], &[0, last, 2, 0, 1]).unwrap();
    (train, held_out)
}

#[test]
fn precision_divides_by_what_can_be_listed_where_that_is_less_than_the_cutoff() {
    // Three items: the first user knows two of them and gets the third, the second user knows one.
    let train = Csr::from_pairs(2, 3, &[0, 0, 1], &[0, 1, 0]).unwrap();
    let held_out = Csr::from_pairs(2, 3, &[0, 1], &[2, 1]).unwrap();
    let ctx = Context::new(0, 1);
    let model = fit("TopPop", &serde_json::Map::new(), &train, &ctx).unwrap();
    let precision = |cutoff: usize| evaluate(&*model, &train, &held_out, cutoff, &ctx).unwrap().get(Metric::Precision);
    assert_eq!(precision(1), 1.0);
    assert_eq!(precision(2), (1.0 + 0.5) / 2.0, "one item is all the first user can be shown");
    assert_eq!(precision(12), (1.0 + 0.5) / 2.0);
}

#[test]
fn odd_data_is_ranked_in_full() {
    let sparse =
        ["TopPop", "IALS", "CosineKNN", "AsymmetricCosineKNN", "JaccardKNN", "TverskyIndexKNN", "P3alpha", "RP3beta"].as_slice();
    let dense = ["DenseSLIM", "EDLAE"].as_slice();
    for (n_items, algorithms) in [(5, [sparse, dense].concat()), (300, [sparse, dense].concat()), (60_000, sparse.to_vec())] {
        let (train, held_out) = lopsided(n_items);
        for algorithm in algorithms {
            let ctx = Context::new(0, 2);
            let model = fit(algorithm, &serde_json::Map::new(), &train, &ctx).unwrap();
            let found = evaluate(&*model, &train, &held_out, 400, &ctx).unwrap();
            assert_eq!(found.users, [0, 1, 2, 3]);
            for (&user, list) in found.users.iter().zip(found.lists()) {
                let seen = train.row_indices(user as usize);
                assert_eq!(list.len(), 400.min(n_items - seen.len()), "{algorithm} {n_items}");
                assert!(list.iter().all(|item| !seen.contains(item)), "{algorithm} {n_items}");
            }
            assert!(found.metrics.values().all(|v| v.is_finite()), "{algorithm} {n_items}");
            let segments = found.segments(&train, &held_out).unwrap();
            assert_eq!(segments.activity.iter().map(|segment| segment.size).collect::<Vec<_>>(), [1, 1, 2]);
            assert_eq!(segments.popularity[1].interactions.0, 0);
            assert!(serde_json::to_value(&segments).unwrap()["popularity"][0]["metrics"]["ndcg"].is_f64());
        }
    }
}
