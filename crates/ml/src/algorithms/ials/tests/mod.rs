mod features;
mod loss;
mod warm_start;

use serde_json::{Map, Value, json};

use self::loss::Loss;
use super::half_step::{Effort, Scratch};
use super::model::Ials;
use super::problem::HalfStep;
use super::settings::Settings;
use super::sides::Side;
use super::{INFO, random_start};
use crate::algorithms::{Control, Params, Recommender};
use crate::context::Context;
use crate::registry::{fit, fit_with_validation};
use crate::simd::padded;
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

const K: usize = 5;
const ALPHA0: f64 = 0.2;
const REG: f64 = 0.05;

/// Returns interactions in which some users have fewer items than there are components, and some more.
fn sample() -> Csr {
    let has = |u: u32, i: u32| (u * 7 + i * 5 + u * i).is_multiple_of(3 + u % 9);
    let pairs = (0..40u32).flat_map(|u| (0..30u32).filter(move |&i| has(u, i)).map(move |i| (u, i)));
    let (rows, cols): (Vec<u32>, Vec<u32>) = pairs.unzip();
    Csr::from_pairs(40, 30, &rows, &cols).unwrap()
}

/// Returns the sample with values from 1 to 5.
fn weighted() -> Csr {
    let mut train = sample();
    train.values.iter_mut().enumerate().for_each(|(at, value)| *value = 1.0 + (at * 7 % 5) as f32);
    train
}

fn params(extra: Value) -> Map<String, Value> {
    let mut params = json!({"n_components": K, "alpha0": ALPHA0, "reg": REG, "train_epochs": 4});
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    params.as_object().unwrap().clone()
}

fn solvers() -> [Value; 4] {
    [
        json!({"solver_type": "CHOLESKY"}),
        json!({"solver_type": "CG", "max_cg_steps": 30, "prediction_time_max_cg_steps": 0}),
        json!({"solver_type": "IALSPP", "ialspp_subspace_dimension": 2, "prediction_time_ialspp_iteration": 500}),
        json!({"solver_type": "IALSPP", "ialspp_subspace_dimension": 64, "prediction_time_ialspp_iteration": 1}),
    ]
}

fn with(mut params: Map<String, Value>, extra: &Value) -> Map<String, Value> {
    params.extend(extra.as_object().unwrap().clone());
    params
}

fn factors(model: &dyn Recommender) -> (Vec<f32>, Vec<f32>) {
    let mut out = TensorWriter::default();
    model.save(&mut out);
    let bytes = out.finish();
    let input = TensorReader::open(&bytes).unwrap();
    (input.f32s("model.users").unwrap().1, input.f32s("model.items").unwrap().1)
}

fn plain_loss() -> Loss {
    Loss { alpha0: ALPHA0, reg: REG, nu: 1.0, bias: 0.0, epsilon: None }
}

/// Returns variants of the objective: parameters, and what they mean.
fn losses(train: &Csr) -> Vec<(Value, Loss)> {
    let plain = plain_loss();
    let frequencies = |nu: f64| -> f64 {
        let of = |train: &Csr| -> f64 {
            (0..train.n_rows).map(|r| (train.row_len(r) as f64 + ALPHA0 * train.n_cols as f64).powf(nu)).sum()
        };
        of(train) + of(&train.transpose())
    };
    vec![
        (json!({}), plain),
        (json!({"loss_type": "ORIGINAL"}), Loss { bias: ALPHA0, ..plain }),
        (json!({"nu": 0.5}), Loss { nu: 0.5, ..plain }),
        (json!({"nu": 0.5, "nu_star": 1.0}), Loss { nu: 0.5, reg: REG * frequencies(1.0) / frequencies(0.5), ..plain }),
        (json!({"confidence_scaling": "log", "epsilon": 0.5}), Loss { epsilon: Some(0.5), ..plain }),
    ]
}

#[test]
fn the_gradient_vanishes_at_the_solution() {
    let train = weighted();
    let by_item = train.transpose();
    for (variant, loss) in losses(&train) {
        let params = with(params(json!({"solver_type": "CHOLESKY", "train_epochs": 1500})), &variant);
        let (users, items) = factors(&*fit("IALS", &params, &train, &Context::new(0, 2)).unwrap());
        let worst = loss.steepest(&train, &users, &items, K).max(loss.steepest(&by_item, &items, &users, K));
        assert!(worst < 2e-3, "{variant}: {worst}");
        assert!(users.iter().chain(&items).any(|v| v.abs() > 0.1), "{variant}: not the solution zero");
    }
}

#[test]
fn rows_solved_exactly_leave_no_gradient() {
    for train in [sample(), weighted()] {
        let by_item = train.transpose();
        for (variant, loss) in losses(&train) {
            // Of two blocks neither is solved any more after the other has changed.
            for solver in [&solvers()[0], &solvers()[1], &solvers()[3]] {
                let params = with(with(params(json!({})), &variant), solver);
                let (users, items) = factors(&*fit("IALS", &params, &train, &Context::new(0, 2)).unwrap());
                let worst = loss.steepest(&by_item, &items, &users, K);
                assert!(worst < 5e-4, "{variant} {solver}: {worst}");
            }
        }
    }
}

/// Returns a model as it is before the first epoch.
fn beginning(params: &Map<String, Value>, train: &Csr) -> Ials {
    let params = Params::check(INFO.name, INFO.parameters(), params).unwrap();
    let (users, items) = random_start(&params, K, train, &Context::new(0, 1)).unwrap();
    Ials::new(Settings::read(&params, train).unwrap(), users, items).unwrap()
}

fn compact(factors: &[f32]) -> Vec<f32> {
    factors.chunks_exact(padded(K)).flat_map(|row| row[..K].to_vec()).collect()
}

#[test]
fn no_half_of_an_epoch_increases_the_objective() {
    let train = weighted();
    let ctx = Context::new(0, 1);
    let few = json!({"solver_type": "CG", "max_cg_steps": 1});
    for (variant, loss) in losses(&train) {
        for solver in solvers().iter().chain([&few]) {
            let mut model = beginning(&with(with(params(json!({})), &variant), solver), &train);
            let by_user = Side::of_users(&train, &model.settings);
            let by_item = by_user.transposed(train.n_cols);
            let value = |model: &Ials| loss.value(&train, &compact(&model.users), &compact(&model.items), K);
            let mut before = value(&model);
            let mut check = |now: f64, what: &str| {
                assert!(now <= before + 1e-4 * before.abs().max(1.0), "{variant} {solver} {what}: {before} {now}");
                before = now;
            };
            for _ in 0..5 {
                let Ials { settings, users, items, item_energy, .. } = &mut model;
                HalfStep::new(settings, items, item_energy).run(&by_user, users, &ctx).unwrap();
                check(value(&model), "users");
                let Ials { settings, users, items, .. } = &mut model;
                let energy = super::axes::align(users, [items.as_mut_slice()], settings.k, settings.alpha0).unwrap();
                check(value(&model), "turned");
                let Ials { settings, users, items, .. } = &mut model;
                HalfStep::new(settings, users, &energy).run(&by_item, items, &ctx).unwrap();
                check(value(&model), "items");
                model.align().unwrap();
            }
        }
    }
}

#[test]
fn all_solvers_agree_on_a_row() {
    for train in [sample(), weighted()] {
        for (variant, _) in losses(&train) {
            let solved = solvers().map(|solver| {
                let mut model = beginning(&with(with(params(json!({"init_std": 1.0})), &variant), &solver), &train);
                let by_user = Side::of_users(&train, &model.settings);
                let effort = Effort { cg_steps: 30, sweeps: model.settings.prediction_sweeps };
                let Ials { settings, users, items, item_energy, .. } = &mut model;
                let half = HalfStep::new(settings, items, item_energy);
                for (row, user) in users.chunks_exact_mut(padded(K)).enumerate() {
                    half.solve(by_user.row(row), effort, user, &mut Scratch::new(padded(K))).unwrap();
                }
                compact(users)
            });
            for (at, users) in solved.iter().enumerate() {
                let worst = users.iter().zip(&solved[0]).fold(0f32, |worst, (a, b)| worst.max((a - b).abs()));
                assert!(worst < 2e-3, "{variant} {}: {worst}", solvers()[at]);
            }
        }
    }
}

#[test]
fn wide_models_and_long_rows_are_solved_like_short_ones() {
    // Blocks that are no multiple of a vector, more interactions than are copied at a time, and rows with fewer than components.
    let pairs = (0..12u32).flat_map(|u| (0..700u32).filter(move |i| (i * 31 + u * 17) % (1 + u * u) == 0).map(move |i| (u, i)));
    let (rows, cols): (Vec<u32>, Vec<u32>) = pairs.unzip();
    let train = Csr::from_pairs(12, 700, &rows, &cols).unwrap();
    let ctx = Context::new(0, 2);
    let score = |extra: Value| {
        let fixed = json!({"n_components": 40, "train_epochs": 2, "reg": 0.1, "init_std": 1.0});
        let model = fit("IALS", &with(params(extra), &fixed), &train, &ctx).unwrap();
        let (mut known, mut folded) = (vec![0f32; 700], vec![0f32; 700]);
        model.score_users(&[1], &train, &mut known).unwrap();
        model.score_history(train.row_indices(2), &mut folded).unwrap();
        [known, folded].concat()
    };
    let wanted = score(solvers()[0].clone());
    for solver in [solvers()[1].clone(), json!({"solver_type": "IALSPP", "ialspp_subspace_dimension": 40})] {
        let worst = score(solver.clone()).iter().zip(&wanted).fold(0f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(worst < 5e-3, "{solver}: {worst}");
    }
    let blocks = json!({"solver_type": "IALSPP", "ialspp_subspace_dimension": 17, "train_epochs": 2});
    let by_blocks = score(blocks);
    assert!(by_blocks.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 0.5), "the same direction after two rounds");
}

#[test]
fn folding_in_a_known_history_gives_nearly_the_same_scores() {
    let train = sample();
    let ctx = Context::new(0, 1);
    for solver in solvers() {
        let model =
            fit("IALS", &params(with(solver.as_object().unwrap().clone(), &json!({"train_epochs": 200})).into()), &train, &ctx);
        let model = model.unwrap();
        let (mut known, mut folded) = (vec![0f32; 30], vec![0f32; 30]);
        model.score_users(&[3], &train, &mut known).unwrap();
        model.score_history(train.row_indices(3), &mut folded).unwrap();
        assert!(known.iter().zip(&folded).all(|(a, b)| (a - b).abs() < 0.02), "{solver}: {known:?} {folded:?}");
    }
}

#[test]
fn rows_without_interactions_stay_at_zero() {
    let train = Csr::from_pairs(3, 4, &[0, 0, 2], &[0, 1, 1]).unwrap();
    for solver in solvers() {
        let params = with(params(solver), &json!({"alpha0": 0.0}));
        let model = fit("IALS", &params, &train, &Context::new(0, 1)).unwrap();
        let mut scores = vec![1f32; 8];
        model.score_users(&[1, 0], &train, &mut scores).unwrap();
        assert_eq!(scores[..4], [0.0; 4]);
        assert_eq!(scores[6..], [0.0; 2]);
        assert!(scores[4] > scores[6]);
    }
}

#[test]
fn likeness_is_the_cosine_of_the_factors_and_follows_the_epochs() {
    let train = sample();
    let mut seen = 0;
    let mut hook = |_: u32, model: &dyn Recommender| {
        let (_, items) = factors(model);
        let length = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>().sqrt();
        let mut alike = vec![9f32; 30];
        model.similar_items(4, &mut alike).unwrap();
        let own = &items[4 * K..][..K];
        for (score, row) in alike.iter().zip(items.chunks_exact(K)) {
            let product: f32 = row.iter().zip(own).map(|(a, b)| a * b).sum();
            assert!((score - product / (length(row) * length(own))).abs() < 1e-4);
        }
        seen += 1;
        Ok(Control::Continue)
    };
    fit_with_validation("IALS", &params(json!({})), &train, &Context::new(0, 1), &mut hook).unwrap();
    assert_eq!(seen, 4);
}

#[test]
fn numbers_that_overflow_are_reported() {
    let params = params(json!({"init_std": 1e3, "alpha0": 1e6, "reg": 0.0, "train_epochs": 2, "max_cg_steps": 1}));
    let mut train = weighted();
    train.values.iter_mut().for_each(|value| *value = 1e30);
    assert!(fit("IALS", &params, &train, &Context::new(0, 1)).is_err());
}
