//! Simulation of both tests under a look every day.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::classic::compare;
use super::sequential::{Plan, look};
use super::{Arm, information};

const DAYS: usize = 30;
const IMPRESSIONS_A_DAY: i64 = 200;
const TESTS: usize = 400;
const PLAN: Plan = Plan { min_sample_size: 4_000, confidence_level: 0.95 };

/// Returns the share of simulated tests in which each method ever found a difference: the classic one, then the sequential one.
fn ever_significant(rates: [f64; 2], seed: u64) -> [f64; 2] {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut alarms = [0.0; 2];
    for _ in 0..TESTS {
        let seen = one_test(rates, &mut random);
        for (alarms, seen) in alarms.iter_mut().zip(seen) {
            *alarms += f64::from(u8::from(seen)) / TESTS as f64;
        }
    }
    alarms
}

fn one_test(rates: [f64; 2], random: &mut ChaCha8Rng) -> [bool; 2] {
    let (mut arms, mut alarms) = ([Arm::default(); 2], [false; 2]);
    for _ in 0..DAYS {
        for (arm, rate) in arms.iter_mut().zip(rates) {
            arm.impressions += IMPRESSIONS_A_DAY;
            arm.conversions += (0..IMPRESSIONS_A_DAY).map(|_| i64::from(random.random_bool(rate))).sum::<i64>();
        }
        // The classic test as in 1.x, which called a difference significant at any sample size.
        alarms[0] |= compare(arms[0], arms[1], PLAN.confidence_level, 1).significant;
        alarms[1] |= look(arms[0], arms[1], PLAN).significant;
    }
    alarms
}

#[test]
fn looking_every_day_misleads_the_classic_test_and_not_the_sequential_one() {
    let [classic, sequential] = ever_significant([0.05, 0.05], 20_261_121);
    assert!(classic > 0.2, "{classic}");
    assert!(sequential <= PLAN.alpha(), "{sequential}");
}

#[test]
fn a_difference_that_the_plan_can_show_is_found_while_looking_every_day() {
    // 6,000 impressions per arm lie beyond what is needed for this difference with a probability of 80 %.
    let [_, sequential] = ever_significant([0.05, 0.07], 42);
    assert!(sequential > 0.8, "{sequential}");
    let planned = Arm { impressions: 2_000, conversions: 100 };
    assert!((information(planned, planned) - f64::from(PLAN.min_sample_size) / 4.0).abs() < 1e-9);
}
