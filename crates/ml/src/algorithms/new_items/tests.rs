//! New items as the callers of a model see them, on data whose structure is known.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::*;
use crate::algorithms::TrainInput;
use crate::algorithms::recommender::{Factors, check_items, scores_by_factors};
use crate::metrics::{Discounts, Metric, UserMetrics};
use crate::ranking::{Candidates, top_k};
use crate::registry::fit;
use crate::tensors::{TensorReader, TensorWriter};

const WIDTH: usize = 16;

/// Factors that are given; a user is the sum of the items known.
struct Planted {
    users: Vec<f32>,
    items: Vec<f32>,
}

impl Planted {
    fn as_factors(&self) -> Factors<'_> {
        Factors { users: &self.users, items: &self.items, width: WIDTH }
    }

    fn fold_in(&self, items: &[u32]) -> MlResult<Vec<f32>> {
        let mut user = vec![0f32; WIDTH];
        for &item in items {
            let row = &self.items[item as usize * WIDTH..][..WIDTH];
            user.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        Ok(user)
    }
}

impl Recommender for Planted {
    scores_by_factors!();

    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        check_items(self, &[item], out)?;
        self.as_factors().score(&self.fold_in(&[item])?, out);
        Ok(())
    }

    fn save<'a>(&'a self, _: &mut TensorWriter<'a>) {}

    fn heap_bytes(&self) -> u64 {
        (self.users.len() + self.items.len()) as u64 * 4
    }
}

/// Returns a number from -1 to 1 that looks random.
fn noise(at: usize) -> f32 {
    let bits = (at as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (bits >> 40) as f32 / (1u32 << 23) as f32 - 1.0
}

fn context() -> Context {
    Context::new(0, 2)
}

/// Returns rows of three of twelve terms.
fn terms(n: usize) -> Csr {
    let term = |item: usize, at: usize| ((noise(item * 3 + at) + 1.0) * 2.0) as u32 % 4 + 4 * at as u32;
    let (rows, columns): (Vec<u32>, Vec<u32>) =
        (0..n).flat_map(|item| (0..3).map(move |at| (item as u32, term(item, at)))).unzip();
    Csr::from_pairs(n, 12, &rows, &columns).unwrap()
}

/// Computes the vectors that the terms of items mean: the sum of those of the terms.
fn meant(features: &Csr) -> Vec<f32> {
    let value = |row: usize, at: usize| {
        features.row_indices(row).iter().map(|&term| noise(1_000_000 + term as usize * WIDTH + at)).sum::<f32>()
    };
    (0..features.n_rows * WIDTH).map(|at| value(at / WIDTH, at % WIDTH)).collect()
}

/// Returns a model of planted vectors, the features of its items, and users who know the items that the model scores best.
fn planted(n_items: usize, n_users: usize) -> (Planted, Csr, Csr) {
    let features = terms(n_items);
    let items = meant(&features);
    let users: Vec<f32> = (0..n_users * WIDTH).map(|at| noise(2_000_000 + at)).collect();
    let model = Planted { users, items };
    let (mut rows, mut columns) = (Vec::new(), Vec::new());
    let mut scores = vec![0f32; n_items];
    for user in 0..n_users {
        model.as_factors().score(&model.users[user * WIDTH..][..WIDTH], &mut scores);
        for (item, _) in top_k(&scores, n_items / 4, &Candidates::default()) {
            rows.push(user as u32);
            columns.push(item);
        }
    }
    let interactions = Csr::from_pairs(n_users, n_items, &rows, &columns).unwrap();
    (model, features, interactions)
}

#[test]
fn vectors_that_follow_from_features_are_predicted() {
    let (model, features, interactions) = planted(2_000, 60);
    let map = ColdMap::fit(&model, &features, &interactions, &context()).unwrap().unwrap();
    let new = terms(2_100).rows(2_000..2_100);
    let (found, wanted) = (map.vectors(&new).unwrap(), meant(&new));
    let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>();
    let error = squares(&mut found.iter().zip(&wanted).map(|(a, b)| a - b));
    let mean = |at: usize| wanted.iter().skip(at).step_by(WIDTH).sum::<f32>() / 100.0;
    let spread = squares(&mut wanted.iter().enumerate().map(|(at, value)| value - mean(at % WIDTH)));
    assert!(error < 0.3 * spread, "{error} of {spread} with penalty {}", map.penalty());
    assert!(map.vectors(&Csr::empty(1, 11)).is_err(), "another number of features");
}

/// Items of four groups, of which one in three is popular; users like their group. The last of five items is new.
struct Shop {
    features: Csr,
    likes: Csr,
}

const ITEMS: usize = 480;
const USERS: usize = 200;

impl Shop {
    fn new() -> Self {
        let is_popular = |item: usize| (item / 4).is_multiple_of(3);
        let of_item = |item: usize| [(item as u32, (item % 4) as u32), (item as u32, 4 + u32::from(is_popular(item)))];
        let (rows, columns): (Vec<u32>, Vec<u32>) = (0..ITEMS).flat_map(of_item).unzip();
        let likes = |user: usize, item: usize| {
            let share = match (user % 4 == item % 4, is_popular(item)) {
                (true, true) => 0.5,
                (true, false) => 0.15,
                (false, true) => 0.12,
                (false, false) => 0.02,
            };
            noise(user * ITEMS + item) < 2.0 * share - 1.0
        };
        let pairs = (0..USERS)
            .flat_map(|user| (0..ITEMS).filter(move |&item| likes(user, item)).map(move |item| (user as u32, item as u32)));
        let (users, liked): (Vec<u32>, Vec<u32>) = pairs.unzip();
        Shop {
            features: Csr::from_pairs(ITEMS, 6, &rows, &columns).unwrap(),
            likes: Csr::from_pairs(USERS, ITEMS, &users, &liked).unwrap(),
        }
    }

    /// Returns some columns of a matrix of items by columns.
    fn part(of: &Csr, is_new: bool) -> Csr {
        let items: Vec<usize> = (0..ITEMS).filter(|item| (item % 5 == 4) == is_new).collect();
        let by_item = of.transpose();
        let (rows, columns): (Vec<u32>, Vec<u32>) = items
            .iter()
            .enumerate()
            .flat_map(|(at, &item)| by_item.row_indices(item).iter().map(move |&other| (other, at as u32)))
            .unzip();
        Csr::from_pairs(of.n_rows, items.len(), &rows, &columns).unwrap()
    }

    /// Splits features by rows: those of the known and those of the new items.
    fn split(features: &Csr) -> (Csr, Csr) {
        let by_feature = features.transpose();
        (Self::part(&by_feature, false).transpose(), Self::part(&by_feature, true).transpose())
    }

    fn shuffled(&self) -> Csr {
        let mut order: Vec<usize> = (0..ITEMS).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(5));
        let row = |(at, item): (usize, &usize)| {
            self.features.row_indices(*item).iter().map(move |&column| (at as u32, column)).collect::<Vec<_>>()
        };
        let (rows, columns): (Vec<u32>, Vec<u32>) = order.iter().enumerate().flat_map(row).unzip();
        Csr::from_pairs(ITEMS, self.features.n_cols, &rows, &columns).unwrap()
    }

    /// Computes the mean ndcg of lists of new items, by the scores of each user.
    fn ndcg(&self, score: impl Fn(u32) -> Vec<f32>) -> f64 {
        let (wanted, discounts) = (Self::part(&self.likes, true), Discounts::new(20));
        let of_user = |user: usize| {
            let scores = score(user as u32);
            let list: Vec<u32> = top_k(&scores, 20, &Candidates::default()).into_iter().map(|(item, _)| item).collect();
            let relevant = wanted.row_indices(user);
            UserMetrics::of(&list, relevant, 20, scores.len(), &discounts).get(Metric::Ndcg).unwrap_or(0.0)
        };
        (0..USERS).map(of_user).sum::<f64>() / USERS as f64
    }

    fn ndcg_of(&self, algorithm: &str, features: &Csr) -> f64 {
        let (train, (known, new)) = (Self::part(&self.likes, false), Self::split(features));
        let model = fitted(algorithm, &train);
        let map = ColdMap::fit(&*model, &known, &train, &context()).unwrap();
        let extended = extend(Base::Owned(model), map.as_ref(), &new, &context()).unwrap();
        self.ndcg(|user| {
            let mut scores = vec![0f32; ITEMS];
            extended.score_users(&[user], &train, &mut scores).unwrap();
            scores.split_off(train.n_cols)
        })
    }
}

fn fitted(algorithm: &str, train: &Csr) -> Box<dyn Recommender> {
    let params = match algorithm {
        "IALSRecommender" => json!({"n_components": 8, "alpha0": 0.3, "reg": 0.02, "train_epochs": 10}),
        _ => json!({}),
    };
    fit(algorithm, params.as_object().unwrap(), TrainInput::from(train), &context()).unwrap()
}

const MODELS: [&str; 2] = ["IALSRecommender", "CosineKNNRecommender"];

#[test]
fn features_of_other_items_are_worth_no_more_than_popularity() {
    let shop = Shop::new();
    let train = Shop::part(&shop.likes, false);
    let (known, new) = Shop::split(&shop.features);
    let popularity = popularity_from_features(&known, &train.column_counts(), &new, &context()).unwrap();
    let popular = shop.ndcg(|_| popularity.clone());
    for algorithm in MODELS {
        let (personal, shuffled) = (shop.ndcg_of(algorithm, &shop.features), shop.ndcg_of(algorithm, &shop.shuffled()));
        assert!(personal > 1.1 * popular, "{algorithm}: {personal} with features, {popular} by popularity");
        assert!(shuffled <= popular, "{algorithm}: {shuffled} with features of other items, {popular} by popularity");
    }
}

/// A model, its map, and the features of new items.
fn mapped(algorithm: &str) -> (Box<dyn Recommender>, ColdMap, Csr) {
    let shop = Shop::new();
    let (train, (known, new)) = (Shop::part(&shop.likes, false), Shop::split(&shop.features));
    let model = fitted(algorithm, &train);
    let map = ColdMap::fit(&*model, &known, &train, &context()).unwrap().unwrap();
    (model, map, new)
}

fn history_scores(model: &dyn Recommender, history: &[u32]) -> Vec<f32> {
    let mut scores = vec![f32::NAN; model.n_items()];
    model.score_history(history, &mut scores).unwrap();
    scores
}

fn saved(map: &ColdMap) -> Vec<u8> {
    let mut out = TensorWriter::default();
    map.save(&mut out);
    out.finish()
}

#[test]
fn a_map_that_was_saved_does_the_same() {
    for algorithm in MODELS {
        let (model, map, new) = mapped(algorithm);
        let bytes = saved(&map);
        let read = ColdMap::load(&TensorReader::open(&bytes).unwrap(), &*model, new.n_cols).unwrap().unwrap();
        assert_eq!((read.vectors(&new).unwrap(), read.penalty()), (map.vectors(&new).unwrap(), map.penalty()), "{algorithm}");
        assert_eq!(read.heap_bytes(), map.heap_bytes());
        let scores = |map: &ColdMap| {
            let extended = extend(Base::Borrowed(&*model), Some(map), &new, &context()).unwrap();
            history_scores(&*extended, &[0, 7, model.n_items() as u32 + 3])
        };
        assert_eq!(scores(&read), scores(&map), "{algorithm}");
    }
}

#[test]
fn a_map_that_does_not_fit_is_refused() {
    let (factors, of_factors, new) = mapped("IALSRecommender");
    let (weights, of_weights, _) = mapped("CosineKNNRecommender");
    let load = |bytes: &[u8], model: &dyn Recommender, n_features: usize| {
        ColdMap::load(&TensorReader::open(bytes).unwrap(), model, n_features).map(|map| map.is_some())
    };
    let refused = |found: MlResult<bool>| matches!(found, Err(MlError::BadArtifact(_)));
    assert_eq!(load(&TensorWriter::default().finish(), &*factors, new.n_cols), Ok(false));
    assert!(refused(load(&saved(&of_factors), &*factors, new.n_cols + 1)), "another number of features");
    assert!(refused(load(&saved(&of_factors), &*weights, new.n_cols)), "a map to factors for a model of weights");
    assert!(refused(load(&saved(&of_weights), &*factors, new.n_cols)), "a map to weights for a model of factors");
    let with = |penalty: &str| {
        let mut out = TensorWriter::default();
        out.f32s("cold.weights", &[new.n_cols + 1, of_factors.width()], vec![0.5; (new.n_cols + 1) * of_factors.width()]);
        out.metadata("cold.penalty", penalty);
        out.finish()
    };
    assert_eq!(load(&with("1"), &*factors, new.n_cols), Ok(true));
    assert!(refused(load(&with("strong"), &*factors, new.n_cols)), "a penalty that is no number");
}

#[test]
fn a_history_of_new_items_alone_is_that_of_the_trained_ones_like_them() {
    let (model, features, _) = planted(40, 5);
    // Three times as long, so that only the direction is the same.
    let new: Vec<f32> = model.items[7 * WIDTH..][..WIDTH].iter().map(|value| value * 3.0).collect();
    let like = (0..40u32).find(|&item| features.row_indices(item as usize) == features.row_indices(7)).unwrap();
    let extended = ExtendedFactors::new(Base::Borrowed(&model), &new, WIDTH).unwrap();
    assert_eq!(extended.n_items(), 41);
    let wanted = history_scores(&extended, &[like]);
    assert_eq!(history_scores(&extended, &[40]), wanted);
    assert_eq!(history_scores(&extended, &[40, like]), wanted, "the trained item counts once");
    assert_eq!(wanted[..40], history_scores(&model, &[like]));
    assert!((wanted[40] - 3.0 * wanted[7]).abs() < 1e-4 * wanted[40].abs());
    assert!(ExtendedFactors::new(Base::Borrowed(&model), &new, 2 * WIDTH).is_none(), "vectors of another width");
}

#[test]
fn contributions_to_scores_by_weights_sum_up() {
    let (model, map, new) = mapped("CosineKNNRecommender");
    let n_own = model.n_items() as u32;
    let extended = extend(Base::Owned(model), Some(&map), &new, &context()).unwrap();
    let items = [1, 8, n_own, n_own + 20];
    for history in [&[0, 5, 9][..], &[n_own + 2, 4], &[n_own + 1, n_own + 7]] {
        let scores = history_scores(&*extended, history);
        let contributions = extended.contributions(history, &items).unwrap();
        for (item, row) in items.iter().zip(contributions.chunks_exact(history.len())) {
            let (sum, score) = (row.iter().sum::<f32>(), scores[*item as usize]);
            assert!((sum - score).abs() < 1e-4 * (1.0 + score.abs()), "{history:?} {item}: {sum} {score}");
        }
    }
}

#[test]
fn what_an_extension_holds_is_counted() {
    for algorithm in MODELS {
        let (model, map, new) = mapped(algorithm);
        let weights = (new.n_cols + 1) * map.width() * 4;
        let sides = if map.sides.is_some() { model.n_items() * map.width() * 4 } else { 0 };
        assert_eq!(map.heap_bytes(), (weights + sides) as u64, "{algorithm}");
        let bytes = |new: &Csr| extend(Base::Borrowed(&*model), Some(&map), new, &context()).unwrap().heap_bytes();
        let (none, all) = (bytes(&new.rows(0..0)), bytes(&new));
        assert!(none >= model.heap_bytes(), "{algorithm}");
        assert_eq!(all - none, (new.n_rows * map.width() * 4) as u64, "{algorithm}");
    }
}

#[test]
fn what_an_extension_takes_is_asked_for_before() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use crate::context::Lack;
    for algorithm in MODELS {
        let (model, map, new) = mapped(algorithm);
        let asked = Arc::new(AtomicU64::new(0));
        let within = |most: u64| {
            let asked = Arc::clone(&asked);
            let source = move |bytes| {
                asked.fetch_max(bytes, Ordering::Relaxed);
                if bytes <= most { Ok(()) } else { Err(Lack { available: most, is_passing: false }) }
            };
            let ctx = Context::new(0, 1).with_memory_source(Arc::new(source));
            extend(Base::Borrowed(&*model), Some(&map), &new, &ctx).map(|extended| extended.heap_bytes())
        };
        let taken = within(u64::MAX).unwrap() - model.heap_bytes();
        let asked = asked.load(Ordering::Relaxed);
        assert!((taken..3 * taken).contains(&asked), "{algorithm}: {asked} for {taken}");
        assert!(matches!(within(asked - 1), Err(MlError::MemoryBudget { .. })), "{algorithm}");
    }
}
