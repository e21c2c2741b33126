//! What each item of a history adds to a score (Hu, Koren & Volinsky 2008, section 5).
//!
//! A user folded in is the solution of `A · p = Σ w_i q_i` with `A = α0 QᵀQ + penalty + Σ c_i q_i q_iᵀ` over the items
//! of the history, so the score of an item is `q · p = Σ w_i · (q · A⁻¹ q_i)`: a sum over the history. `A` is
//! symmetric, so one solution `A⁻¹ q` serves all items.

use super::settings::Settings;
use crate::error::MlResult;
use crate::linalg::{self, CholeskyScratch};
use crate::simd::padded;

/// Computes the terms of the sums, a row as long as `history` for each of `items`; all are in range. `factors` are those of all
/// items in the basis where `α0 QᵀQ` is diagonal, and `energy` is that diagonal.
pub(super) fn contributions(
    settings: &Settings,
    factors: &[f32],
    energy: &[f32],
    history: &[u32],
    items: &[u32],
) -> MlResult<Vec<f32>> {
    if history.is_empty() {
        return Ok(Vec::new());
    }
    let width = padded(settings.k);
    let row = |item: u32| &factors[item as usize * width..][..width];
    let confidence = settings.scaling.one(1.0, settings.epsilon);
    let mut matrix = vec![0f32; width * width];
    let penalty = settings.penalty(history.len(), factors.len() / width);
    // The dense part is diagonal in the basis of the factors.
    for (at, &sum) in energy.iter().enumerate() {
        // Padding is zero everywhere else: any positive diagonal keeps it at zero.
        matrix[at * width + at] = if at < settings.k { sum + penalty } else { 1.0 };
    }
    let root = confidence.max(0.0).sqrt();
    let rows: Vec<f32> = history.iter().flat_map(|&known| row(known)).map(|value| value * root).collect();
    linalg::add_gram_lower(&rows, width, &mut matrix);
    let weight = confidence + settings.observed_bias;
    let mut scratch = CholeskyScratch::new(width);
    let mut terms = Vec::with_capacity(items.len() * history.len());
    for &item in items {
        let mut solved = row(item).to_vec();
        scratch.solve(&mut matrix.clone(), &mut solved)?;
        let product = |known: u32| row(known).iter().zip(&solved).map(|(a, b)| a * b).sum::<f32>();
        terms.extend(history.iter().map(|&known| weight * product(known)));
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::context::Context;
    use crate::registry::fit;
    use crate::sparse::Csr;

    #[test]
    fn contributions_add_up_to_the_score() {
        let pairs = (0..30u32).flat_map(|u| (0..20u32).filter(move |i| (u * 7 + i * 5 + u * i) % 4 == 0).map(move |i| (u, i)));
        let (users, items): (Vec<u32>, Vec<u32>) = pairs.unzip();
        let train = Csr::from_pairs(30, 20, &users, &items).unwrap();
        for loss in ["IALSPP", "ORIGINAL"] {
            for scaling in ["none", "log"] {
                let params = json!({"n_components": 5, "alpha0": 0.2, "reg": 0.01, "train_epochs": 4, "loss_type": loss,
                    "solver_type": "CHOLESKY", "confidence_scaling": scaling, "epsilon": 0.5});
                let model = fit("IALS", params.as_object().unwrap(), &train, &Context::new(0, 1)).unwrap();
                let history = [3, 0, 11, 8];
                let mut scores = vec![0f32; 20];
                model.score_history(&history, &mut scores).unwrap();
                for item in 0..20 {
                    let sum: f32 = model.contributions(&history, &[item]).unwrap().iter().sum();
                    assert!((sum - scores[item as usize]).abs() < 1e-4, "{loss} {scaling}: {sum} {}", scores[item as usize]);
                }
                assert!(model.contributions(&[], &[3]).unwrap().is_empty());
            }
        }
    }
}
