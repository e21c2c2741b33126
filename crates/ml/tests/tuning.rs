//! Guarantees of a search over any space: it stays inside, repeats itself, and keeps to its limits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use std::sync::Arc;

use proptest::prelude::*;
use recotem_ml::context::{Context, Interrupt};
use recotem_ml::interactions::InteractionLogBuilder;
use recotem_ml::metrics::Metric;
use recotem_ml::search_space::{Domain, SearchSpace};
use recotem_ml::splits::{Split, SplitConfig, split};
use recotem_ml::trials::{TrialOutcome, run_trial, study};
use recotem_ml::tuning::{Pruner, Sampler, Study, Suggestion, TrialRecord, TrialState};
use serde_json::{Map, Value, json};

fn domains() -> impl Strategy<Value = Domain> {
    prop_oneof![
        (-20_i64..20, 0_i64..300).prop_map(|(low, span)| Domain::int(low, low + span)),
        (1_i64..20, 0_i64..3_000).prop_map(|(low, span)| Domain::log_int(low, low + span)),
        (-5.0..5.0_f64, 0.0..9.0_f64).prop_map(|(low, span)| Domain::float(low, low + span)),
        (1e-9..1e-2_f64, 1.0..1e6_f64).prop_map(|(low, factor)| Domain::log_float(low, low * factor)),
        (1_usize..5).prop_map(|size| Domain::categorical((0..size).map(|index| format!("choice {index}")))),
    ]
}

fn spaces() -> impl Strategy<Value = Vec<(String, SearchSpace)>> {
    let space = prop::collection::vec(domains(), 0..5).prop_map(|domains| {
        domains.into_iter().enumerate().map(|(index, domain)| (format!("p{index}"), domain)).collect::<SearchSpace>()
    });
    prop::collection::vec(space, 1..4)
        .prop_map(|spaces| spaces.into_iter().enumerate().map(|(index, space)| (format!("A{index}"), space)).collect())
}

/// Runs a search in which some trials are pruned, fail or still run, and some scores are equal or NaN.
fn search(study: &Study, trials: u32) -> Vec<TrialRecord> {
    let mut history = Vec::new();
    for number in 0..trials {
        let Suggestion { algorithm, params } = study.ask(&history, number).unwrap();
        let state = match number % 9 {
            3 => TrialState::Pruned,
            5 => TrialState::Failed,
            7 => TrialState::Running,
            _ => TrialState::Complete,
        };
        let score = match number % 13 {
            4 => f64::NAN,
            6 => 0.5,
            _ => f64::from(number * 7_919 % 101) / 101.0,
        };
        let score = (state == TrialState::Complete).then_some(score);
        history.push(TrialRecord { number, algorithm, params, state, score, intermediate: vec![] });
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn suggestions_stay_within_their_space_and_repeat_for_the_same_seed(spaces in spaces(), seed in any::<u64>(), random in any::<bool>()) {
        let sampler = if random { Sampler::Random } else { Sampler::Tpe };
        let study = Study::new(spaces.clone(), sampler, seed).unwrap();
        let history = search(&study, 45);
        for trial in &history {
            let (_, space) = spaces.iter().find(|(name, _)| *name == trial.algorithm).unwrap();
            prop_assert_eq!(trial.params.len(), space.len());
            for (name, domain) in space.iter() {
                prop_assert!(domain.contains(&trial.params[name]), "{} {:?} {}", name, domain, trial.params[name]);
            }
        }
        let params = |history: &[TrialRecord]| history.iter().map(|trial| trial.params.clone()).collect::<Vec<_>>();
        prop_assert_eq!(params(&history), params(&search(&study, 45)));
    }
}

#[test]
fn workers_that_ask_at_once_all_get_something_else() {
    let study = study(&["IALS", "CosineKNN", "RP3beta"], Sampler::Tpe, 3).unwrap();
    let mut history = search(&study, 30);
    let mut asked: Vec<Suggestion> = Vec::new();
    for number in 30..46 {
        let suggestion = study.ask(&history, number).unwrap();
        assert!(!asked.contains(&suggestion));
        let Suggestion { algorithm, params } = suggestion.clone();
        history.push(TrialRecord { number, algorithm, params, state: TrialState::Running, score: None, intermediate: vec![] });
        asked.push(suggestion);
    }
}

/// Returns a split of two tastes, as in a checkerboard.
fn checkerboard() -> Split {
    let mut log = InteractionLogBuilder::new(false);
    for user in 0..60_u32 {
        for item in (user % 2..40).step_by(2).filter(|item| (item / 2 + user) % 5 != 0) {
            log.push(&format!("u{user}"), &format!("i{item}"), None);
        }
    }
    let config = SplitConfig { heldout_ratio: 0.3, ..SplitConfig::default() };
    split(&log.finish(), &config).unwrap()
}

fn run(algorithm: &str, params: Value, context: &Context) -> TrialOutcome {
    let params: Map<String, Value> = params.as_object().unwrap().clone();
    let suggestion = Suggestion { algorithm: algorithm.to_owned(), params };
    run_trial(&suggestion, &checkerboard(), Metric::Ndcg, 5, context, &mut |_, _| false).unwrap()
}

#[test]
fn a_trial_over_budget_or_out_of_time_is_pruned_with_the_reason() {
    let context = Context::new(1, 2);
    let tight = run("IALSRecommender", json!({"n_components": 300}), &context.clone().with_memory_budget(1_000));
    assert_eq!((tight.state, tight.score), (TrialState::Pruned, None));
    assert!(tight.note.as_ref().unwrap().contains("MB"), "{tight:?}");
    let late = run("CosineKNNRecommender", json!({}), &context.with_interrupt(Arc::new(|| Some(Interrupt::TimeOut))));
    assert_eq!((late.state, late.score), (TrialState::Pruned, None));
    assert!(late.note.is_some());
}

#[test]
fn early_stopping_learns_the_number_of_epochs_and_hears_the_best_score_so_far() {
    let mut heard = Vec::new();
    let suggestion = Suggestion {
        algorithm: "IALSRecommender".to_owned(),
        params: json!({"n_components": 4, "alpha0": 0.1, "reg": 0.01}).as_object().unwrap().clone(),
    };
    let mut listen = |step, score| {
        heard.push((step, score));
        false
    };
    let outcome = run_trial(&suggestion, &checkerboard(), Metric::Ndcg, 5, &Context::new(1, 2), &mut listen).unwrap();
    let epochs = outcome.params["train_epochs"].as_u64().unwrap();
    assert!(outcome.intermediate.iter().any(|(step, score)| u64::from(*step) == epochs && Some(*score) == outcome.score));
    assert!(heard.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{heard:?}");
    assert!(epochs < 128);
}

#[test]
fn a_halving_study_gives_up_a_trial_that_is_behind() {
    let study = study(&["IALS"], Sampler::Tpe, 3).unwrap().with_pruner(Pruner::Halving);
    let first = TrialRecord {
        number: 0,
        algorithm: "IALSRecommender".into(),
        params: Map::new(),
        state: TrialState::Running,
        score: None,
        intermediate: vec![(5, 0.3)],
    };
    assert!(study.should_prune(std::slice::from_ref(&first), "IALSRecommender", 5, 0.2));
    assert!(!study.should_prune(&[first], "IALSRecommender", 5, 0.4));
}

#[test]
fn trials_are_compared_user_by_user() {
    let context = Context::new(1, 2);
    let good = run("RP3betaRecommender", json!({}), &context);
    let same = run("RP3betaRecommender", json!({"alpha": 1.0}), &context);
    let poor = run("TopPopRecommender", json!({}), &context);
    assert!(good.compare(&same).unwrap().tied);
    let comparison = good.compare(&poor).unwrap();
    assert!(!comparison.tied && comparison.interval.0 > 0.0, "{comparison:?}");
    let difference = good.score.unwrap() - poor.score.unwrap();
    assert!((comparison.difference - difference).abs() < 1e-6);
    assert!(TrialOutcome::failed(String::new()).compare(&good).is_none());
}
