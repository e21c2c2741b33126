//! How many more impressions are needed before a test without a finding may be given up.
//!
//! The effect to be found is the smallest one that `min_sample_size` shows in a single look; once that many have been counted it
//! is the observed one where that is larger (before, the observed effect is mostly noise). The sample is the one with which the
//! sequential test finds that effect with a probability of 80 %: expected z-score = boundary + 0.84.

use serde::Serialize;
use utoipa::ToSchema;

use super::sequential::Plan;
use super::{Arm, information, z_score};
use crate::ml::normal::quantile;

const POWER: f64 = 0.8;

/// Impressions still to be collected, if the traffic stays divided as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ABTestNeededSampleSize)]
pub struct Needed {
    pub control: i64,
    pub variant: i64,
}

impl Needed {
    /// Returns whether no more impressions are needed.
    pub fn is_none(self) -> bool {
        self.control == 0 && self.variant == 0
    }
}

/// Returns the impressions needed beyond those of two arms.
pub fn needed(control: Arm, variant: Arm, plan: Plan) -> Needed {
    let seen = (control.impressions + variant.impressions) as f64;
    // Until both arms have impressions it is unknown how the traffic is divided.
    let share = if information(control, variant) > 0.0 { control.impressions as f64 / seen } else { 0.5 };
    let effect = effect(control, variant, plan, share * (1.0 - share));
    let total = information_for(effect, plan) / (share * (1.0 - share));
    let missing = |share: f64, arm: Arm| ((total * share).ceil() as i64 - arm.impressions).max(0);
    Needed { control: missing(share, control), variant: missing(1.0 - share, variant) }
}

/// Returns the effect to be found, in standard deviations of a single impression. `spread` is the information of one impression.
fn effect(control: Arm, variant: Arm, plan: Plan, spread: f64) -> f64 {
    let minimum = (quantile(1.0 - plan.alpha() / 2.0) + quantile(POWER)) / (f64::from(plan.min_sample_size) * spread).sqrt();
    let known = information(control, variant);
    if known == 0.0 || control.impressions + variant.impressions < i64::from(plan.min_sample_size) {
        return minimum;
    }
    minimum.max(z_score(control, variant).abs() / known.sqrt())
}

/// Returns the information with which an effect is found: by bisection, since the boundary itself depends on the information.
fn information_for(effect: f64, plan: Plan) -> f64 {
    let enough = |information: f64| effect * information.sqrt() >= plan.boundary(information) + quantile(POWER);
    let (mut low, mut high) = (0.0, 1.0);
    while !enough(high) {
        (low, high) = (high, high * 2.0);
    }
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if enough(middle) { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn still(control: (i64, i64), variant: (i64, i64), min_sample_size: i32, confidence_level: f64) -> (i64, i64) {
        let arm = |(conversions, impressions)| Arm { impressions, conversions };
        let needed = needed(arm(control), arm(variant), Plan { min_sample_size, confidence_level });
        (needed.control, needed.variant)
    }

    #[test]
    fn the_sample_is_the_one_in_which_the_boundary_is_crossed_four_times_out_of_five() {
        // With the p-value of `sequential` and w = n0 / (n0 + n1), by scipy 1.17:
        // brentq(lambda N: norm.sf(boundary(N * w * (1 - w)) - d * sqrt(N * w * (1 - w)) / sd) - 0.8, 10, 1e8), where
        // d = max(|observed|, (norm.ppf(1 - α/2) + norm.ppf(0.8)) * sd / sqrt(minimum * w * (1 - w)))
        assert_eq!(still((50, 1_000), (52, 1_000), 20_000, 0.95), (18_388, 18_388));
        assert_eq!(still((500, 10_000), (575, 10_000), 20_000, 0.95), (9_388, 9_388));
        assert_eq!(still((10, 200), (10, 800), 5_000, 0.9), (1_908, 7_632));
        assert_eq!(still((5_000, 100_000), (5_010, 100_000), 20_000, 0.95), (0, 0));
    }

    #[test]
    fn a_larger_observed_effect_wants_less_but_only_once_the_planned_sample_is_there() {
        let planned = still((0, 0), (0, 0), 20_000, 0.95);
        assert_eq!(planned, (19_388, 19_388));
        assert_eq!(still((10, 1_000), (50, 1_000), 20_000, 0.95), (18_388, 18_388));
        let (control, _) = still((500, 10_000), (600, 10_000), 20_000, 0.95);
        assert!(control < 9_388, "{control}");
    }
}
