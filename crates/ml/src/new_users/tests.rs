//! New users on data in which users of four groups like the items of their group.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use super::*;
use crate::features::{FeatureSpec, FeatureTable, FeatureTableBuilder, Field, FieldKind};
use crate::interactions::{InteractionLog, InteractionLogBuilder};
use crate::metrics::Metric;
use crate::registry::fit;
use crate::splits::{Split, SplitConfig, UserFeatures, split};
use crate::trials::run_trial;
use crate::tuning::Suggestion;

const USERS: usize = 400;
const ITEMS: usize = 120;

/// Returns a number from 0 to 1 that looks random.
fn noise(at: usize) -> f64 {
    let bits = (at as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (bits >> 40) as f64 / (1u64 << 24) as f64
}

/// Returns interactions: one in three items is popular.
fn log() -> InteractionLog {
    let mut builder = InteractionLogBuilder::new(false);
    for at in 0..USERS * ITEMS {
        let (user, item) = (at / ITEMS, at % ITEMS);
        let share = match (user % 4 == item % 4, (item / 4).is_multiple_of(3)) {
            (true, true) => 0.5,
            (true, false) => 0.2,
            (false, true) => 0.15,
            (false, false) => 0.02,
        };
        if noise(at) < share {
            builder.push(&format!("u{user:03}"), &format!("i{item:03}"), None);
        }
    }
    builder.finish()
}

/// Returns a table of the group of each user, in this order of users.
fn table(order: &[usize]) -> FeatureTable {
    let mut builder = FeatureTableBuilder::new(vec!["group".into(), "useless".into()]);
    for (at, &user) in order.iter().enumerate() {
        let useless = (noise(1_000_000 + at) * 10.0) as u32;
        builder.push(&format!("u{at:03}"), [(0, json!(format!("group {}", user % 4))), (1, json!(format!("no {useless}")))]);
    }
    builder.finish().0
}

fn judged(algorithm: &str, params: Value, order: &[usize]) -> Option<ForNewUsers> {
    let (log, context) = (log(), Context::new(1, 2));
    let split = split(&log, &SplitConfig { heldout_ratio: 0.5, ..SplitConfig::default() }).unwrap();
    let fields = vec![Field::new("group", FieldKind::Category), Field::new("useless", FieldKind::Category)];
    let (spec, table) = (FeatureSpec { fields }, table(order));
    let known = UserFeatures { spec: &spec, table: &table, users: &log.users, now: None };
    let new = NewUsers::choose(&split, 0.25, known, &context).unwrap();
    assert_eq!(new.n_new(), USERS / 4);
    let others = new.others(&split.train);
    let params: Map<String, Value> = params.as_object().unwrap().clone();
    let model = fit(algorithm, &params, &others, &context).unwrap();
    judge(&new, &*model, &others, &split.train, 10, &context).unwrap()
}

#[test]
fn profiles_are_worth_more_than_popularity_and_those_of_others_no_more() {
    let own: Vec<usize> = (0..USERS).collect();
    let mut shuffled = own.clone();
    shuffled.shuffle(&mut ChaCha8Rng::seed_from_u64(9));
    for (algorithm, params) in [
        ("IALS", json!({"n_components": 8, "alpha0": 0.3, "reg": 0.02, "train_epochs": 10})),
        ("TruncatedSVD", json!({"n_components": 6})),
        ("CosineKNN", json!({})),
        ("DenseSLIM", json!({"reg": 100.0})),
    ] {
        let ndcg = |order: &[usize]| {
            let found = judged(algorithm, params.clone(), order).unwrap();
            (found.profile.get(Metric::Ndcg), found.popular.get(Metric::Ndcg), found)
        };
        let (personal, popular, found) = ndcg(&own);
        assert!(personal > 1.15 * popular, "{algorithm}: {personal} by profile, {popular} by popularity");
        let better = found.profile.compare(&found.popular, Metric::Ndcg).unwrap();
        assert!(!better.tied && better.difference > 0.0, "{algorithm}: {better:?}");
        let (of_others, popular, _) = ndcg(&shuffled);
        assert!(of_others < 1.05 * popular, "{algorithm}: {of_others} by profiles of others, {popular} by popularity");
        let (both, history) = (found.both.unwrap(), found.history.unwrap());
        assert!(both.get(Metric::Ndcg) > 0.98 * history.get(Metric::Ndcg), "{algorithm}");
    }
}

#[test]
fn users_without_other_interactions_are_the_new_ones() {
    let log = log();
    let known = log.to_csr();
    let (train, held_out) = (only(&known, |user| user % 5 != 0), only(&known, |user| user % 5 == 0));
    let split = Split::of_sides(train, held_out, 1).unwrap();
    let table = table(&(0..USERS).collect::<Vec<usize>>());
    let spec = FeatureSpec { fields: vec![Field::new("group", FieldKind::Category)] };
    let context = Context::new(1, 2);
    let known = UserFeatures { spec: &spec, table: &table, users: &log.users, now: None };
    let new = NewUsers::choose(&split, 0.1, known, &context).unwrap();
    assert_eq!((new.n_new(), new.others(&split.train)), (USERS / 5, split.train.clone()));
    let model = fit("RP3beta", &Map::new(), &split.train, &context).unwrap();
    let found = judge(&new, &*model, &split.train, &split.train, 10, &context).unwrap().unwrap();
    assert!(found.history.is_none() && found.both.is_none());
    assert!(found.profile.get(Metric::Ndcg) > found.popular.get(Metric::Ndcg));
}

#[test]
fn popularity_has_no_profiles() {
    let own: Vec<usize> = (0..USERS).collect();
    assert!(judged("TopPop", json!({}), &own).is_none());
}

#[test]
fn trials_are_judged_by_new_users() {
    let (log, context) = (log(), Context::new(1, 2));
    let split = split(&log, &SplitConfig { heldout_ratio: 0.5, ..SplitConfig::default() }).unwrap();
    let spec = FeatureSpec { fields: vec![Field::new("group", FieldKind::Category)] };
    let table = table(&(0..USERS).collect::<Vec<usize>>());
    let known = UserFeatures { spec: &spec, table: &table, users: &log.users, now: None };
    let split = split.with_new_users(0.25, known, &context).unwrap();
    let score = |algorithm: &str| {
        let suggestion = Suggestion { algorithm: algorithm.to_owned(), params: Map::new() };
        let outcome = run_trial(&suggestion, &split, Metric::Ndcg, 10, &context, &mut |_, _| false).unwrap();
        assert_eq!(outcome.per_user.len(), USERS / 4, "{algorithm}: {:?}", outcome.note);
        outcome.score.unwrap()
    };
    let popular = score("TopPopRecommender");
    let by_profile = score("CosineKNNRecommender");
    assert!(by_profile > 1.1 * popular, "{by_profile} by profile, {popular} by popularity");
}
