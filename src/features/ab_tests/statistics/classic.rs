//! The comparison of two conversion rates as in Recotem 1.x: a two-proportion z test with pooled variance, and an interval of the
//! difference with unpooled variances. It is valid for one look, planned beforehand. Checked against SciPy.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Arm, rounded, z_score};
use crate::ml::normal::{quantile, two_sided_p};

/// The figures that 1.x gave, to the digit.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ABTestComparison)]
pub struct Comparison {
    pub control_impressions: i64,
    pub control_conversions: i64,
    pub control_rate: f64,
    pub variant_impressions: i64,
    pub variant_conversions: i64,
    pub variant_rate: f64,
    pub z_score: f64,
    pub p_value: f64,
    /// The p-value is below 1 − confidence level, and there is enough data to rely on it.
    pub significant: bool,
    /// Relative change in percent.
    pub lift: f64,
    /// Of the difference of the rates.
    pub confidence_interval: [f64; 2],
    pub min_sample_size: i32,
    /// Whether there are at least `min_sample_size` impressions in both arms together.
    pub sufficient_data: bool,
}

/// Compares two arms. If an arm has no impressions, there is no difference and no significance.
pub fn compare(control: Arm, variant: Arm, confidence_level: f64, min_sample_size: i32) -> Comparison {
    let sufficient_data = control.impressions + variant.impressions >= i64::from(min_sample_size);
    let nothing = Comparison {
        control_impressions: control.impressions,
        control_conversions: control.conversions,
        control_rate: 0.0,
        variant_impressions: variant.impressions,
        variant_conversions: variant.conversions,
        variant_rate: 0.0,
        z_score: 0.0,
        p_value: 1.0,
        significant: false,
        lift: 0.0,
        confidence_interval: [0.0, 0.0],
        min_sample_size,
        sufficient_data,
    };
    if control.impressions == 0 || variant.impressions == 0 {
        return nothing;
    }
    let (before, after) = (control.rate(), variant.rate());
    let difference = after - before;
    let z = z_score(control, variant);
    let p = two_sided_p(z);
    let margin = quantile(0.5 + confidence_level / 2.0) * (control.variance() + variant.variance()).sqrt();
    Comparison {
        control_rate: rounded(before, 6),
        variant_rate: rounded(after, 6),
        z_score: rounded(z, 4),
        p_value: rounded(p, 6),
        // Repeated looks before the sample is complete find differences where there are none.
        significant: sufficient_data && p < 1.0 - confidence_level,
        lift: if before == 0.0 { 0.0 } else { rounded(difference / before * 100.0, 2) },
        confidence_interval: [rounded(difference - margin, 6), rounded(difference + margin, 6)],
        ..nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(control: (i64, i64), variant: (i64, i64), confidence: f64) -> Comparison {
        let arm = |(impressions, conversions)| Arm { impressions, conversions };
        compare(arm(control), arm(variant), confidence, 1_000)
    }

    #[test]
    fn the_check_values_of_1_x_come_out_to_the_digit() {
        let results = compared((503, 40), (600, 90), 0.95);
        assert_eq!((results.control_rate, results.variant_rate), (0.079_523, 0.15));
        assert_eq!((results.z_score, results.p_value, results.lift), (3.6155, 0.0003, 88.62));
        assert_eq!(results.confidence_interval, [0.033_392, 0.107_563]);
        assert!(results.significant && results.sufficient_data);
    }

    #[test]
    fn results_agree_with_scipy() {
        // norm.sf and norm.ppf of scipy 1.17 in the formulas of the module's head
        let cases = [
            ((10_000, 500), (10_000, 480), 0.9, (-0.6551, 0.512_385, -4.0), [-0.007_021, 0.003_021]),
            ((120, 3), (80, 9), 0.99, (2.5526, 0.010_691, 350.0), [-0.010_624, 0.185_624]),
            ((1_000_000, 10_000), (1_000_000, 10_310), 0.95, (2.1864, 0.028_789, 3.1), [0.000_032, 0.000_588]),
            ((50, 25), (50, 10), 0.5, (-3.1449, 0.001_662, -60.0), [-0.361_078, -0.238_922]),
        ];
        for (control, variant, confidence, figures, interval) in cases {
            let results = compared(control, variant, confidence);
            assert_eq!((results.z_score, results.p_value, results.lift), figures);
            assert_eq!(results.confidence_interval, interval);
        }
    }

    #[test]
    fn an_arm_without_impressions_says_nothing() {
        for (control, variant) in [((0, 0), (10, 5)), ((10, 5), (0, 7)), ((0, 0), (0, 0))] {
            let results = compared(control, variant, 0.95);
            assert_eq!((results.z_score, results.p_value, results.lift), (0.0, 1.0, 0.0));
            assert_eq!((results.control_rate, results.variant_rate, results.significant), (0.0, 0.0, false));
            assert_eq!(results.confidence_interval, [0.0, 0.0]);
        }
    }

    #[test]
    fn more_conversions_than_impressions_give_figures_rather_than_nothing() {
        for (control, variant) in [((10, 30), (10, 5)), ((10, 12), (10, 15)), ((10, 0), (10, 10)), ((10, 10), (10, 10))] {
            let results = compared(control, variant, 0.95);
            let figures = [results.z_score, results.p_value, results.lift, results.control_rate, results.variant_rate];
            assert!(figures.iter().chain(&results.confidence_interval).all(|figure| figure.is_finite()), "{results:?}");
        }
        assert_eq!(compared((10, 30), (10, 5), 0.95).control_rate, 3.0);
    }

    #[test]
    fn nothing_is_significant_before_the_sample_is_complete() {
        let early = compared((100, 5), (100, 50), 0.95);
        assert!(early.p_value < 0.001 && !early.significant && !early.sufficient_data);
    }
}
