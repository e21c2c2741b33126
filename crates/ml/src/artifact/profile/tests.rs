//! Lists by profile, from models of users with two tastes.

use serde_json::{Map, Value, json};

use super::*;
use crate::algorithms::{AlgorithmInfo, NewItems};
use crate::artifact::{Derived, Described};
use crate::features::{FeatureTableBuilder, Field, FieldKind};
use crate::registry::{find, fit, matrix_algorithms};

const USERS: usize = 40;
const ITEMS: usize = 24;

/// Returns interactions in which even users like even items, odd users odd ones, and everybody likes the last item.
fn tastes() -> Csr {
    let likes =
        |user: usize, item: usize| item == ITEMS - 1 || (user % 2 == item % 2 && !(user / 2 + item / 2).is_multiple_of(4));
    let pairs = (0..USERS).flat_map(|user| (0..ITEMS).filter(move |&item| likes(user, item)).map(move |item| (user, item)));
    let (users, items): (Vec<u32>, Vec<u32>) = pairs.map(|(user, item)| (user as u32, item as u32)).unzip();
    Csr::from_pairs(USERS, ITEMS, &users, &items).unwrap()
}

fn ids(n: usize, prefix: &str) -> Ids {
    Ids::from_unsorted((0..n).map(|at| format!("{prefix}{at:03}"))).unwrap()
}

/// Returns a table of what is liked, for some ids.
fn table<'i>(ids: impl Iterator<Item = &'i str>) -> FeatureTable {
    let mut builder = FeatureTableBuilder::new(vec!["likes".into(), "age".into()]);
    for (at, id) in ids.enumerate() {
        let likes = if at.is_multiple_of(2) { "even" } else { "odd" };
        builder.push(id, [(0, json!(likes)), (1, json!(20 + at % 7))]);
    }
    builder.finish().0
}

fn spec() -> FeatureSpec {
    FeatureSpec { fields: vec![Field::new("likes", FieldKind::Category), Field::new("age", FieldKind::Number)] }
}

fn context() -> Context {
    Context::new(3, 2)
}

fn parameters(info: &AlgorithmInfo) -> Map<String, Value> {
    let params = match info.short {
        "IALS" => json!({"n_components": 4, "alpha0": 0.3, "reg": 0.02, "train_epochs": 20}),
        "BPRFM" => json!({"n_components": 4, "train_epochs": 60}),
        "NMF" => json!({"n_components": 3, "alpha": 1e-4}),
        "TruncatedSVD" => json!({"n_components": 3}),
        "MultVAE" => json!({"dim_z": 4, "enc_hidden_dims": 16, "train_epochs": 2}),
        _ => json!({}),
    };
    params.as_object().unwrap().clone()
}

/// Fits a model that knows features of its users, and if requested of its items.
fn trained(info: &AlgorithmInfo, with_items: bool) -> TrainedModel {
    let (users, items, seen) = (ids(USERS, "u"), ids(ITEMS, "i"), tastes());
    let described = Described::new(&spec(), &table(items.iter()), &items, 0, &context()).unwrap();
    let model = fit(info.name, &parameters(info), described.input(&seen), &context()).unwrap();
    let cold_start = if with_items { described.learn(info, &*model, &seen, &context()).unwrap() } else { None };
    let profiled = ProfiledUsers::new(&spec(), &table(users.iter()), &users, 0, &context()).unwrap();
    let profiles = profiled.learn(&*model, &seen, cold_start.as_deref(), &context()).unwrap();
    let (metadata, derived) = (Default::default(), Derived::default());
    let parameters = parameters(info);
    TrainedModel { algorithm: info.name.into(), parameters, users, items, seen, model, cold_start, profiles, metadata, derived }
}

/// Returns the same with two new items, an even and an odd one.
fn with_new_items(info: &AlgorithmInfo) -> TrainedModel {
    let model = trained(info, true);
    let new = model.new_items_of(&table(["new0", "new1"].into_iter()), &context()).unwrap().unwrap();
    model.with_new_items(new, &context()).unwrap()
}

fn profile(values: Value) -> FeatureTable {
    FeatureTable::one("", values.as_object().unwrap())
}

fn by_profile(model: &TrainedModel, values: Value, wanted: &Wanted<'_>) -> Recommendations {
    model.recommend_profile_as(&profile(values), &[], wanted).unwrap().unwrap()
}

fn able() -> impl Iterator<Item = &'static AlgorithmInfo> {
    matrix_algorithms().filter(|info| info.new_items() != NewItems::Never)
}

/// Returns whether an id ends in an even number.
fn is_even(id: &str) -> bool {
    id.ends_with(['0', '2', '4', '6', '8'])
}

#[test]
fn a_profile_gets_what_users_like_it_like() {
    let mut wrong = Vec::new();
    for info in able() {
        let model = with_new_items(info);
        let deny = [format!("i{:03}", ITEMS - 1)];
        let mut leads = Vec::new();
        for (likes, wants_even) in [("even", true), ("odd", false)] {
            let list = by_profile(&model, json!({"likes": likes}), &Wanted { deny: &deny, ..Wanted::best(8) });
            let all = by_profile(&model, json!({"likes": likes}), &Wanted::best(100));
            assert_eq!(all.len(), ITEMS + 2, "{}: all items, the new ones among them", info.name);
            let score = |wanted: &str| all.iter().find(|(item, _)| item == wanted).map(|(_, score)| *score).unwrap();
            leads.push(score("new0") - score("new1"));
            if list.iter().filter(|(item, _)| is_even(item) == wants_even).count() < 7 {
                wrong.push(format!("{} {likes}: {all:?}", info.name));
            }
        }
        if leads[0] <= leads[1] {
            wrong.push(format!("{}: the even new item leads by {leads:?}", info.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lists_are_as_wanted() {
    for info in able() {
        let model = trained(info, false);
        let (allow, deny) = (["i002", "i004", "i006", "i001"].map(str::to_owned), ["i004".to_owned()]);
        for diversity in [0.0, 0.5] {
            let wanted = Wanted { allow: Some(&allow), deny: &deny, diversity, ..Wanted::best(3) };
            let mut list: Vec<String> =
                by_profile(&model, json!({"likes": "even"}), &wanted).into_iter().map(|of| of.0).collect();
            list.sort_unstable();
            assert_eq!(list, ["i001", "i002", "i006"], "{}", info.name);
        }
        let history = ["i002".to_owned(), "unknown".to_owned()];
        let even = profile(json!({"likes": "even"}));
        let list = |exclude_seen| {
            let wanted = Wanted { exclude_seen, ..Wanted::best(ITEMS) };
            model.recommend_profile_as(&even, &history, &wanted).unwrap().unwrap().len()
        };
        assert_eq!((list(true), list(false)), (ITEMS - 1, ITEMS), "{}", info.name);
    }
}

#[test]
fn a_history_pulls_a_list_away_from_its_profile() {
    for info in able() {
        let model = trained(info, false);
        let even = profile(json!({"likes": "even"}));
        let odd: Vec<String> = (0..7).map(|at| format!("i{:03}", 2 * at + 1)).collect();
        let lead_of_even = |history: &[String]| {
            let list = model.recommend_profile_as(&even, history, &Wanted::best(ITEMS)).unwrap().unwrap();
            let score = |wanted: &str| list.iter().find(|(item, _)| item == wanted).map(|(_, score)| *score).unwrap();
            score("i020") - score("i021")
        };
        let (before, after) = (lead_of_even(&[]), lead_of_even(&odd));
        assert!(before > 0.0 && after < before, "{}: {before} {after}", info.name);
    }
}

#[test]
fn what_cannot_be_read_is_ignored_and_named() {
    for info in able() {
        let model = trained(info, false);
        let nothing = by_profile(&model, json!({}), &Wanted::best(ITEMS));
        for values in [
            json!({"likes": "nothing", "age": "old", "shoes": 43}),
            json!({"likes": {"not": "a text"}, "age": [1, 2], "shoes": 43}),
            json!({"likes": [["even"]], "age": true, "shoes": 43}),
        ] {
            assert_eq!(by_profile(&model, values.clone(), &Wanted::best(ITEMS)), nothing, "{}: {values}", info.name);
            let profile = profile(values.clone());
            let mut ignored = model.ignored_columns(&profile);
            ignored.sort_unstable();
            assert_eq!(ignored, ["age", "likes", "shoes"], "{values}");
        }
        let known = profile(json!({"likes": "even", "age": 21}));
        assert_eq!(model.ignored_columns(&known), [""; 0]);
        assert_ne!(model.recommend_profile_as(&known, &[], &Wanted::best(ITEMS)).unwrap().unwrap(), nothing, "{}", info.name);
        if ["IALS", "TruncatedSVD"].contains(&info.short) {
            assert_eq!(nothing[0].0, format!("i{:03}", ITEMS - 1), "{}: the most popular item is first", info.name);
        }
    }
}

#[test]
fn models_without_vectors_of_users_say_no() {
    for info in matrix_algorithms().filter(|info| info.new_items() == NewItems::Never) {
        let model = trained(info, false);
        assert!(!model.takes_profiles(), "{}", info.name);
        let even = profile(json!({"likes": "even"}));
        assert_eq!(model.recommend_profile_as(&even, &[], &Wanted::best(3)).unwrap(), None, "{}", info.name);
        assert_eq!(model.ignored_columns(&even), ["likes"]);
    }
}

#[test]
fn models_that_were_saved_give_the_same_lists_and_damage_never_panics() {
    for info in able() {
        for model in [trained(info, false), with_new_items(info)] {
            let bytes = model.to_bytes();
            let back = TrainedModel::from_bytes(&bytes).unwrap();
            assert_eq!(back.profiles.as_ref().map(|profiles| profiles.spec().clone()), Some(spec()));
            for values in [json!({}), json!({"likes": "odd", "age": 25})] {
                for history in [vec![], vec!["i003".to_owned(), "new1".to_owned()]] {
                    let ask = |model: &TrainedModel| {
                        model.recommend_profile_as(&profile(values.clone()), &history, &Wanted::best(ITEMS)).unwrap().unwrap()
                    };
                    assert_eq!(ask(&back), ask(&model), "{} {values} {history:?}", info.name);
                }
            }
            for at in (0..bytes.len()).step_by(97) {
                assert!(TrainedModel::from_bytes(&bytes[..at]).is_err(), "{} cut at {at}", info.name);
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x81;
                if let Ok(model) = TrainedModel::from_bytes(&damaged) {
                    let _ = model.recommend_profile_as(&profile(json!({"likes": "odd"})), &["i003".to_owned()], &Wanted::best(3));
                }
            }
        }
    }
}

#[test]
fn a_file_says_which_features_it_knows() {
    let info = find("RP3beta").unwrap();
    let format = |model: &TrainedModel| {
        let bytes = model.to_bytes();
        TensorReader::open(&bytes).unwrap().metadata("format").unwrap().to_owned()
    };
    let plain = TrainedModel { profiles: None, ..trained(info, false) };
    assert_eq!(format(&plain), "recotem-model-v1");
    assert_eq!(format(&trained(info, false)), "recotem-model-v2");
    let both = trained(info, true).to_bytes();
    let shared = TensorReader::open(&both).unwrap();
    assert!(shared.has("cold.scored") && !shared.has("profile.scored"), "what both need is stored once");
}
