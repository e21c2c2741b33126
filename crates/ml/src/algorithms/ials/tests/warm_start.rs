//! A start from an earlier model.

use super::*;
use crate::algorithms::Before;
use crate::registry::fit_from;

/// Returns the sample with a fifth more users and items, and their interactions.
fn grown() -> Csr {
    let has = |u: u32, i: u32| (u * 7 + i * 5 + u * i).is_multiple_of(3 + u % 9);
    let pairs = (0..48u32).flat_map(|u| (0..36u32).filter(move |&i| has(u, i)).map(move |i| (u, i)));
    let (rows, cols): (Vec<u32>, Vec<u32>) = pairs.unzip();
    Csr::from_pairs(48, 36, &rows, &cols).unwrap()
}

fn known(n: u32, of: u32) -> Vec<Option<u32>> {
    (0..n).map(|at| (at < of).then_some(at)).collect()
}

#[test]
fn a_quarter_of_the_epochs_reaches_what_a_start_from_nothing_reaches() {
    let (loss, context) = (plain_loss(), Context::new(1, 1));
    let (train, more) = (sample(), grown());
    for solver in solvers() {
        let all = with(params(json!({"train_epochs": 16})), &solver);
        let earlier = fit("IALS", &all, &train, &context).unwrap();
        let (users, items) = (known(48, 40), known(36, 30));
        let before = Before { parameters: &all, factors: earlier.factors().unwrap(), users: &users, items: &items };
        let value = |model: &dyn Recommender| {
            let (users, items) = factors(model);
            loss.value(&more, &users, &items, K)
        };
        let cold = |epochs: u32| {
            let params = with(all.clone(), &json!({ "train_epochs": epochs }));
            value(&*fit("IALS", &params, &more, &context).unwrap())
        };
        let warm = value(&*fit_from("IALS", &all, &more, &before, &context).unwrap().unwrap());
        let (quarter, whole) = (cold(4), cold(16));
        println!("warm {warm}, after as many epochs {quarter}, after all {whole}");
        assert!(warm < quarter, "{solver}: {warm} against {quarter}");
        assert!(warm <= whole + 0.01 * whole.abs(), "{solver}: {warm} against {whole}");
    }
}

#[test]
fn what_does_not_fit_is_left_alone() {
    let (train, context) = (sample(), Context::new(1, 1));
    let own = params(json!({}));
    let earlier = fit("IALS", &own, &train, &context).unwrap();
    let (users, items) = (known(40, 40), known(30, 30));
    let before = Before { parameters: &own, factors: earlier.factors().unwrap(), users: &users, items: &items };
    let tried = |algorithm: &str, params: Value, before: &Before<'_>| {
        let params = params.as_object().unwrap().clone();
        fit_from(algorithm, &params, &train, before, &context).unwrap().is_some()
    };
    assert!(tried("IALS", json!({"n_components": K}), &before));
    // The same width after padding.
    assert!(!tried("IALS", json!({"n_components": K + 1}), &before));
    assert!(!tried("NMF", json!({"n_components": K}), &before));
    let fewer = Before { users: &users[1..], ..before };
    assert!(!tried("IALS", json!({"n_components": K}), &fewer));
    let foreign = json!({"depth": 3});
    let foreign = Before { parameters: foreign.as_object().unwrap(), ..before };
    assert!(!tried("IALS", json!({"n_components": K}), &foreign));
}
