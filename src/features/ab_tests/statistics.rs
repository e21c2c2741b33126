//! The comparison of two conversion rates: a two-proportion z test with pooled variance, and an interval of the difference
//! with the variances as they are. Pure functions; checked against scipy.

use serde::Serialize;
use utoipa::ToSchema;

/// What was counted in one arm of a test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arm {
    pub impressions: i64,
    pub conversions: i64,
}

impl Arm {
    fn rate(self) -> f64 {
        self.conversions as f64 / self.impressions as f64
    }

    /// Conversions may outnumber impressions, when several events count per impression or impressions were not reported. A
    /// share above 1 has no binomial variance; it counts as certain.
    fn variance(self) -> f64 {
        let share = self.rate().min(1.0);
        share * (1.0 - share) / self.impressions as f64
    }
}

/// How two arms compare, as clients see it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ABTestResults)]
pub struct Results {
    pub control_impressions: i64,
    pub control_conversions: i64,
    pub control_rate: f64,
    pub variant_impressions: i64,
    pub variant_conversions: i64,
    pub variant_rate: f64,
    pub z_score: f64,
    pub p_value: f64,
    /// The p-value is below 1 − confidence level, and there is enough data to look at it.
    pub significant: bool,
    /// Relative change in percent.
    pub lift: f64,
    /// Of the difference of the rates.
    pub confidence_interval: [f64; 2],
    pub min_sample_size: i32,
    /// Whether there are at least `min_sample_size` impressions in both arms together.
    pub sufficient_data: bool,
}

/// Compares two arms. An arm without impressions says nothing: no difference, no significance.
pub fn compare(control: Arm, variant: Arm, confidence_level: f64, min_sample_size: i32) -> Results {
    let sufficient_data = control.impressions + variant.impressions >= i64::from(min_sample_size);
    let nothing = Results {
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
    let margin = normal_quantile(0.5 + confidence_level / 2.0) * (control.variance() + variant.variance()).sqrt();
    Results {
        control_rate: rounded(before, 6),
        variant_rate: rounded(after, 6),
        z_score: rounded(z, 4),
        p_value: rounded(p, 6),
        // Looking again and again before the sample is complete finds a difference where there is none.
        significant: sufficient_data && p < 1.0 - confidence_level,
        lift: if before == 0.0 { 0.0 } else { rounded(difference / before * 100.0, 2) },
        confidence_interval: [rounded(difference - margin, 6), rounded(difference + margin, 6)],
        ..nothing
    }
}

fn z_score(control: Arm, variant: Arm) -> f64 {
    let (n, m) = (control.impressions as f64, variant.impressions as f64);
    let pooled = (control.conversions + variant.conversions) as f64 / (n + m);
    if pooled <= 0.0 || pooled >= 1.0 {
        return 0.0;
    }
    (variant.rate() - control.rate()) / (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt()
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    // Adding 0 turns -0 into 0.
    (value * scale).round() / scale + 0.0
}

/// How likely a standard normal variable is at least this far from 0.
pub fn two_sided_p(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// Where the standard normal distribution function reaches `p`: Acklam's approximation (relative error below 1.2e-9) with one
/// step of Halley's method on top.
pub fn normal_quantile(p: f64) -> f64 {
    let start = acklam(p);
    let error = 0.5 * libm::erfc(-start / std::f64::consts::SQRT_2) - p;
    let step = error * std::f64::consts::TAU.sqrt() * (start * start / 2.0).exp();
    start - step / (1.0 + start * step / 2.0)
}

fn acklam(p: f64) -> f64 {
    const LOW: f64 = 0.024_25;
    if p < LOW {
        tail((-2.0 * p.ln()).sqrt())
    } else if p > 1.0 - LOW {
        -tail((-2.0 * (1.0 - p).ln()).sqrt())
    } else {
        let q = p - 0.5;
        let r = q * q;
        let above = [
            -3.969_683_028_665_376e1,
            2.209_460_984_245_205e2,
            -2.759_285_104_469_687e2,
            1.383_577_518_672_69e2,
            -3.066_479_806_614_716e1,
            2.506_628_277_459_239,
        ];
        let below = [
            -5.447_609_879_822_406e1,
            1.615_858_368_580_409e2,
            -1.556_989_798_598_866e2,
            6.680_131_188_771_972e1,
            -1.328_068_155_288_572e1,
            1.0,
        ];
        polynomial(&above, r) * q / polynomial(&below, r)
    }
}

fn tail(q: f64) -> f64 {
    let above = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    let below = [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416, 1.0];
    polynomial(&above, q) / polynomial(&below, q)
}

/// Horner's scheme; the highest power comes first.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(control: (i64, i64), variant: (i64, i64), confidence: f64) -> Results {
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
    fn the_normal_distribution_agrees_with_scipy() {
        let quantiles = [
            (1e-10, -6.361_340_902_404_056),
            (0.005, -2.575_829_303_548_901),
            (0.25, -0.674_489_750_196_081_7),
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.995, 2.575_829_303_548_900_4),
        ];
        for (p, expected) in quantiles {
            assert!((normal_quantile(p) - expected).abs() < 1e-13, "{p}: {}", normal_quantile(p));
        }
        for (z, expected) in [(0.0, 1.0), (-1.96, 0.049_995_790_296_440_87), (6.0, 1.973_175_290_075_389e-9)] {
            assert!((two_sided_p(z) / expected - 1.0).abs() < 1e-12, "{z}");
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
