//! Factors of items and users that are pulled towards what their features predict.

use super::*;
use crate::algorithms::{Base, Before, ColdMap, TrainInput, extend};
use crate::error::MlResult;
use crate::registry::fit_from;

const N_FEATURES: usize = 5;
const LAMBDA: f64 = 0.7;

/// Returns features of the items of the sample: one of three kinds, and two numbers that some have.
fn features() -> Csr {
    let of_item = |item: u32| {
        let numbers = [(item.is_multiple_of(2), 3), (item.is_multiple_of(5), 4)];
        [item % 3].into_iter().chain(numbers.into_iter().filter_map(|(has, feature)| has.then_some(feature)))
    };
    let (rows, columns): (Vec<u32>, Vec<u32>) = (0..30).flat_map(|item| of_item(item).map(move |f| (item, f))).unzip();
    let mut features = Csr::from_pairs(30, N_FEATURES, &rows, &columns).unwrap();
    features.values.iter_mut().enumerate().for_each(|(at, value)| *value = 0.5 + (at % 4) as f32 / 4.0);
    features
}

fn described(extra: Value) -> Map<String, Value> {
    with(params(json!({ "lambda_item_feature": LAMBDA })), &extra)
}

fn fit_to(train: &Csr, features: &Csr, params: &Map<String, Value>) -> MlResult<Box<dyn Recommender>> {
    fit("IALS", params, TrainInput { items: Some(features), ..TrainInput::from(train) }, &Context::new(0, 2))
}

/// Returns the map as it is stored, and what it predicts for each item.
fn map_and_priors(model: &dyn Recommender, features: &Csr) -> (Vec<f32>, Vec<f32>) {
    let map = compact(model.item_feature_map().unwrap());
    let prior = |item: usize| {
        let mut prior = map[N_FEATURES * K..].to_vec();
        let (columns, values) = features.row(item);
        for (&column, value) in columns.iter().zip(values) {
            prior.iter_mut().zip(&map[column as usize * K..]).for_each(|(prior, weight)| *prior += value * weight);
        }
        prior
    };
    let priors = (0..features.n_rows).flat_map(prior).collect();
    (map, priors)
}

// The gradient by users is left out: nothing penalises the constant, so how factors divide their lengths settles slowly.
#[test]
fn the_gradient_by_items_and_by_the_map_vanishes() {
    let (train, features) = (weighted(), features());
    let by_item = train.transpose();
    assert!((0..30).all(|item| by_item.row_len(item) > 0));
    for solver in &solvers()[..2] {
        for (variant, loss) in losses(&train) {
            let params = with(with(described(json!({"train_epochs": 1500})), &variant), solver);
            let model = fit_to(&train, &features, &params).unwrap();
            let (users, items) = factors(&*model);
            let (map, priors) = map_and_priors(&*model, &features);
            let worst = loss.steepest_from(&priors, &by_item, &items, &users, K);
            assert!(worst < 5e-3, "{variant} {solver}: {worst}");
            assert!(loss.steepest(&by_item, &items, &users, K) > 0.1, "{variant} {solver}: features do not pull");
            for (at, &weight) in map.iter().enumerate().take(N_FEATURES * K) {
                let (feature, component) = (at / K, at % K);
                let slope = |item: usize| {
                    let (columns, values) = features.row(item);
                    let value = columns.iter().position(|&c| c as usize == feature).map_or(0.0, |place| values[place]);
                    let rest = items[item * K + component] - priors[item * K + component];
                    loss.penalty(by_item.row_len(item), 40) * f64::from(value * rest)
                };
                let gradient = (0..30).map(slope).sum::<f64>() - LAMBDA * f64::from(weight);
                assert!(gradient.abs() < 5e-3, "{variant} {solver} {at}: {gradient}");
            }
        }
    }
}

/// Returns features of the users of the sample: one of two kinds, and a number that some have.
fn of_users() -> Csr {
    let of_user = |user: u32| [user % 2].into_iter().chain(user.is_multiple_of(3).then_some(2));
    let (rows, columns): (Vec<u32>, Vec<u32>) = (0..40).flat_map(|user| of_user(user).map(move |f| (user, f))).unzip();
    let mut features = Csr::from_pairs(40, 3, &rows, &columns).unwrap();
    features.values.iter_mut().enumerate().for_each(|(at, value)| *value = 0.5 + (at % 4) as f32 / 4.0);
    features
}

#[test]
fn the_map_of_users_is_the_solution_for_their_factors() {
    let (train, features) = (weighted(), of_users());
    for solver in &solvers()[..2] {
        for (variant, loss) in losses(&train) {
            let params = json!({"lambda_user_feature": LAMBDA, "train_epochs": 5});
            let params = with(with(super::params(params), &variant), solver);
            let input = TrainInput::from(&train).with_users(Some(&features));
            let model = fit("IALS", &params, input, &Context::new(0, 2)).unwrap();
            let (users, _) = factors(&*model);
            let map = compact(model.user_feature_map().unwrap());
            assert_eq!(map.len(), 4 * K);
            for component in 0..K {
                let rest = |user: usize| {
                    let (columns, values) = features.row(user);
                    let sum: f32 = columns.iter().zip(values).map(|(&c, value)| value * map[c as usize * K + component]).sum();
                    let rest = users[user * K + component] - sum - map[3 * K + component];
                    loss.penalty(train.row_len(user), 30) * f64::from(rest)
                };
                for feature in 0..4 {
                    let value = |user: usize| {
                        let (columns, values) = features.row(user);
                        columns.iter().position(|&c| c as usize == feature).map_or(0.0, |place| f64::from(values[place]))
                    };
                    let value = |user: usize| if feature == 3 { 1.0 } else { value(user) };
                    let slope: f64 = (0..40).map(|user| rest(user) * value(user)).sum();
                    let penalty = if feature == 3 { 0.0 } else { LAMBDA * f64::from(map[feature * K + component]) };
                    assert!((slope - penalty).abs() < 5e-3, "{variant} {solver} {feature}: {slope} {penalty}");
                }
            }
        }
    }
}

#[test]
fn new_and_unknown_users_get_what_their_features_predict() {
    // The items of the kinds are the users here.
    let (train, features) = kinds();
    let train = train.transpose();
    let context = Context::new(0, 1);
    for solver in &solvers()[..2] {
        let params = with(super::params(json!({"lambda_user_feature": LAMBDA, "train_epochs": 20})), solver);
        let input = TrainInput::from(&train).with_users(Some(&features));
        let model = fit("IALS", &params, input, &context).unwrap();
        let map = crate::algorithms::UserMap::fit(&*model, &features, &train, None, &context).unwrap().unwrap();
        let (mut known, mut by_profile) = (vec![0f32; 45], vec![0f32; 45]);
        for user in 0..3u32 {
            model.score_users(&[user], &train, &mut known).unwrap();
            let vector = map.vector(&features.rows(user as usize..user as usize + 1)).unwrap();
            map.score(&*model, &vector, &[], &mut by_profile).unwrap();
            assert!(known.iter().zip(&by_profile).all(|(a, b)| (a - b).abs() < 1e-4), "{solver}: {known:?} {by_profile:?}");
            let best = (0..45).max_by(|&a, &b| known[a].total_cmp(&known[b])).unwrap();
            assert_eq!(best % 3, user as usize, "{solver}");
        }
    }
}

#[test]
fn nothing_changes_without_a_pull() {
    let (train, features) = (weighted(), features());
    let plain = fit("IALS", &params(json!({})), &train, &Context::new(0, 1)).unwrap();
    for without in [json!({}), json!({"lambda_item_feature": null}), json!({"lambda_item_feature": 0})] {
        let model = fit_to(&train, &features, &params(without)).unwrap();
        assert!(factors(&*model) == factors(&*plain) && model.item_feature_map().is_none());
    }
    let never = fit_to(&train, &features, &described(json!({"feature_warmup_epochs": 4}))).unwrap();
    assert!(factors(&*never) == factors(&*plain));
    assert!(never.item_feature_map().unwrap().iter().any(|weight| weight.abs() > 1e-3));
    let late = fit_to(&train, &features, &described(json!({"feature_warmup_epochs": 3}))).unwrap();
    assert!(factors(&*late) != factors(&*plain));
}

#[test]
fn a_map_that_may_not_grow_predicts_the_same_for_all_items() {
    let (train, features) = (weighted(), features());
    let model = fit_to(&train, &features, &described(json!({"lambda_item_feature": 1e8}))).unwrap();
    let (_, priors) = map_and_priors(&*model, &features);
    assert!(priors.iter().any(|value| value.abs() > 1e-2));
    assert!(priors.chunks_exact(K).all(|prior| prior.iter().zip(&priors).all(|(a, b)| (a - b).abs() < 1e-4)));
}

/// Users and items of three kinds: users have most items of their kind, and one item of each kind has no interactions.
fn kinds() -> (Csr, Csr) {
    let likes = |user: u32, item: u32| item >= 3 && user % 3 == item % 3 && !(user + item).is_multiple_of(4);
    let pairs = (0..45u32).flat_map(|user| (0..30u32).filter(move |&item| likes(user, item)).map(move |item| (user, item)));
    let (users, items): (Vec<u32>, Vec<u32>) = pairs.unzip();
    let (rows, columns): (Vec<u32>, Vec<u32>) = (0..30u32).flat_map(|item| [(item, item % 3), (item, 3 + item % 2)]).unzip();
    (Csr::from_pairs(45, 30, &users, &items).unwrap(), Csr::from_pairs(30, N_FEATURES, &rows, &columns).unwrap())
}

#[test]
fn new_and_unknown_items_rank_by_their_features() {
    let (train, features) = kinds();
    let context = Context::new(0, 1);
    for solver in &solvers()[..2] {
        for warmup in [0, 100] {
            let params = with(described(json!({"train_epochs": 20, "feature_warmup_epochs": warmup})), solver);
            let model = fit_to(&train, &features, &params).unwrap();
            let map = ColdMap::fit(&*model, &features, &train, &context).unwrap().unwrap();
            let (scaled, own) = (map.vectors(&features).unwrap(), map_and_priors(&*model, &features).1);
            let own = own.chunks_exact(K).next().unwrap();
            let ratio = |at: usize| scaled[at] / own[at];
            assert!((0..K).all(|at| own[at].abs() < 1e-3 || (ratio(at) / ratio(0) - 1.0).abs() < 1e-3), "its own map, scaled");
            let extended = extend(Base::Borrowed(&*model), None, &features.rows(0..3), &context).unwrap();
            let mut scores = vec![0f32; 33];
            for user in 0..45u32 {
                extended.score_users(&[user], &train, &mut scores).unwrap();
                let best = |items: std::ops::Range<usize>| items.max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap() as u32;
                assert_eq!((best(0..3) % 3, best(30..33) % 3), (user % 3, user % 3), "{solver} {warmup} {user}: {scores:?}");
                // An item without interactions is what a new one of its features is.
                assert_eq!(scores[..3], scores[30..]);
            }
            assert!(extend(Base::Borrowed(&*model), None, &Csr::empty(1, 2), &context).is_err());
        }
    }
}

#[test]
fn the_map_is_stored_and_read_back() {
    let (train, features) = (weighted(), features());
    let model = fit_to(&train, &features, &described(json!({}))).unwrap();
    let mut out = TensorWriter::default();
    model.save(&mut out);
    let bytes = out.finish();
    let input = TensorReader::open(&bytes).unwrap();
    assert_eq!(input.f32s("model.item_feature_map").unwrap().0, [N_FEATURES + 1, K]);
    let back = INFO.load(&input, 40, 30).unwrap();
    assert_eq!(back.item_feature_map(), model.item_feature_map());
    let scores = |model: &dyn Recommender| {
        let extended = extend(Base::Borrowed(model), None, &features.rows(4..9), &Context::new(0, 1)).unwrap();
        let mut scores = vec![0f32; 35];
        extended.score_users(&[7], &train, &mut scores).unwrap();
        scores
    };
    assert_eq!(scores(&*back), scores(&*model));

    let (users, items) = factors(&*model);
    let settings = input.metadata("model.settings").unwrap();
    for shape in [vec![2, K + 1], vec![0, K], vec![2 * K]] {
        let mut out = TensorWriter::default();
        out.f32s("model.users", &[40, K], &users);
        out.f32s("model.items", &[30, K], &items);
        out.f32s("model.item_energy", &[K], vec![1.0; K]);
        out.f32s("model.item_feature_map", &shape, vec![1.0; shape.iter().product()]);
        out.metadata("model.settings", settings);
        let bytes = out.finish();
        assert!(INFO.load(&TensorReader::open(&bytes).unwrap(), 40, 30).is_err(), "{shape:?}");
    }
}

#[test]
fn what_cannot_learn_from_features_says_so() {
    let (train, features) = (weighted(), features());
    let refused = |features: Option<&Csr>, extra: Value| {
        let input = TrainInput { items: features, ..TrainInput::from(&train) };
        fit("IALS", &described(extra), input, &Context::new(0, 1)).err().unwrap().to_string()
    };
    assert!(refused(None, json!({})).contains("give an item file"));
    assert!(refused(Some(&features), json!({"solver_type": "IALSPP"})).contains("choose CG or CHOLESKY"));
    assert!(refused(Some(&features.rows(1..30)), json!({})).contains("differ in number"));
    assert!(refused(Some(&features), json!({"lambda_user_feature": 1})).contains("give a user file"));
}

#[test]
fn an_earlier_model_is_no_start_for_one_with_features() {
    let (train, context) = (sample(), Context::new(1, 1));
    let earlier = fit_to(&train, &features(), &described(json!({}))).unwrap();
    let (users, items): (Vec<_>, Vec<_>) = ((0..40).map(Some).collect(), (0..30).map(Some).collect());
    let own = described(json!({}));
    let before = Before { parameters: &own, factors: earlier.factors().unwrap(), users: &users, items: &items };
    assert!(fit_from("IALS", &own, &train, &before, &context).unwrap().is_none());
    let plain = fit_from("IALS", &params(json!({})), &train, &before, &context).unwrap().unwrap();
    assert!(plain.item_feature_map().is_none());
}

#[test]
fn the_estimate_grows_with_features() {
    let shape = crate::algorithms::TrainShape { n_users: 1000, n_items: 500, nnz: 20_000 };
    let bytes = |params: &Map<String, Value>| INFO.estimate_memory_bytes(params, shape).unwrap();
    assert!(bytes(&described(json!({}))) > bytes(&params(json!({}))));
}
