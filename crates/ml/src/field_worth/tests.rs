//! The worth of columns whose worth is known.

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::*;
use crate::context::Interrupt;
use crate::features::FeatureTableBuilder;
use crate::interactions::InteractionLogBuilder;
use crate::metrics::Metric;

const USERS: usize = 200;
const ITEMS: usize = 300;
const TASTES: usize = 5;
/// Share of the items of a user's taste, and of the others, that the user likes.
const LIKED: f64 = 0.25;
const OTHERS: f64 = 0.04;
/// Values of the useless column.
const USELESS: usize = 8;

/// A shop whose items have their taste in one column and something drawn at random in another.
struct Shop {
    log: InteractionLog,
    table: FeatureTable,
}

impl Shop {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut log = InteractionLogBuilder::new(true);
        let mut items = FeatureTableBuilder::new(vec!["taste".to_owned(), "useless".to_owned()]);
        for item in 0..ITEMS {
            let id = format!("i{item:03}");
            let useless = rng.random_range(0..USELESS);
            items.push(&id, [(0, json!(format!("t{}", item % TASTES))), (1, json!(format!("u{useless}")))]);
            for user in 0..USERS {
                let share = if user % TASTES == item % TASTES { LIKED } else { OTHERS };
                if rng.random_bool(share) {
                    log.push(&format!("u{user:04}"), &id, Some(item as i64));
                }
            }
        }
        Shop { log: log.finish(), table: items.finish().0 }
    }

    fn spec(columns: &[&str]) -> FeatureSpec {
        let fields: Vec<Value> = columns.iter().map(|column| json!({ "column": column, "kind": "category" })).collect();
        serde_json::from_value(json!({ "version": 1, "fields": fields })).unwrap()
    }

    fn worth(&self, columns: &[&str], settings: &WorthSettings) -> MlResult<SpecWorth> {
        self.worth_in(columns, settings, &Context::new(0, 2), &mut |_, _| ())
    }

    fn worth_in(
        &self,
        columns: &[&str],
        settings: &WorthSettings,
        ctx: &Context,
        progress: &mut dyn FnMut(usize, usize),
    ) -> MlResult<SpecWorth> {
        let spec = Shop::spec(columns);
        let data = WorthData { log: &self.log, table: &self.table, spec: &spec, now_micros: Some(0) };
        field_worth(&data, settings, ctx, progress)
    }
}

fn settings(algorithm: &str, params: Value, n_folds: u32) -> WorthSettings {
    WorthSettings {
        algorithm: algorithm.to_owned(),
        params: params.as_object().unwrap().clone(),
        split: SplitConfig { scheme: SplitScheme::CI, ..SplitConfig::default() },
        n_folds,
        cutoff: 20,
    }
}

fn ials(n_folds: u32) -> WorthSettings {
    settings("IALS", json!({ "n_components": 8, "train_epochs": 5 }), n_folds)
}

#[test]
fn a_useless_column_is_noise_and_the_column_of_taste_is_not() {
    for settings in [settings("ContentKNN", json!({}), 3), settings("CosineKNN", json!({}), 1)] {
        let mut n_noise = 0;
        for seed in 0..20 {
            let found = Shop::new(seed).worth(&["taste", "useless"], &settings).unwrap();
            let [taste, useless] = &found.fields[..] else { panic!("{found:?}") };
            assert_eq!((taste.field, taste.column.as_str(), useless.column.as_str()), (0, "taste", "useless"));
            assert!(!taste.is_noise && taste.worth.interval.0 > 0.0, "seed {seed}: {taste:?}");
            n_noise += usize::from(useless.is_noise);
        }
        assert!(n_noise >= 19, "{}: noise with {n_noise} of 20 seeds", settings.algorithm);
    }
}

#[test]
fn a_column_that_is_empty_in_all_items_of_a_fold_fails_only_if_it_is_empty_in_every_fold() {
    let mut shop = Shop::new(7);
    let mut items = FeatureTableBuilder::new(["taste", "rare", "empty", "code"].map(str::to_owned).to_vec());
    for item in 0..ITEMS {
        let rare = if [3, 4, 5].contains(&item) { json!("x") } else { Value::Null };
        let code = json!(format!("c{item}"));
        items.push(&format!("i{item:03}"), [(0, json!(format!("t{}", item % TASTES))), (1, rare), (3, code)]);
    }
    shop.table = items.finish().0;
    let one = |random_seed| {
        let mut settings = ials(1);
        settings.split.random_seed = random_seed;
        shop.worth(&["taste", "rare"], &settings)
    };
    // Some seed holds out all items with a value but one, which is in no two rows then.
    let refused = (0..40).find_map(|seed| one(seed).err());
    assert!(refused.is_some_and(|error| error.to_string().contains("column \"rare\" is empty")));
    let found = shop.worth(&["taste", "rare"], &ials(8)).unwrap();
    assert!(found.fields[1].is_noise && !found.fields[0].is_noise, "{found:?}");
    let code = shop.worth(&["taste", "code"], &ials(2)).unwrap_err().to_string();
    assert!(code.contains("\"code\" is empty in all rows of the training, or says nothing of them"), "{code}");
    assert!(shop.worth(&["taste", "empty"], &ials(2)).unwrap_err().to_string().contains("\"empty\" is empty"));
}

#[test]
fn models_that_learn_from_features_are_fitted_again() {
    let shop = Shop::new(1);
    let learning = json!({ "n_components": 8, "train_epochs": 5, "lambda_item_feature": 10.0 });
    for settings in [settings("ContentKNN", json!({}), 1), settings("IALS", learning, 1), settings("CosineKNN", json!({}), 1)] {
        let found = shop.worth(&["taste", "useless"], &settings).unwrap();
        let [taste, useless] = &found.fields[..] else { panic!("{found:?}") };
        assert!(taste.worth.interval.0 > 0.0 && taste.worth.mean > useless.worth.mean, "{}: {found:?}", settings.algorithm);
    }
}

#[test]
fn the_whole_is_what_an_evaluation_finds() {
    let (shop, settings) = (Shop::new(2), ials(1));
    let found = shop.worth(&["taste", "useless"], &settings).unwrap();
    let ctx = Context::new(0, 2);
    let divided = split(&shop.log, &settings.split).unwrap();
    let spec = Shop::spec(&["taste", "useless"]);
    let divided = divided.with_item_features(&spec, &shop.table, &shop.log.items, 0, &ctx).unwrap();
    let side = WarmSide::new(&divided, &divided.train).unwrap();
    let model = registry::fit("IALS", &settings.params, side.input(), &ctx).unwrap();
    let cold = side.judge(&*model, 20, &ctx).unwrap().cold.unwrap();
    assert!((found.whole.mean - cold.get(Metric::Ndcg)).abs() < 1e-9, "{found:?}");
    assert_eq!(Some(found.whole.interval), cold.interval(Metric::Ndcg));
    assert_eq!((found.n_users, found.n_folds, found.cutoff), (cold.users.len(), 1, 20));
    for (baseline, found) in ColdBaseline::ALL.into_iter().zip(&found.baselines) {
        let cold = side.judge_baseline(baseline, 20, &ctx).unwrap().cold.unwrap();
        assert_eq!(found.baseline, baseline.as_str());
        assert!((found.quality.mean - cold.get(Metric::Ndcg)).abs() < 1e-9, "{found:?}");
    }
}

#[test]
fn the_only_column_is_worth_what_it_adds_to_any_order() {
    let found = Shop::new(3).worth(&["taste"], &ials(2)).unwrap();
    let any_order = found.baselines[0].quality.mean;
    assert!((found.fields[0].worth.mean - (found.whole.mean - any_order)).abs() < 1e-9, "{found:?}");
}

#[test]
fn a_split_by_time_has_one_fold() {
    let mut settings = ials(3);
    settings.split.scheme = SplitScheme::TI;
    assert_eq!(Shop::new(4).worth(&["taste"], &settings).unwrap().n_folds, 1);
}

#[test]
fn progress_is_told_and_work_can_be_stopped() {
    let shop = Shop::new(5);
    let mut told = Vec::new();
    shop.worth_in(&["taste", "useless"], &ials(2), &Context::new(0, 2), &mut |done, total| told.push((done, total))).unwrap();
    let n = told.len();
    assert!(n > 4 && told == (1..=n).map(|done| (done, n)).collect::<Vec<_>>(), "{told:?}");
    let stopped = Context::new(0, 2).with_interrupt(Arc::new(|| Some(Interrupt::Cancel)));
    assert_eq!(shop.worth_in(&["taste"], &ials(1), &stopped, &mut |_, _| ()), Err(MlError::Cancelled));
}

#[test]
fn what_cannot_be_measured_is_refused_in_a_sentence() {
    let shop = Shop::new(6);
    let of_users = WorthSettings { split: SplitConfig::default(), ..ials(1) };
    for (columns, settings, wanted) in [
        (vec!["taste"], settings("TopPop", json!({}), 1), "TopPopRecommender cannot recommend new items"),
        (vec!["taste"], of_users, "choose CI or TI"),
        (vec!["colour"], ials(1), "\"colour\""),
        (vec![], ials(1), "no fields"),
    ] {
        let refused = shop.worth(&columns, &settings).unwrap_err().to_string();
        assert!(refused.contains(wanted), "{refused}");
    }
}
