//! Requirements on every algorithm of the registry.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use recotem_ml::algorithms::{
    AlgorithmInfo, Base, ColdMap, Control, NewItems, ParameterKind, Recommender, TrainInput, TrainShape, extend,
};
use recotem_ml::artifact::{Described, ListBlock, Subjects, TrainedModel, Wanted};
use recotem_ml::context::Context;
use recotem_ml::error::{MlError, MlResult};
use recotem_ml::features::{FeatureSpec, FeatureTableBuilder, Field, FieldKind};
use recotem_ml::ids::Ids;
use recotem_ml::ranking::{Candidates, top_k};
use recotem_ml::registry::{algorithms, find, find_matrix, fit, fit_with_validation, matrix_algorithms};
use recotem_ml::search_space::Domain;
use recotem_ml::sparse::Csr;
use serde_json::{Map, Value, json};

const USERS: usize = 40;
const ITEMS: usize = 24;

/// Returns interactions in which even users like even items, odd users odd ones; each misses one item of its own colour.
fn checkerboard() -> Csr {
    let likes = |user: usize, item: usize| user % 2 == item % 2 && item / 2 != user / 2 % (ITEMS / 2);
    let pairs = (0..USERS).flat_map(|u| (0..ITEMS).filter(move |&i| likes(u, i)).map(move |i| (u as u32, i as u32)));
    let (rows, cols): (Vec<u32>, Vec<u32>) = pairs.unzip();
    Csr::from_pairs(USERS, ITEMS, &rows, &cols).unwrap()
}

/// Returns the features of the items: the colour of their squares.
fn colours() -> Csr {
    let items: Vec<u32> = (0..ITEMS as u32).collect();
    let colours: Vec<u32> = items.iter().map(|item| item % 2).collect();
    Csr::from_pairs(ITEMS, 2, &items, &colours).unwrap()
}

/// Fits with the colours as features, which most algorithms ignore.
fn fit_to(train: &Csr, info: &AlgorithmInfo, context: &Context) -> MlResult<Box<dyn Recommender>> {
    let features = colours();
    fit(info.name, &gentle(info), TrainInput { items: Some(&features), ..TrainInput::from(train) }, context)
}

/// Returns parameters with which a tiny data set can be learnt.
fn gentle(info: &AlgorithmInfo) -> Map<String, Value> {
    let params = match info.short {
        "IALS" => json!({"n_components": 2, "alpha0": 0.3, "reg": 0.02, "train_epochs": 20}),
        "BPRFM" => json!({"n_components": 4, "train_epochs": 60}),
        "MultVAE" => json!({"dim_z": 4, "enc_hidden_dims": 16, "learning_rate": 0.01, "minibatch_size": 20, "train_epochs": 60}),
        "NMF" => json!({"n_components": 2, "alpha": 1e-4}),
        "TruncatedSVD" => json!({"n_components": 2}),
        _ => json!({}),
    };
    params.as_object().unwrap().clone()
}

fn scores(model: &dyn Recommender, train: &Csr) -> Vec<f32> {
    let users: Vec<u32> = (0..USERS as u32).collect();
    let mut out = vec![f32::NAN; USERS * ITEMS];
    model.score_users(&users, train, &mut out).unwrap();
    out
}

fn trained(info: &AlgorithmInfo, threads: usize) -> TrainedModel {
    let train = checkerboard();
    let model = fit_to(&train, info, &Context::new(7, threads)).unwrap();
    let ids = |n: usize, prefix: &str| Ids::from_unsorted((0..n).map(|i| format!("{prefix}{i:03}"))).unwrap();
    TrainedModel {
        algorithm: info.name.to_owned(),
        parameters: gentle(info),
        users: ids(USERS, "u"),
        items: ids(ITEMS, "Sigur Rós/"),
        seen: train,
        model,
        cold_start: None,
        profiles: None,
        metadata: BTreeMap::from([("note".to_owned(), "kept".to_owned())]),
        derived: Default::default(),
    }
}

#[test]
fn the_missing_squares_of_a_checkerboard_come_first() {
    for info in matrix_algorithms().filter(|info| info.short != "TopPop") {
        let model = trained(info, 2);
        for user in 0..USERS {
            let missing = format!("Sigur Rós/{:03}", 2 * (user / 2 % (ITEMS / 2)) + user % 2);
            let best = model.recommend_user(&format!("u{user:03}"), 1, true).unwrap();
            assert_eq!(best[0].0, missing, "{} for user {user}", info.name);
        }
        let even = ["Sigur Rós/000", "Sigur Rós/002", "unknown"].map(str::to_owned);
        let best = model.recommend_history(&even, 5).unwrap();
        let same_colour = best.iter().filter(|(id, _)| id.ends_with(['0', '2', '4', '6', '8'])).count();
        assert_eq!(same_colour, 5, "{}: {best:?}", info.name);
        let alike = model.similar("Sigur Rós/001", 5).unwrap();
        assert!(alike.iter().all(|(id, _)| id.ends_with(['1', '3', '5', '7', '9'])), "{}: {alike:?}", info.name);
    }
}

#[test]
fn reasons_are_of_the_same_colour_and_the_popular_have_none() {
    for info in matrix_algorithms() {
        let model = trained(info, 1);
        let mixed = ["Sigur Rós/000", "Sigur Rós/002", "Sigur Rós/004", "Sigur Rós/001"].map(str::to_owned);
        let reasons = model.explain_history(&mixed, "Sigur Rós/006", 2).unwrap().unwrap();
        assert!(reasons.is_sorted_by(|a, b| a.1 >= b.1) && reasons.iter().all(|(_, value)| value.is_finite()));
        let even = |id: &str| id.ends_with(['0', '2', '4']);
        match info.short {
            "TopPop" => assert!(reasons.is_empty(), "{reasons:?}"),
            "CosineKNN" | "RP3beta" | "DenseSLIM" | "IALS" => {
                assert!(reasons.len() == 2 && reasons.iter().all(|(id, _)| even(id)), "{}: {reasons:?}", info.name);
                assert_eq!(model.explain_user("u000", "Sigur Rós/000", 3).unwrap().unwrap().len(), 3, "{}", info.name);
            }
            _ => assert!(reasons.first().is_none_or(|(id, _)| even(id)), "{}: {reasons:?}", info.name),
        }
        assert_eq!(model.explain_user("nobody", "Sigur Rós/000", 3).unwrap(), None);
        assert_eq!(model.explain_history(&mixed, "unknown", 3).unwrap(), None);
        assert_eq!(model.explain_history(&["unknown".to_owned()], "Sigur Rós/000", 3).unwrap(), None);
        assert!(model.model.contributions(&[0, 1], &[ITEMS as u32]).is_err(), "{}", info.name);
        assert!(model.model.contributions(&[ITEMS as u32], &[0]).is_err(), "{}", info.name);
        let together = model.model.contributions(&[5, 0, 3], &[2, 4]).unwrap();
        let apart = [2, 4].map(|item| model.model.contributions(&[5, 0, 3], &[item]).unwrap()).concat();
        assert_eq!((together.len(), together), (6, apart), "{}", info.name);
    }
}

#[test]
fn lists_are_as_wanted() {
    let ids = |items: &[usize]| -> Vec<String> { items.iter().map(|item| format!("Sigur Rós/{item:03}")).collect() };
    for info in matrix_algorithms() {
        let model = trained(info, 1);
        let (allow, deny) = (ids(&[1, 3, 5, 7, 9, 11]), ids(&[1, 3]));
        for diversity in [0.0, 0.4, 1.0] {
            let wanted = Wanted { allow: Some(&allow), deny: &deny, diversity, ..Wanted::best(4) };
            let list = model.recommend_user_as("u000", &wanted).unwrap();
            assert_eq!(list.len(), 4, "{}: four of the allowed exist, whatever their scores", info.name);
            assert!(list.iter().all(|(id, _)| allow.contains(id) && !deny.contains(id)), "{}: {list:?}", info.name);
            let all = model.recommend_user_as("u000", &Wanted { diversity, exclude_seen: false, ..Wanted::best(99) });
            assert_eq!(all.unwrap().len(), ITEMS, "{}", info.name);
        }
        let plain = model.recommend_user_as("u000", &Wanted::best(5));
        assert_eq!(plain, model.recommend_user("u000", 5, true), "{}", info.name);
        let mixed = Wanted { diversity: 0.9, exclude_seen: false, ..Wanted::best(4) };
        let mixed = model.recommend_history_as(&ids(&[0, 2, 4, 6]), &mixed).unwrap();
        let odd = mixed.iter().filter(|(id, _)| id.ends_with(['1', '3', '5', '7', '9'])).count();
        assert!(odd > 0, "{}: items of the other colour share no user with the first: {mixed:?}", info.name);
    }
}

#[test]
fn lists_are_those_of_the_scores_however_many_are_asked_for() {
    let users: Vec<String> = (0..USERS).map(|user| format!("u{user:03}")).chain(["nobody".to_owned()]).collect();
    for info in matrix_algorithms() {
        let model = trained(info, 1);
        let ids =
            |list: Vec<(u32, f32)>| list.into_iter().map(|(item, score)| (model.items.get(item).to_owned(), score)).collect();
        let mut scores = vec![0f32; ITEMS];
        for exclude_seen in [true, false] {
            let wanted = Wanted { exclude_seen, ..Wanted::best(2) };
            let together = model.recommend_users_as(&users, &wanted);
            assert_eq!(together.last(), Some(&None), "{}", info.name);
            for (user, list) in (0..USERS as u32).zip(together) {
                let met = model.seen.row_indices(user as usize);
                let seen = if exclude_seen { met } else { &[] };
                let candidates = Candidates { seen, ..Candidates::default() };
                model.model.score_users(&[user], &model.seen, &mut scores).unwrap();
                let naive: Vec<(String, f32)> = ids(top_k(&scores, 2, &candidates));
                assert_eq!(model.recommend_user_as(&users[user as usize], &wanted).unwrap(), naive, "{}", info.name);
                let list = list.unwrap();
                let close = |(a, b): (&(String, f32), &(String, f32))| (a.1 - b.1).abs() <= 1e-5 * a.1.abs().max(1e-3);
                assert!(list.len() == naive.len() && list.iter().zip(&naive).all(close), "{}: {list:?} {naive:?}", info.name);
                model.model.score_history(met, &mut scores).unwrap();
                let history: Vec<String> = met.iter().map(|&item| model.items.get(item).to_owned()).collect();
                let folded = model.recommend_history_as(&history, &wanted).unwrap();
                assert_eq!(folded, ids(top_k(&scores, 2, &candidates)), "{}", info.name);
                let known = model.rank_for_history(Some(user), &history, &wanted).unwrap();
                assert_eq!(folded, ids(known), "{}: an item that the user is known to have counts once", info.name);
            }
        }
        assert_eq!(model.model.user_vector(&[0, 2]).unwrap().is_some(), model.model.factors().is_some(), "{}", info.name);
        assert!(!model.model.user_vector(&[ITEMS as u32]).is_ok_and(|vector| vector.is_some()), "{}", info.name);
    }
}

/// Items with their scores.
type List = Vec<(u32, f32)>;

/// Returns the lists of a batch, in its order.
fn lists(model: &TrainedModel, of: Subjects<'_>, wanted: &Wanted<'_>, ctx: &Context) -> MlResult<Vec<(u32, List)>> {
    let mut all = Vec::new();
    let shape = |block: ListBlock<'_>| Ok(block.subjects.iter().copied().zip(block.lists).collect::<Vec<_>>());
    let take = |some: Vec<(u32, Vec<(u32, f32)>)>| {
        all.extend(some);
        Ok::<_, MlError>(())
    };
    model.list_in_blocks(of, wanted, ctx, shape, take)?;
    Ok(all)
}

#[test]
fn lists_of_all_users_and_items_are_those_of_each() {
    let users: Vec<u32> = (0..USERS as u32).rev().cycle().take(3 * USERS).collect();
    let items: Vec<u32> = (0..ITEMS as u32).collect();
    let ids = |items: &[usize]| -> Vec<String> { items.iter().map(|item| format!("Sigur Rós/{item:03}")).collect() };
    let (allow, deny) = (ids(&[1, 3, 5, 7, 9, 11, 12, 14]), ids(&[1, 14]));
    for info in matrix_algorithms() {
        let model = trained(info, 2);
        // Networks score several users in other steps than one.
        let same = |list: &[(u32, f32)], single: &[(u32, f32)]| match info.short {
            "MultVAE" => {
                let close = |(a, b): (&(u32, f32), &(u32, f32))| (a.1 - b.1).abs() <= 1e-5 * a.1.abs().max(1e-3);
                list.len() == single.len() && list.iter().zip(single).all(close)
            }
            _ => list == single,
        };
        for (allow, diversity, exclude_seen) in [(None, 0.0, true), (Some(&allow[..]), 0.0, true), (None, 0.4, false)] {
            let wanted = Wanted { allow, deny: &deny, diversity, exclude_seen, ..Wanted::best(3) };
            for threads in [1, 3] {
                let context = Context::new(0, threads);
                let of_users = lists(&model, Subjects::Users(&users), &wanted, &context).unwrap();
                assert!(of_users.iter().map(|(user, _)| user).eq(&users), "{}: all users in order", info.name);
                for (user, list) in of_users {
                    let single = model.rank_for_user(user, &wanted).unwrap();
                    assert!(same(&list, &single), "{} for user {user}: {list:?} {single:?}", info.name);
                }
                for (item, list) in lists(&model, Subjects::Items(&items), &wanted, &context).unwrap() {
                    let single = model.rank_related(&[model.items.get(item).to_owned()], &wanted).unwrap();
                    assert_eq!(list, single, "{} for item {item}", info.name);
                }
            }
        }
        let cancelled = Context::new(0, 1).with_cancel(Arc::new(AtomicBool::new(true)));
        let ended = lists(&model, Subjects::Users(&users), &Wanted::best(3), &cancelled);
        assert_eq!(ended.err(), Some(MlError::Cancelled), "{}", info.name);
        assert_eq!(lists(&model, Subjects::Users(&[]), &Wanted::best(3), &Context::new(0, 2)), Ok(Vec::new()));
    }
}

#[test]
fn blocks_arrive_in_order_and_an_error_ends_them() {
    let info = find("TopPop").unwrap();
    let model = trained(info, 1);
    let users: Vec<u32> = (0..20_000).map(|at| at % USERS as u32).collect();
    let mut firsts = Vec::new();
    let shape = |block: ListBlock<'_>| Ok::<_, MlError>(block.subjects.len());
    let take = |n: usize| {
        firsts.push(n);
        if firsts.len() == 2 { Err(MlError::TimedOut) } else { Ok(()) }
    };
    let ended = model.list_in_blocks(Subjects::Users(&users), &Wanted::best(1), &Context::new(0, 2), shape, take);
    assert_eq!((ended, firsts.len()), (Err(MlError::TimedOut), 2));
    assert!(firsts[0] < users.len(), "several blocks");
}

#[test]
fn scores_are_finite_and_blocks_do_not_matter() {
    let train = checkerboard();
    for info in matrix_algorithms() {
        let model = fit_to(&train, info, &Context::new(1, 2)).unwrap();
        let all = scores(&*model, &train);
        assert!(all.iter().all(|s| s.is_finite()), "{}", info.name);
        let mut one = vec![0f32; ITEMS];
        model.score_users(&[5], &train, &mut one).unwrap();
        let block = &all[5 * ITEMS..6 * ITEMS];
        assert!(one.iter().zip(block).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1e-3)), "{}", info.name);
        assert!(model.score_users(&[USERS as u32], &train, &mut one).is_err(), "{}", info.name);
        assert!(model.score_users(&[0], &train, &mut one[1..]).is_err(), "{}", info.name);
        assert!(model.score_history(&[ITEMS as u32], &mut one).is_err(), "{}", info.name);
        assert!(model.similar_items(ITEMS as u32, &mut one).is_err(), "{}", info.name);
        model.score_history(&[], &mut one).unwrap();
        assert!(one.iter().all(|s| s.is_finite()), "{}", info.name);
    }
}

#[test]
fn threads_do_not_change_the_result() {
    let train = checkerboard();
    for info in matrix_algorithms() {
        let with = |threads| scores(&*fit_to(&train, info, &Context::new(3, threads)).unwrap(), &train);
        assert_eq!(with(1), with(2), "{}", info.name);
        assert_eq!(with(2), with(2), "{}", info.name);
    }
}

#[test]
fn artifacts_come_back_and_damage_never_panics() {
    for info in matrix_algorithms() {
        let model = trained(info, 1);
        let bytes = model.to_bytes();
        let back = TrainedModel::from_bytes(&bytes).unwrap();
        assert_eq!((back.metadata["note"].as_str(), back.parameters.len()), ("kept", gentle(info).len()));
        for user in ["u000", "u039"] {
            assert_eq!(back.recommend_user(user, 30, true), model.recommend_user(user, 30, true), "{}", info.name);
        }
        assert_eq!(back.recommend_user("nobody", 3, true), None);
        for cut in (0..bytes.len()).step_by(13) {
            assert!(TrainedModel::from_bytes(&bytes[..cut]).is_err(), "{} cut at {cut}", info.name);
        }
        for at in (0..bytes.len()).step_by(3) {
            for flip in [1u8, 0x80] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                if let Ok(model) = TrainedModel::from_bytes(&damaged) {
                    let user = model.users.get(0).to_owned();
                    let _ = model.recommend_user(&user, 10, true);
                    let _ = model.recommend_history(&[model.items.get(0).to_owned()], 3);
                }
            }
        }
    }
}

#[test]
fn what_is_learnt_from_features_comes_back_and_damage_never_panics() {
    let (items, everybody) = (colours(), (0..USERS as u32).collect::<Vec<_>>());
    let users = Csr::from_pairs(USERS, 2, &everybody, &everybody.iter().map(|user| user % 2).collect::<Vec<_>>()).unwrap();
    let learning = [
        ("IALS", json!({"lambda_item_feature": 1, "lambda_user_feature": 1})),
        ("BPRFM", json!({"item_feature_rate": 0.05, "user_feature_rate": 0.05})),
    ];
    for (name, more) in learning {
        let info = find(name).unwrap();
        let mut parameters = gentle(info);
        parameters.extend(more.as_object().unwrap().clone());
        let train = checkerboard();
        let input = TrainInput { items: Some(&items), ..TrainInput::from(&train) }.with_users(Some(&users));
        let model = fit(name, &parameters, input, &Context::new(7, 1)).unwrap();
        let model = TrainedModel { parameters, model, ..trained(info, 1) };
        let bytes = model.to_bytes();
        let back = TrainedModel::from_bytes(&bytes).unwrap();
        assert_eq!(back.model.item_feature_map(), model.model.item_feature_map(), "{name}");
        assert_eq!(back.model.user_feature_map(), model.model.user_feature_map(), "{name}");
        assert!(back.model.item_feature_map().is_some() && back.model.user_feature_map().is_some(), "{name}");
        assert_eq!(back.recommend_user("u003", 9, true), model.recommend_user("u003", 9, true), "{name}");
        let extended = extend(Base::Borrowed(&*back.model), None, &items.rows(0..2), &Context::new(0, 1)).unwrap();
        let mut scores = vec![0f32; ITEMS + 2];
        for user in 0..USERS as u32 {
            extended.score_users(&[user], &train, &mut scores).unwrap();
            let (even, odd) = (scores[ITEMS], scores[ITEMS + 1]);
            assert_eq!(even > odd, user % 2 == 0, "{name}: the colour of a new item counts, user {user}: {even} {odd}");
        }
        for at in (0..bytes.len()).step_by(11) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x80;
            let _ = TrainedModel::from_bytes(&damaged).map(|model| model.recommend_user("u000", 3, true));
        }
    }
}

#[test]
fn parameters_are_checked_by_name_and_domain() {
    for info in matrix_algorithms() {
        let one = |name: &str, value: Value| Map::from_iter([(name.to_owned(), value)]);
        let unknown = info.check(&one("no_such_thing", json!(1)));
        assert!(matches!(&unknown, Err(MlError::UnknownParameter { name, .. }) if name == "no_such_thing"), "{unknown:?}");
        for spec in info.parameters() {
            info.check(&one(spec.name, spec.default.clone())).unwrap();
            let refused: Vec<Value> = match spec.kind {
                ParameterKind::Int { min, max } => vec![json!(min - 1), json!(max as f64 + 2048.0), json!(min as f64 + 0.5)],
                ParameterKind::Float { min, max } => vec![json!(min - 1.0), json!(max * 2.0), json!("1")],
                ParameterKind::Bool => vec![json!(1), json!("true")],
                ParameterKind::Choice(_) => vec![json!("no such word"), json!(0)],
            };
            for value in refused {
                let error = info.check(&one(spec.name, value.clone())).unwrap_err();
                assert!(error.to_string().contains(spec.name), "{} {} {value}: {error}", info.name, spec.name);
            }
            match &spec.search {
                Some(Domain::Categorical(values)) => values.iter().for_each(|v| info.check(&one(spec.name, v.clone())).unwrap()),
                Some(Domain::Int { low, high, .. }) => {
                    [low, high].into_iter().for_each(|v| info.check(&one(spec.name, json!(v))).unwrap())
                }
                Some(Domain::Float { low, high, .. }) => {
                    [low, high].into_iter().for_each(|v| info.check(&one(spec.name, json!(v))).unwrap())
                }
                None => {}
            }
        }
        assert_eq!(info.search_space().len(), info.parameters().iter().filter(|spec| spec.search.is_some()).count());
    }
}

#[test]
fn names_are_found_in_all_their_forms() {
    for name in ["IALSRecommender", "IALSOptimizer", "IALS"] {
        assert_eq!(find(name).unwrap().name, "IALSRecommender");
    }
    assert!(matches!(find("ials"), Err(MlError::UnknownAlgorithm { .. })));
    assert!(matches!(find("Nonsense"), Err(MlError::UnknownAlgorithm { known, .. }) if known.len() == algorithms().count()));
}

#[test]
fn an_algorithm_of_sessions_is_found_and_refuses_a_matrix() {
    let info = find("VMISKNN").unwrap();
    assert!(info.learns_from_sessions());
    assert!(matches!(find_matrix("VMISKNN"), Err(MlError::UnknownAlgorithm { .. })));
    let refused = fit("VMISKNN", &Map::new(), &checkerboard(), &Context::new(0, 1)).err();
    assert!(matches!(refused, Some(MlError::BadInput(_))), "{refused:?}");
}

#[test]
fn limits_and_interruption_are_heeded() {
    let train = checkerboard();
    for info in matrix_algorithms() {
        let cancelled = Context::new(0, 1).with_cancel(Arc::new(AtomicBool::new(true)));
        assert_eq!(fit_to(&train, info, &cancelled).err(), Some(MlError::Cancelled), "{}", info.name);
        let needed = info.estimate_memory_bytes(&gentle(info), TrainShape::of(&train)).unwrap();
        assert!(needed > 0);
        let tight = Context::new(0, 1).with_memory_budget(needed - 1);
        assert!(matches!(fit_to(&train, info, &tight), Err(MlError::MemoryBudget { .. })), "{}", info.name);
        let empty = fit(info.name, &gentle(info), &Csr::empty(2, 2), &Context::new(0, 1));
        if info.new_items() != NewItems::ByFeatures {
            assert!(matches!(empty, Err(MlError::EmptyInput(_))), "{}", info.name);
        }
    }
}

#[test]
fn early_stopping_shows_the_model_after_each_epoch() {
    let train = checkerboard();
    for info in matrix_algorithms().filter(|info| info.early_stopping()) {
        let mut seen = Vec::new();
        let mut hook = |epoch: u32, model: &dyn Recommender| {
            assert!(scores(model, &train).iter().all(|s| s.is_finite()));
            seen.push(epoch);
            Ok(if epoch == 3 { Control::Stop } else { Control::Continue })
        };
        fit_with_validation(info.name, &gentle(info), &train, &Context::new(0, 1), &mut hook).unwrap();
        assert_eq!(seen, [1, 2, 3], "{}", info.name);
    }
}

#[test]
fn new_items_are_recommended_by_their_features() {
    let train = checkerboard();
    let (context, features) = (Context::new(3, 2), colours());
    // Two new items of the colours of the first two.
    let new = features.rows(0..2);
    for info in matrix_algorithms() {
        let model = fit_to(&train, info, &context).unwrap();
        let map = ColdMap::fit(&*model, &features, &train, &context).unwrap();
        let own = scores(&*model, &train);
        let extended = extend(Base::Owned(model), map.as_ref(), &new, &context);
        if info.new_items() == NewItems::Never {
            assert!(matches!(extended, Err(MlError::BadInput(_))), "{}", info.name);
            continue;
        }
        let extended = extended.unwrap();
        assert_eq!((extended.n_users(), extended.n_items()), (USERS, ITEMS + 2), "{}", info.name);
        let users: Vec<u32> = (0..USERS as u32).collect();
        let mut all = vec![f32::NAN; USERS * (ITEMS + 2)];
        extended.score_users(&users, &train, &mut all).unwrap();
        for user in 0..USERS {
            let row = &all[user * (ITEMS + 2)..][..ITEMS + 2];
            assert_eq!(row[..ITEMS], own[user * ITEMS..][..ITEMS], "{}: scores of its own items stay", info.name);
            let (alike, other) = (row[ITEMS + user % 2], row[ITEMS + 1 - user % 2]);
            assert!(alike > other, "{} for user {user}: {alike} {other}", info.name);
        }
        let mut one = vec![f32::NAN; ITEMS + 2];
        for history in [&[0u32, 2, 4][..], &[ITEMS as u32, 2], &[ITEMS as u32]] {
            extended.score_history(history, &mut one).unwrap();
            let best = |parity: usize| (0..ITEMS).filter(|at| at % 2 == parity).map(|at| one[at]).fold(f32::MIN, f32::max);
            assert!(one.iter().all(|score| score.is_finite()) && best(0) > best(1), "{} {history:?}: {one:?}", info.name);
            let contributions = extended.contributions(history, &[ITEMS as u32, 6]).unwrap();
            assert_eq!(contributions.len(), 2 * history.len());
        }
        extended.similar_items(ITEMS as u32 + 1, &mut one).unwrap();
        assert!(one[1] > one[0] && one[3] > one[ITEMS], "{}: {one:?}", info.name);
        assert!(extended.score_history(&[ITEMS as u32 + 2], &mut one).is_err(), "{}", info.name);
    }
}

#[test]
fn models_with_new_items_come_back_and_damage_never_panics() {
    let context = Context::new(3, 1);
    let table = |extra: usize| {
        let mut builder = FeatureTableBuilder::new(vec!["colour".to_owned()]);
        let colour = |item: usize| json!(if item.is_multiple_of(2) { "white" } else { "black" });
        (0..ITEMS).for_each(|item| builder.push(&format!("Sigur Rós/{item:03}"), [(0, colour(item))]));
        (0..extra).for_each(|item| builder.push(&format!("new {item}"), [(0, colour(item))]));
        builder.finish().0
    };
    let spec = FeatureSpec { fields: vec![Field::new("colour", FieldKind::Category)] };
    for info in matrix_algorithms().filter(|info| info.new_items() != NewItems::Never) {
        let plain = trained(info, 1);
        let described = Described::new(&spec, &table(0), &plain.items, 0, &context).unwrap();
        let model = fit(info.name, &gentle(info), described.input(&plain.seen), &context).unwrap();
        let cold_start = described.learn(info, &*model, &plain.seen, &context).unwrap();
        let base = TrainedModel { model, cold_start, ..plain };
        assert!(base.new_items_of(&table(0), &context).unwrap().is_none(), "{}", info.name);
        let again = TrainedModel::from_bytes(&base.to_bytes()).unwrap();
        let new = again.new_items_of(&table(2), &context).unwrap().unwrap();
        let extended = again.with_new_items(new, &context).unwrap();
        assert_eq!((extended.items.len(), extended.n_trained_items()), (ITEMS + 2, ITEMS), "{}", info.name);
        let bytes = extended.to_bytes();
        let back = TrainedModel::from_bytes(&bytes).unwrap();
        for user in ["u000", "u039"] {
            let list = back.recommend_user(user, ITEMS, true).unwrap();
            assert_eq!(Some(&list), extended.recommend_user(user, ITEMS, true).as_ref(), "{}", info.name);
            let alike = if user == "u000" { "new 0" } else { "new 1" };
            assert!(list.iter().any(|(item, _)| item == alike), "{} for {user}: {list:?}", info.name);
        }
        let history = ["new 1".to_owned()];
        assert!(back.recommend_history(&history, 3).unwrap()[0].0.ends_with(['1', '3', '5', '7', '9']), "{}", info.name);
        assert_eq!(back.similar("new 0", 4), extended.similar("new 0", 4), "{}", info.name);
        for cut in (0..bytes.len()).step_by(97) {
            assert!(TrainedModel::from_bytes(&bytes[..cut]).is_err(), "{} cut at {cut}", info.name);
        }
        for at in (0..bytes.len()).step_by(11) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x81;
            if let Ok(model) = TrainedModel::from_bytes(&damaged) {
                let _ = model.recommend_user("u000", 10, true);
                let _ = model.recommend_history(&history, 3);
                let _ = model.new_items_of(&table(3), &context);
            }
        }
    }
}
