use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use super::INFO;
use super::settings::{Loss, Settings};
use super::steps::{Ranking, Wish, lengths};
use crate::algorithms::{Base, TrainInput, UserMap, extend};
use crate::context::Context;
use crate::registry::fit;
use crate::simd::Kernels;
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

const WIDTH: usize = 16;
const K: usize = 6;

fn settings(loss: Loss) -> Settings {
    Settings { k: K, item_alpha: 0.3, user_alpha: 0.2, loss, learning_rate: 1.0, seed: 1, feature_dropout: 0.0 }
}

fn numbers(n: usize, step: usize) -> Vec<f32> {
    (0..n).map(|i| if i % WIDTH <= K { ((i * step % 41) as f32 - 20.0) / 20.0 } else { 0.0 }).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Computes −log σ(p · (a − b)) + ½ (user_alpha ‖p‖² + item_alpha (‖a‖² + ‖b‖²)).
fn bpr_loss(p: &[f64], a: &[f64], b: &[f64]) -> f64 {
    let margin = dot(p, a) - dot(p, b);
    (-margin).exp().ln_1p() + 0.5 * (0.2 * dot(p, p) + 0.3 * (dot(a, a) + dot(b, b)))
}

#[test]
fn a_step_follows_the_gradient_of_the_loss() {
    let (user, items) = (numbers(WIDTH, 7), numbers(2 * WIDTH, 11));
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let settings = settings(Loss::Bpr);
    let ranking = Ranking { settings: &settings, kernels: Kernels::detect(), n_items: 20 };
    let Wish { lesser, pull, squares } = ranking.wish(&user, &items, 0, |at| at == 0, &mut rng).unwrap();
    assert_eq!(lesser, 1);
    // With sums of squares of one and a rate of one, a step is the negative gradient.
    let step = lengths(&settings, pull, [1.0; 3]);
    let (mut p, mut a, mut b) = (user.clone(), items[..WIDTH].to_vec(), items[WIDTH..].to_vec());
    Kernels::detect().pair_step(&mut p, &mut a, &mut b, step);

    let wide = |row: &[f32]| row.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let rows = [wide(&user), wide(&items[..WIDTH]), wide(&items[WIDTH..])];
    let moved = [&p, &a, &b];
    let mut gradient_squares = [0f64; 3];
    for which in 0..3 {
        for i in 0..WIDTH {
            let at = |distance: f64| {
                let mut rows = rows.clone();
                rows[which][i] += distance;
                bpr_loss(&rows[0], &rows[1], &rows[2])
            };
            let gradient = (at(1e-5) - at(-1e-5)) / 2e-5;
            let taken = rows[which][i] - f64::from(moved[which][i]);
            assert!((gradient - taken).abs() < 1e-5, "row {which} at {i}: {taken} but {gradient}");
            let alpha = [0.2, 0.3, 0.3][which];
            gradient_squares[which] += (gradient - alpha * rows[which][i]).powi(2) / K as f64;
        }
    }
    assert!((gradient_squares[0] - f64::from(squares[0])).abs() < 1e-4);
    assert!((gradient_squares[1] - f64::from(squares[1])).abs() < 1e-4);
}

#[test]
fn warp_looks_for_items_that_score_too_high() {
    // The user likes the first component; the items do not differ otherwise.
    let mut user = vec![0f32; WIDTH];
    user[0] = 1.0;
    let values = [5.0f32, 4.5, 1.0, 3.0, 9.0];
    let items: Vec<f32> = values.iter().flat_map(|&v| std::iter::once(v).chain(std::iter::repeat_n(0.0, WIDTH - 1))).collect();
    let taken = |at: usize| at == 0 || at == 4;
    let settings = settings(Loss::Warp);
    let ranking = Ranking { settings: &settings, kernels: Kernels::detect(), n_items: 100 };
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..100 {
        // Item 4 scores highest, but the user has it; of the others only item 1 is within the margin.
        let found = ranking.wish(&user, &items, 0, taken, &mut rng);
        let Some(found) = found else { continue };
        assert_eq!(found.lesser, 1);
        let ranks = (1..=10).map(|drawn| (99.0f32 / drawn as f32).floor().ln());
        assert!(ranks.into_iter().any(|weight| weight == found.pull), "{found:?}");
        assert_eq!(ranking.wish(&user, &items, 4, taken, &mut rng), None);
    }
}

/// Returns interactions in which users like the items of their own third; five blocks of each.
fn thirds() -> Csr {
    let likes = |u: u32, i: u32| u % 3 == i % 3 && !(u * 31 + i * 17).is_multiple_of(5);
    let pairs = (0..330u32).flat_map(|u| (0..360u32).filter(move |&i| likes(u, i)).map(move |i| (u, i)));
    let (rows, cols): (Vec<u32>, Vec<u32>) = pairs.unzip();
    Csr::from_pairs(330, 360, &rows, &cols).unwrap()
}

fn params(loss: &str) -> Map<String, Value> {
    json!({"n_components": 8, "loss": loss, "train_epochs": 12}).as_object().unwrap().clone()
}

fn right(scores: &[f32], user: usize) -> usize {
    let mut best: Vec<usize> = (0..scores.len()).collect();
    best.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    best[..100].iter().filter(|&&item| item % 3 == user % 3).count()
}

#[test]
fn both_losses_learn_and_fold_in_on_any_number_of_threads() {
    let train = thirds();
    for loss in ["bpr", "warp"] {
        let score = |threads: usize| {
            let model = fit("BPRFM", &params(loss), &train, &Context::new(0, threads)).unwrap();
            let (mut known, mut folded) = (vec![0f32; 3 * 360], vec![0f32; 360]);
            model.score_users(&[7, 8, 9], &train, &mut known).unwrap();
            model.score_history(&train.row_indices(7)[..10], &mut folded).unwrap();
            (known, folded)
        };
        let (known, folded) = score(1);
        (7..10).for_each(|user| assert!(right(&known[(user - 7) * 360..][..360], user) >= 99, "{loss} {user}"));
        assert!(right(&folded, 7) >= 99, "{loss}");
        assert_eq!(score(3), (known, folded), "{loss}");
    }
}

/// Returns users and items of three kinds, in blocks, their kinds as features, and those of new items and users.
fn kinds() -> (Csr, Csr, Csr) {
    let one_hot = |n: u32| {
        let (rows, kinds): (Vec<u32>, Vec<u32>) = (0..n).map(|row| (row, row % 3)).unzip();
        Csr::from_pairs(n as usize, 3, &rows, &kinds).unwrap()
    };
    (thirds(), one_hot(330), one_hot(360))
}

fn described(extra: Value) -> Map<String, Value> {
    let mut params = params("warp");
    params.extend(json!({"item_feature_rate": 0.05, "user_feature_rate": 0.05}).as_object().unwrap().clone());
    params.extend(extra.as_object().unwrap().clone());
    params
}

#[test]
fn new_items_and_new_users_rank_by_their_features() {
    let (train, users, items) = kinds();
    for dropout in [0.0, 0.4] {
        for loss in ["bpr", "warp"] {
            let fit_on = |threads: usize| {
                let input = TrainInput { items: Some(&items), ..TrainInput::from(&train) }.with_users(Some(&users));
                fit("BPRFM", &described(json!({"loss": loss, "feature_dropout": dropout})), input, &Context::new(0, threads))
                    .unwrap()
            };
            let model = fit_on(1);
            let extended = extend(Base::Borrowed(&*model), None, &items.rows(0..3), &Context::new(0, 1)).unwrap();
            let mut scores = vec![0f32; 363];
            for user in [7u32, 8, 9] {
                extended.score_users(&[user], &train, &mut scores).unwrap();
                let new = &scores[360..];
                assert!(
                    (0..3).all(|kind| kind == user as usize % 3 || new[kind] < new[user as usize % 3]),
                    "{loss} {user}: {new:?}"
                );
                assert!(right(&scores[..360], user as usize) >= 99, "{loss} {user}");
            }
            let profiles = UserMap::fit(&*model, &users, &train, None, &Context::new(0, 1)).unwrap().unwrap();
            let mut by_profile = vec![0f32; 360];
            for user in [0usize, 1, 2] {
                let vector = profiles.vector(&users.rows(user..user + 1)).unwrap();
                assert!((vector[8] - 1.0).abs() < 1e-6, "the bias of an item counts once");
                profiles.score(&*model, &vector, &[], &mut by_profile).unwrap();
                assert!(right(&by_profile, user) >= 99, "{loss} {user}");
            }
            let other = fit_on(3);
            assert_eq!(other.item_feature_map(), model.item_feature_map());
            assert_eq!(other.factors().unwrap().items, model.factors().unwrap().items);
        }
    }
}

#[test]
fn rows_are_those_of_the_object_and_of_its_features_and_nothing_changes_without_a_rate() {
    let (train, users, items) = kinds();
    let context = Context::new(0, 2);
    let plain = fit("BPRFM", &params("warp"), &train, &context).unwrap();
    for none in [json!(null), json!(0)] {
        let without = described(json!({"item_feature_rate": none, "user_feature_rate": none}));
        let model = fit("BPRFM", &without, &train, &context).unwrap();
        assert!(model.factors().unwrap().items == plain.factors().unwrap().items && model.item_feature_map().is_none());
    }
    // With a rate that moves features by nothing that counts, own rows learn as they do alone.
    let input = TrainInput { items: Some(&items), ..TrainInput::from(&train) }.with_users(Some(&users));
    let slow = described(json!({"item_feature_rate": 1e-12, "user_feature_rate": 1e-12, "feature_dropout": 0}));
    let slow = fit("BPRFM", &slow, input, &context).unwrap();
    let (slow, plain) = (slow.factors().unwrap(), plain.factors().unwrap());
    assert!(slow.users.iter().zip(plain.users).all(|(a, b)| (a - b).abs() < 1e-3));
}

#[test]
fn what_features_add_is_stored_and_missing_features_are_named() {
    let (train, users, items) = kinds();
    let context = Context::new(0, 2);
    let input = TrainInput { items: Some(&items), ..TrainInput::from(&train) }.with_users(Some(&users));
    let model = fit("BPRFM", &described(json!({})), input, &context).unwrap();
    let mut out = TensorWriter::default();
    model.save(&mut out);
    let bytes = out.finish();
    let input = TensorReader::open(&bytes).unwrap();
    assert_eq!(input.f32s("model.item_feature_map").unwrap().0, [4, 9]);
    let back = INFO.load(&input, 330, 360).unwrap();
    assert_eq!((back.item_feature_map(), back.user_feature_map()), (model.item_feature_map(), model.user_feature_map()));
    let refused = |params: Value| fit("BPRFM", &described(params), &train, &context).err().unwrap().to_string();
    assert!(refused(json!({"user_feature_rate": null})).contains("give an item file"));
    assert!(refused(json!({"item_feature_rate": null})).contains("give a user file"));
}
