use serde_json::{Map, Value, json};

use crate::ml::algorithms::{Recommender, fit};
use crate::ml::context::Context;
use crate::ml::sparse::Csr;
use crate::ml::tensors::{TensorReader, TensorWriter};

const K: usize = 5;
const ALPHA0: f64 = 0.2;
const REG: f64 = 0.01;

fn sample() -> Csr {
    let pairs: Vec<(u32, u32)> =
        (0..40u32).flat_map(|u| (0..30u32).filter(move |i| (u * 7 + i * 5 + u * i) % 6 == 0).map(move |i| (u, i))).collect();
    let (rows, cols): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
    Csr::from_pairs(40, 30, &rows, &cols).unwrap()
}

fn params(extra: Value) -> Map<String, Value> {
    let mut params = json!({"n_components": K, "alpha0": ALPHA0, "reg": REG, "train_epochs": 4});
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    params.as_object().unwrap().clone()
}

fn factors(model: &dyn Recommender) -> (Vec<f32>, Vec<f32>) {
    let mut out = TensorWriter::default();
    model.save(&mut out);
    let bytes = out.finish();
    let input = TensorReader::open(&bytes).unwrap();
    (input.f32s("model.users").unwrap().1, input.f32s("model.items").unwrap().1)
}

/// Largest entry of the loss's gradient by the items, which were solved last.
fn item_gradient(train: &Csr, users: &[f32], items: &[f32], observed_bias: f64) -> f64 {
    let by_item = train.transpose();
    let mut worst = 0f64;
    for item in 0..train.n_cols {
        let q = &items[item * K..][..K];
        let n = by_item.row_len(item) as f64;
        let penalty = REG * (ALPHA0 * train.n_rows as f64 + n);
        let mut gradient: Vec<f64> = q.iter().map(|&v| penalty * f64::from(v)).collect();
        for user in 0..train.n_rows {
            let p = &users[user * K..][..K];
            let score: f64 = p.iter().zip(q).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let observed = by_item.row_indices(item).contains(&(user as u32));
            let slope = ALPHA0 * score + if observed { score - 1.0 - observed_bias } else { 0.0 };
            gradient.iter_mut().zip(p).for_each(|(g, &v)| *g += slope * f64::from(v));
        }
        worst = gradient.iter().fold(worst, |w, g| w.max(g.abs()));
    }
    worst
}

#[test]
fn the_gradient_vanishes_where_rows_are_solved_exactly() {
    let train = sample();
    let ctx = Context::new(0, 2);
    for (loss, bias) in [("IALSPP", 0.0), ("ORIGINAL", ALPHA0)] {
        for solver in [json!({"solver_type": "CHOLESKY"}), json!({"solver_type": "CG", "max_cg_steps": 0})] {
            let mut params = params(solver.clone());
            params.insert("loss_type".into(), loss.into());
            let model = fit("IALS", &params, &train, &ctx).unwrap();
            let (users, items) = factors(&*model);
            let worst = item_gradient(&train, &users, &items, bias);
            assert!(worst < 1e-4, "{loss} {solver}: {worst}");
        }
    }
}

#[test]
fn folding_in_a_known_history_gives_nearly_the_same_scores() {
    let train = sample();
    let ctx = Context::new(0, 1);
    let model = fit("IALS", &params(json!({"solver_type": "CHOLESKY", "train_epochs": 60})), &train, &ctx).unwrap();
    let (mut known, mut folded) = (vec![0f32; 30], vec![0f32; 30]);
    model.score_users(&[3], &train, &mut known).unwrap();
    model.score_history(train.row_indices(3), &mut folded).unwrap();
    assert!(known.iter().zip(&folded).all(|(a, b)| (a - b).abs() < 0.02), "{known:?} {folded:?}");
}

#[test]
fn rows_without_interactions_stay_at_zero() {
    let train = Csr::from_pairs(3, 4, &[0, 0, 2], &[0, 1, 1]).unwrap();
    let model = fit("IALS", &params(json!({"alpha0": 0.0})), &train, &Context::new(0, 1)).unwrap();
    let mut scores = vec![1f32; 8];
    model.score_users(&[1, 0], &train, &mut scores).unwrap();
    assert_eq!(scores[..4], [0.0; 4]);
    assert_eq!(scores[6..], [0.0; 2]);
    assert!(scores[4] > scores[6]);
}
