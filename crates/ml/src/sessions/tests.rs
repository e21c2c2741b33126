//! The model against the published definition, spelled out; and what users get.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::context::Context;
use crate::interactions::{InteractionLog, InteractionLogBuilder};
use crate::lists::Wanted;
use crate::metrics::Metric;

const ITEMS: u32 = 12;

/// Builds a log of rows of (session, item, time); every item occurs, so that numbers are known.
fn log_of(rows: &[(u8, u32, i64)]) -> InteractionLog {
    let mut builder = InteractionLogBuilder::new(true);
    (0..ITEMS).for_each(|item| builder.push("zz", &format!("{item:02}"), Some(-1)));
    rows.iter().for_each(|(session, item, time)| builder.push(&format!("{session:02}"), &format!("{item:02}"), Some(*time)));
    builder.finish()
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn weight(word: &str, back: usize, length: usize) -> f32 {
    let place = (length - back) as f32 / length as f32;
    match word {
        "div" => place,
        "linear" => (1.0 - back as f32 * 0.1).max(0.0),
        "log" => 1.0 / (back as f32 + 1.7).log10(),
        "quadratic" => place * place,
        _ => 1.0,
    }
}

fn match_weight(word: &str, back: usize) -> f32 {
    let step = back as f32 + 1.0;
    match word {
        "div" => 1.0 / step,
        "linear" => (1.0 - step * 0.1).max(0.0),
        "log" => 1.0 / (step + 1.7).log10(),
        "quadratic" => 1.0 / (step * step),
        _ => 1.0,
    }
}

/// Computes the definition over every session.
fn naive(history: &Sessions, session: &[u32], params: &Map<String, Value>) -> Vec<f32> {
    let number = |name: &str| params[name].as_u64().unwrap() as usize;
    let word = |name: &str| params[name].as_str().unwrap();
    let recent = &session[session.len().saturating_sub(number("max_session_length"))..];
    let mut places: Vec<(u32, usize)> = Vec::new();
    for (back, &item) in recent.iter().rev().enumerate() {
        if places.iter().all(|(known, _)| *known != item) {
            places.push((item, back));
        }
    }
    let shares = |at: &usize| places.iter().any(|(item, _)| history.get(*at).contains(item));
    let sample: Vec<usize> = (0..history.len()).rev().filter(shares).take(number("sample_size")).collect();
    let mut similar: Vec<(f32, usize)> = Vec::new();
    for at in sample {
        let shared = places.iter().filter(|(item, _)| history.get(at).contains(item));
        let sum: f32 = shared.map(|(_, back)| weight(word("weighting"), *back, recent.len())).sum();
        similar.push((sum / places.len() as f32, at));
    }
    similar.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    similar.truncate(number("top_k"));
    let mut scores = vec![0f32; ITEMS as usize];
    for (similarity, at) in similar {
        let back = places.iter().find(|(item, _)| history.get(at).contains(item)).unwrap().1;
        for item in 0..ITEMS {
            if history.get(at).contains(&item) {
                scores[item as usize] += similarity * match_weight(word("weighting_score"), back);
            }
        }
    }
    for (item, score) in scores.iter_mut().enumerate() {
        let holding = (0..history.len()).filter(|&at| history.get(at).contains(&(item as u32))).count();
        let idf = (history.len() as f64 / holding as f64).ln();
        *score *= (1.0 + params["idf_weighting"].as_f64().unwrap() * idf) as f32;
    }
    scores
}

fn params() -> impl Strategy<Value = Map<String, Value>> {
    let decay = || prop_oneof![Just("same"), Just("div"), Just("linear"), Just("log"), Just("quadratic")];
    (1u32..8, 1u32..12, 1u32..14, decay(), decay(), 0.0f64..5.0).prop_map(|(k, m, length, item, score, idf)| {
        object(json!({"top_k": k, "sample_size": m, "max_session_length": length, "weighting": item,
            "weighting_score": score, "idf_weighting": idf}))
    })
}

proptest! {
    #[test]
    fn scores_are_those_of_the_definition(
        rows in proptest::collection::vec((0u8..25, 0..ITEMS, 0i64..40), 1..150),
        session in proptest::collection::vec(0..ITEMS, 1..15),
        params in params(),
    ) {
        let history = Sessions::from_log(&log_of(&rows)).unwrap();
        let model = VmisKnn::fit(&params, &history, &Context::new(0, 1)).unwrap();
        let wanted = naive(&history, &session, &params);
        let mut scorer = Scorer::new(&model);
        for _ in 0..2 {
            let mut found = vec![0f32; ITEMS as usize];
            scorer.score(&session).unwrap().iter().for_each(|&(item, score)| found[item as usize] = score);
            for (a, b) in found.iter().zip(&wanted) {
                prop_assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{found:?} {wanted:?}");
            }
        }
    }
}

/// Builds a model of visits: users who look at a lamp then look at a bulb; those who look at a desk then look at a chair.
fn shop() -> SessionModel {
    let mut builder = InteractionLogBuilder::new(true);
    for visit in 0..30i64 {
        let pair = if visit % 2 == 0 { ["lamp", "bulb"] } else { ["desk", "chair"] };
        pair.iter().enumerate().for_each(|(at, item)| builder.push(&format!("v{visit}"), item, Some(10 * visit + at as i64)));
    }
    builder.push("v0", "Sigur Rós", Some(5));
    let log = builder.finish();
    let sessions = Sessions::from_log(&log).unwrap();
    SessionModel::fit(Map::new(), log.items, &sessions, &Context::new(0, 1)).unwrap()
}

fn ids(items: &[&str]) -> Vec<String> {
    items.iter().map(|&item| item.to_owned()).collect()
}

#[test]
fn the_latest_items_count_most_and_as_many_come_back_as_exist() {
    let model = shop();
    let first = |session: &[&str], wanted: &Wanted<'_>| model.recommend(&ids(session), wanted).unwrap()[0].0.clone();
    assert_eq!(first(&["lamp"], &Wanted::best(1)), "bulb");
    assert_eq!(first(&["lamp", "unknown", "desk"], &Wanted::best(1)), "chair");
    assert_eq!(first(&["desk", "lamp"], &Wanted::best(1)), "bulb");
    assert!(model.recommend(&ids(&["unknown"]), &Wanted::best(1)).is_none());
    let all = model.recommend(&ids(&["lamp"]), &Wanted::best(9)).unwrap();
    assert_eq!(all.iter().map(|(item, _)| item.as_str()).collect::<Vec<_>>(), ["bulb", "Sigur Rós", "chair", "desk"]);
    assert!(all[2].1 == 0.0 && all[3].1 == 0.0, "nobody who looked at a lamp looked at these: {all:?}");
    let (allow, deny) = (ids(&["chair", "bulb", "desk"]), ids(&["bulb"]));
    let wanted = Wanted { allow: Some(&allow), deny: &deny, ..Wanted::best(2) };
    assert_eq!(model.recommend(&ids(&["lamp"]), &wanted).unwrap().len(), 2);
    let again = Wanted { exclude_seen: false, ..Wanted::best(9) };
    assert_eq!(model.recommend(&ids(&["lamp"]), &again).unwrap().len(), 5);
    let spread = Wanted { diversity: 0.9, ..Wanted::best(2) };
    let spread = model.recommend(&ids(&["lamp"]), &spread).unwrap();
    assert_eq!(spread[1].0, "chair", "shares no visit with the first: {spread:?}");
}

#[test]
fn strangers_get_what_is_popular_and_baskets_what_goes_with_them() {
    let model = shop();
    let popular = model.recommend_popular(&Wanted::best(9));
    let expected = [("bulb", 15.0), ("chair", 15.0), ("desk", 15.0), ("lamp", 15.0), ("Sigur Rós", 1.0)];
    assert_eq!(popular, expected.map(|(item, sessions)| (item.to_owned(), sessions)));
    let (allow, deny) = (ids(&["Sigur Rós", "lamp", "chair"]), ids(&["lamp"]));
    let wanted = Wanted { allow: Some(&allow), deny: &deny, ..Wanted::best(9) };
    assert_eq!(model.recommend_popular(&wanted).into_iter().map(|(item, _)| item).collect::<Vec<_>>(), ["chair", "Sigur Rós"]);

    let basket = |items: &[&str]| model.related(&ids(items), &Wanted::best(2)).unwrap();
    assert_eq!(basket(&["lamp", "desk"]), basket(&["unknown", "desk", "lamp", "desk"]), "whatever their order");
    let mut with_both: Vec<String> = basket(&["lamp", "desk"]).into_iter().map(|(item, _)| item).collect();
    with_both.sort_unstable();
    assert_eq!(with_both, ["bulb", "chair"]);
    assert!(model.related(&ids(&["unknown"]), &Wanted::best(2)).is_none());
}

#[test]
fn each_item_names_the_items_of_the_session_that_speak_for_it() {
    let model = shop();
    let session = ids(&["desk", "lamp"]);
    let shares = model.shares(&session, ["bulb", "chair", "unknown", "Sigur Rós"].into_iter(), 3).unwrap();
    let one = |item: &str| vec![(item.to_owned(), 1.0)];
    assert_eq!(shares, [one("lamp"), one("desk"), Vec::new(), one("lamp")]);
    let mut builder = InteractionLogBuilder::new(true);
    ["a", "b", "c"].iter().zip(0..).for_each(|(item, at)| builder.push("v", item, Some(at)));
    let log = builder.finish();
    let sessions = Sessions::from_log(&log).unwrap();
    let model = SessionModel::fit(Map::new(), log.items, &sessions, &Context::new(0, 1)).unwrap();
    let shares = model.shares(&ids(&["a", "b"]), ["c"].into_iter(), 3).unwrap().remove(0);
    assert_eq!(shares.iter().map(|(item, _)| item.as_str()).collect::<Vec<_>>(), ["b", "a"], "the latest speaks loudest");
    assert!((shares[0].1 - 2.0 / 3.0).abs() < 1e-6 && (shares[1].1 - 1.0 / 3.0).abs() < 1e-6, "{shares:?}");
    assert!(model.is_quick() && model.heap_bytes() > 0);
}

#[test]
fn files_come_back_and_damage_never_panics() {
    let model = shop();
    let bytes = model.to_bytes();
    let answer = |model: &SessionModel| model.recommend(&ids(&["lamp", "desk"]), &Wanted::best(5));
    assert_eq!(answer(&SessionModel::from_bytes(&bytes).unwrap()), answer(&model));
    assert!(SessionModel::is_in(&bytes) && !SessionModel::is_in(&bytes[1..]));
    for cut in (0..bytes.len()).step_by(7) {
        assert!(SessionModel::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    for at in 0..bytes.len() {
        for flip in [1u8, 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(model) = SessionModel::from_bytes(&damaged) {
                let _ = model.recommend(&[model.items.get(0).to_owned()], &Wanted { diversity: 0.5, ..Wanted::best(5) });
            }
        }
    }
}

#[test]
fn the_next_item_is_foreseen_better_than_by_popularity() {
    let mut builder = InteractionLogBuilder::new(true);
    for visit in 0..200i64 {
        let theme = visit * 7 % 5;
        (0..4).for_each(|at| {
            builder.push(&format!("{visit:03}"), &format!("{theme}-{}", (visit + at) % 6), Some(100 * visit + at))
        });
    }
    let sessions = Sessions::from_log(&builder.finish()).unwrap();
    let (earlier, later) = sessions.split_latest(0.2).unwrap();
    let evaluate_with = |threads: usize| {
        let context = Context::new(1, threads);
        let model = VmisKnn::fit(&Map::new(), &earlier, &context).unwrap();
        evaluate(&model, &later, 3, &context).unwrap()
    };
    let found = evaluate_with(1);
    assert_eq!((found.n_sessions, found.cutoff), (40, 3));
    assert!(found.hit_rate > 0.9 && found.mrr > 0.3, "{found:?}");
    assert!(found.baseline_hit_rate < 0.4 && found.baseline_mrr < found.mrr, "{found:?}");
    assert!(found.hit_rate_interval.0 <= found.hit_rate && found.hit_rate <= found.hit_rate_interval.1);
    assert_eq!(found, evaluate_with(2));
}

#[test]
fn an_item_foreseen_in_the_second_place_counts_as_the_metrics_of_users_have_it() {
    let mut builder = InteractionLogBuilder::new(true);
    for (visit, item, time) in [("1", "a", 1), ("1", "b", 2), ("1", "c", 3), ("2", "a", 8), ("2", "c", 9)] {
        builder.push(visit, item, Some(time));
    }
    let (earlier, later) = Sessions::from_log(&builder.finish()).unwrap().split_latest(0.5).unwrap();
    let context = Context::new(1, 1);
    let model = VmisKnn::fit(&Map::new(), &earlier, &context).unwrap();
    let found = evaluate(&model, &later, 2, &context).unwrap();
    let of = |metric: Metric| found.metric(metric);
    assert_eq!((of(Metric::Hit), of(Metric::Recall), of(Metric::Precision)), (Some(1.0), Some(1.0), Some(0.5)));
    assert_eq!((of(Metric::Mrr), of(Metric::Map), of(Metric::Novelty)), (Some(0.5), Some(0.5), None));
    assert!((of(Metric::Ndcg).unwrap() - 1.0 / 3f64.log2()).abs() < 1e-12, "{found:?}");
}

#[test]
fn parameters_and_limits_are_heeded() {
    let sessions = Sessions::from_log(&log_of(&[(1, 1, 1)])).unwrap();
    let fit = |params: Value, ctx: &Context| VmisKnn::fit(&object(params), &sessions, ctx).err().map(|e| e.to_string());
    let ctx = Context::new(0, 1);
    assert!(fit(json!({"k": 3}), &ctx).unwrap().contains("no parameter \"k\""));
    assert!(fit(json!({"top_k": 0}), &ctx).unwrap().contains("top_k"));
    assert!(fit(json!({"weighting": "cubic"}), &ctx).unwrap().contains("weighting"));
    assert!(fit(json!({}), &ctx.clone().with_memory_budget(1)).unwrap().contains("MB"));
    let cancelled = ctx.clone().with_cancel(std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true)));
    assert_eq!(fit(json!({}), &cancelled).unwrap(), "cancelled");
    for spec in INFO.parameters() {
        assert_eq!(fit(json!({spec.name: spec.default}), &ctx), None);
    }
}
