//! Simulation of the estimators with a known truth: users who are assigned to slots by weight and click by the item-position
//! model, and a shadow that lists at each place the item of one of the slots.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Request;
use super::off_policy::{Estimates, estimate};

const PLACES: u32 = 5;
const SLOTS: [f64; 3] = [0.5, 0.3, 0.2];
const USERS: u32 = 1_500;
const TRIALS: usize = 80;

/// Returns the item of a slot at a place. Items of different places differ. Two slots agree on every other place.
fn item(slot: u32, place: u32, user: u32) -> u32 {
    let slot = if place.is_multiple_of(2) && slot == 1 { 0 } else { slot };
    place * 30 + (user * 7 + slot * 11) % 30
}

fn list(slot: u32, user: u32) -> Vec<u32> {
    (0..PLACES).map(|place| item(slot, place, user)).collect()
}

/// Returns the shadow's list for a user.
fn target(user: u32) -> Vec<u32> {
    (0..PLACES).map(|place| item((user + place) % 3, place, user)).collect()
}

fn chance(item: u32, place: usize) -> f64 {
    let attraction = 0.1 + f64::from(item * 37 % 101) / 101.0 * 0.8;
    attraction * 0.9_f64.powi(place as i32)
}

fn value(list: &[u32]) -> f64 {
    list.iter().enumerate().map(|(place, item)| chance(*item, place)).sum()
}

fn one_trial(random: &mut ChaCha8Rng) -> Estimates {
    let mut requests = Vec::new();
    for user in 0..USERS {
        let lot: f64 = random.random();
        let slot = if lot < SLOTS[0] { 0 } else { 1 + u32::from(lot >= SLOTS[0] + SLOTS[1]) };
        for _ in 0..1 + user % 2 {
            requests.push(one_request(user, slot, random));
        }
    }
    estimate(&requests, |request| &request.clicked).expect("requests with propensities")
}

fn one_request(user: u32, slot: u32, random: &mut ChaCha8Rng) -> Request {
    let live = list(slot, user);
    let lists = [0, 1, 2].map(|slot| list(slot, user));
    let propensity = |place: usize| -> f64 {
        let showing = lists.iter().zip(SLOTS).filter(|(list, _)| list[place] == live[place]);
        showing.map(|(_, share)| share).sum()
    };
    let propensities = (0..live.len()).map(propensity).collect();
    let mut clicked = live.clone();
    let mut place = 0..;
    clicked.retain(|item| random.random_bool(chance(*item, place.next().unwrap_or_default())));
    Request { user, live, shadow: target(user), propensities: Some(propensities), clicked, bought: Vec::new() }
}

#[test]
fn estimates_are_true_on_average_within_their_intervals_and_the_model_narrows_them() {
    let (mut truth, mut lists) = (0.0, 0.0);
    for user in 0..USERS {
        let times = f64::from(1 + user % 2);
        truth += times * value(&target(user));
        lists += times;
    }
    let truth = truth / lists;
    let mut random = ChaCha8Rng::seed_from_u64(20_261_121);
    let trials: Vec<Estimates> = (0..TRIALS).map(|_| one_trial(&mut random)).collect();
    let mut spreads = Vec::new();
    for (name, pick) in [
        ("ips", (|trial| trial.ips) as fn(&Estimates) -> super::off_policy::Estimate),
        ("snips", |trial| trial.snips),
        ("doubly robust", |trial| trial.doubly_robust),
    ] {
        let estimates: Vec<_> = trials.iter().map(pick).collect();
        let n = TRIALS as f64;
        let mean = estimates.iter().map(|found| found.value).sum::<f64>() / n;
        let spread = (estimates.iter().map(|found| (found.value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        let told = estimates.iter().map(|found| found.standard_error).sum::<f64>() / n;
        let within =
            estimates.iter().filter(|found| found.interval.is_some_and(|[low, high]| (low..=high).contains(&truth))).count();
        assert!((mean - truth).abs() < 4.0 * spread / n.sqrt(), "{name}: {mean} instead of {truth}");
        assert!((told / spread - 1.0).abs() < 0.3, "{name}: told {told}, was {spread}");
        assert!(within as f64 >= 0.88 * n, "{name}: {within} of {n} intervals hold the truth");
        spreads.push(spread);
    }
    assert!(spreads[2] < 0.9 * spreads[0], "the doubly robust estimate is no better: {spreads:?}");
    // The shadow lists only items that some slot would have listed.
    assert!(trials.iter().all(|trial| trial.support > 0.95 && trial.warnings.is_empty()));
}
