//! Simulated past traffic with a known truth: users are assigned to two slots by weight and click by the item-position model, and
//! models that never answered a request are evaluated from the log.

use chrono::DateTime;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::replay::{LeftOut, Replay, Warning};
use crate::features::accounts::Tenant;
use crate::features::recommendation_log::{AnsweredList, Comparison};

const PLACES: u32 = 4;
const SHARES: [f64; 2] = [0.7, 0.3];
const USERS: u32 = 1_000;
const TRIALS: usize = 60;
/// Standard deviations of a normal distribution that contain 99.99 %.
const FAR: f64 = 4.0;

/// Returns the item of a slot at a place. Items of different places differ. Both slots agree on every other place.
fn item(slot: u32, place: u32, user: u32) -> u32 {
    let slot = if place.is_multiple_of(2) { 0 } else { slot };
    place * 30 + (user * 7 + slot * 11) % 30
}

fn list(slot: u32, user: u32) -> Vec<u32> {
    (0..PLACES).map(|place| item(slot, place, user)).collect()
}

/// Returns the list of a model that is better than both: at each place the item of the two slots that is clicked more often.
fn better(user: u32) -> Vec<u32> {
    let of_place = |place: u32| {
        let (one, other) = (item(0, place, user), item(1, place, user));
        if chance(one, 0) >= chance(other, 0) { one } else { other }
    };
    (0..PLACES).map(of_place).collect()
}

fn chance(item: u32, place: usize) -> f64 {
    let attraction = 0.1 + f64::from(item * 37 % 101) / 101.0 * 0.8;
    attraction * 0.9_f64.powi(place as i32)
}

/// Returns the true earnings of a model's lists per request: every other user comes twice.
fn value(model: fn(u32) -> Vec<u32>) -> f64 {
    let of_list = |list: Vec<u32>| list.iter().enumerate().map(|(place, item)| chance(*item, place)).sum::<f64>();
    let (earned, requests) = (0..USERS).fold((0.0, 0.0), |(earned, requests), user| {
        let times = f64::from(1 + user % 2);
        (earned + times * of_list(model(user)), requests + times)
    });
    earned / requests
}

fn texts(items: &[u32]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// Returns what the log holds of a request.
fn answered(user: u32, slot: usize, random: &mut ChaCha8Rng) -> AnsweredList {
    let live = list(slot as u32, user);
    let lists = [0, 1].map(|slot| list(slot, user));
    let shown_by = |place: usize| lists.iter().zip(SHARES).filter(move |(list, _)| list[place] == list_item(slot, place, user));
    let propensities = (0..live.len()).map(|place| shown_by(place).map(|(_, share)| share).sum()).collect();
    let mut place = 0..;
    let clicked = live.iter().filter(|item| random.random_bool(chance(**item, place.next().unwrap_or_default())));
    AnsweredList {
        user_id: Some(user.to_string()),
        timestamp: DateTime::UNIX_EPOCH,
        plain_cutoff: Some(PLACES as i32),
        clicked: clicked.map(ToString::to_string).collect(),
        items: texts(&live),
        propensity: Some(SHARES[slot]),
        item_propensities: Some(propensities),
        bought: Vec::new(),
    }
}

fn list_item(slot: usize, place: usize, user: u32) -> u32 {
    item(slot as u32, place as u32, user)
}

/// Replays traffic for a model in which each user is assigned to a slot at random and stays there.
fn replayed(model: fn(u32) -> Vec<u32>, random: &mut ChaCha8Rng) -> Replay {
    let mut replay = Replay::default();
    for user in 0..USERS {
        let slot = usize::from(random.random::<f64>() >= SHARES[0]);
        for _ in 0..1 + user % 2 {
            replay.add(answered(user, slot, random), texts(&model(user)));
        }
    }
    replay
}

async fn compared(replay: Replay) -> Comparison {
    replay.compare(Tenant::Founder(1), PLACES as i32, None).await.expect("a comparison")
}

async fn is_recovered(model: fn(u32) -> Vec<u32>) {
    let (truth, mut random) = (value(model), ChaCha8Rng::seed_from_u64(17));
    let mut trials = Vec::new();
    for _ in 0..TRIALS {
        let replay = replayed(model, &mut random);
        assert!(replay.warnings(LeftOut::default()).is_empty());
        let found = compared(replay).await.click_estimates.expect("propensities are known");
        assert!(found.warnings.is_empty(), "{found:?}");
        trials.push([found.ips, found.snips, found.doubly_robust]);
    }
    for (method, name) in ["ips", "snips", "doubly robust"].into_iter().enumerate() {
        let of_method = || trials.iter().map(|trial| trial[method]);
        let mean = of_method().map(|found| found.value).sum::<f64>() / TRIALS as f64;
        let error = of_method().map(|found| found.standard_error).sum::<f64>() / TRIALS as f64;
        assert!((mean - truth).abs() < FAR * error / (TRIALS as f64).sqrt(), "{name}: {mean} instead of {truth}");
        let within = of_method().filter(|found| found.interval.is_some_and(|[low, high]| (low..=high).contains(&truth)));
        let within = within.count();
        assert!(within as f64 >= 0.85 * TRIALS as f64, "{name}: {within} of {TRIALS} intervals hold the truth");
    }
}

#[tokio::test]
async fn the_value_of_a_model_that_never_answered_is_recovered_from_two_slots() {
    is_recovered(better).await;
    is_recovered(|user| list(1, user)).await;
    let lesser = value(|user| list(0, user)).max(value(|user| list(1, user)));
    assert!(value(better) > lesser + 0.02, "as good as what answers would be no test");
}

#[tokio::test]
async fn what_no_slot_would_have_shown_has_no_bounds() {
    let mut random = ChaCha8Rng::seed_from_u64(18);
    let replay = replayed(|user| (0..PLACES).map(|place| 1_000 + item(0, place, user)).collect(), &mut random);
    let found = compared(replay).await.click_estimates.expect("propensities are known");
    assert_eq!(json!(found.warnings), json!(["small_sample", "little_support"]));
    assert_eq!((found.support, found.doubly_robust.interval), (0.0, None));
}

#[tokio::test]
async fn one_slot_alone_judges_only_its_like_and_that_is_said() {
    let alone = |model: fn(u32) -> Vec<u32>| {
        let (mut replay, mut random) = (Replay::default(), ChaCha8Rng::seed_from_u64(19));
        for user in 0..USERS {
            let answered = answered(user, 0, &mut random);
            let alone = AnsweredList { propensity: Some(1.0), item_propensities: None, ..answered };
            replay.add(alone, texts(&model(user)));
        }
        replay
    };
    let twin = alone(|user| list(0, user));
    assert_eq!(twin.warnings(LeftOut::default()), [Warning::NothingVaried]);
    let found = compared(twin).await.click_estimates.expect("it is certain what was shown");
    assert_eq!((found.ips.value, found.support), (found.live.value, 1.0));
    let found = compared(alone(better)).await.click_estimates.expect("it is certain what was shown");
    assert_eq!(json!(found.warnings), json!(["little_support"]));
}

/// Returns what the log holds of a request to one slot that draws the item of another list for each place with this probability.
fn explored(user: u32, share: f64, random: &mut ChaCha8Rng) -> AnsweredList {
    let other = |place: u32| place * 30 + (user * 7 + 5) % 30;
    let drawn: Vec<bool> = (0..PLACES).map(|_| random.random_bool(share)).collect();
    let live: Vec<u32> =
        (0..PLACES).map(|place| if drawn[place as usize] { other(place) } else { item(0, place, user) }).collect();
    let mut place = 0..;
    let clicked = live.iter().filter(|item| random.random_bool(chance(**item, place.next().unwrap_or_default())));
    AnsweredList {
        user_id: Some(user.to_string()),
        timestamp: DateTime::UNIX_EPOCH,
        plain_cutoff: Some(PLACES as i32),
        clicked: clicked.map(ToString::to_string).collect(),
        items: texts(&live),
        propensity: Some(1.0),
        item_propensities: Some(drawn.iter().map(|drawn| if *drawn { share } else { 1.0 - share }).collect()),
        bought: Vec::new(),
    }
}

#[tokio::test]
async fn one_slot_that_gives_new_items_a_share_judges_both_what_it_lists_and_what_it_draws() {
    const SHARE: f64 = 0.3;
    let listed: fn(u32) -> Vec<u32> = |user| list(0, user);
    let drawn: fn(u32) -> Vec<u32> = |user| (0..PLACES).map(|place| place * 30 + (user * 7 + 5) % 30).collect();
    for model in [listed, drawn] {
        let (truth, mut random) = (value(model), ChaCha8Rng::seed_from_u64(21));
        let (mut sums, mut errors) = ([0.0; 3], [0.0; 3]);
        for _ in 0..TRIALS {
            let mut replay = Replay::default();
            for user in 0..USERS {
                for _ in 0..1 + user % 2 {
                    replay.add(explored(user, SHARE, &mut random), texts(&model(user)));
                }
            }
            assert!(replay.warnings(LeftOut::default()).is_empty());
            let found = compared(replay).await.click_estimates.expect("propensities are known");
            for (method, estimate) in [found.ips, found.snips, found.doubly_robust].into_iter().enumerate() {
                sums[method] += estimate.value;
                errors[method] += estimate.standard_error;
            }
        }
        let trials = TRIALS as f64;
        for (sum, error) in sums.into_iter().zip(errors) {
            let (mean, error) = (sum / trials, error / trials);
            assert!((mean - truth).abs() < FAR * error / trials.sqrt(), "{mean} instead of {truth}");
        }
    }
}

#[tokio::test]
async fn without_propensities_nothing_is_estimated_and_what_was_left_out_is_said() {
    let mut replay = Replay::default();
    assert!(replay.warnings(LeftOut { learnt: 9, special: 9 }).is_empty(), "nothing to distrust yet");
    let mut random = ChaCha8Rng::seed_from_u64(20);
    let unknown = AnsweredList { item_propensities: None, ..answered(1, 1, &mut random) };
    replay.add(unknown, texts(&list(1, 1)));
    assert_eq!(replay.warnings(LeftOut { learnt: 9, special: 1 }), [Warning::NoPropensities]);
    assert_eq!(replay.warnings(LeftOut { learnt: 0, special: 2 }), [Warning::NoPropensities, Warning::MostlyLeftOut]);
    let found = compared(replay).await;
    assert_eq!((found.requests, found.click_estimates), (1, None));
    assert_eq!(found.agreement.map(|agreement| agreement.identical), Some(1.0));
}
