//! The relative change from the control to the variant. The interval is that of Katz et al. ("Obtaining confidence intervals for
//! the risk ratio in cohort studies", Biometrics 1978): the delta method on the logarithm of the ratio of the rates, which keeps
//! both bounds above −100 % and is closer to normal than the ratio itself.

use super::{Arm, rounded};
use crate::ml::normal::quantile;

/// Returns the interval of the relative change, in percent, for one look at a confidence level.
pub fn at_one_look(control: Arm, variant: Arm, confidence_level: f64) -> Option<[f64; 2]> {
    interval(control, variant, quantile(0.5 + confidence_level / 2.0))
}

/// Returns the interval of the relative change, in percent, that reaches `width` standard errors to both sides. `None` while an
/// arm has no conversions, since a ratio to or of zero has no logarithm.
pub fn interval(control: Arm, variant: Arm, width: f64) -> Option<[f64; 2]> {
    let counted = [control, variant].iter().all(|arm| arm.impressions > 0 && arm.conversions > 0);
    let error = (log_variance(control) + log_variance(variant)).sqrt();
    let middle = (variant.rate() / control.rate()).ln();
    let bounds = [middle - width * error, middle + width * error].map(|bound| rounded(bound.exp_m1() * 100.0, 2));
    (counted && bounds.iter().all(|bound| bound.is_finite())).then_some(bounds)
}

/// Returns the variance of the logarithm of a rate. A rate above 1 is treated as certain, as in [`Arm::variance`].
fn log_variance(arm: Arm) -> f64 {
    (1.0 - arm.rate().min(1.0)) / arm.conversions as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(control: (i64, i64), variant: (i64, i64), confidence: f64) -> Option<[f64; 2]> {
        let arm = |(conversions, impressions)| Arm { impressions, conversions };
        at_one_look(arm(control), arm(variant), confidence)
    }

    #[test]
    fn intervals_agree_with_statsmodels() {
        // (confint_proportions_2indep(x1, n1, x0, n0, method="log", compare="ratio", alpha=1 - c, correction=False) - 1) * 100
        // of statsmodels 0.15
        assert_eq!(at((40, 503), (90, 600), 0.95), Some([32.51, 168.5]));
        assert_eq!(at((500, 10_000), (480, 10_000), 0.9), Some([-13.35, 6.36]));
        assert_eq!(at((3, 120), (9, 80), 0.99), Some([-15.84, 2_306.04]));
        assert_eq!(at((10_000, 1_000_000), (10_310, 1_000_000), 0.95), Some([0.32, 5.96]));
    }

    #[test]
    fn there_is_no_interval_without_conversions_in_both_arms() {
        for (control, variant) in [((0, 100), (5, 100)), ((5, 100), (0, 100)), ((0, 0), (0, 0)), ((3, 0), (5, 100))] {
            assert_eq!(at(control, variant, 0.95), None);
        }
        assert!(at((30, 10), (5, 10), 0.95).is_some(), "more conversions than impressions");
    }
}
