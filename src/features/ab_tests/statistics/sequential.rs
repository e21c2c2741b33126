//! A p-value that is valid at any number of looks: the mixture sequential probability ratio test for two proportions, of Johari,
//! Koomen, Pekelis and Walsh, "Always Valid Inference: Continuous Monitoring of A/B Tests" (Operations Research 2022), section 5.
//!
//! The difference of the rates is compared with 0 against a mixture N(0, τ²) of differences. With s² the variance of the
//! observed difference d, the likelihood ratio is Λ = √(s² / (s² + τ²)) · exp(τ² d² / (2 s² (s² + τ²))), and the p-value
//! min(1, 1/Λ). The variance is plugged in: p(1 − p) of both arms pooled, as in the z test, so that with r = τ² / s² the
//! ratio is a function of the z-score, 1/Λ = √(1 + r) · exp(−z² r / (2 (1 + r))).
//!
//! τ is chosen so that the test is most sensitive when it has the impressions it was planned for: τ² is the variance of the
//! difference at that time times 2 ln(1/α) + ln(1 + 2 ln(1/α)), which nearly minimises the boundary there (Howard, Ramdas,
//! McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 2021, section
//! 3.5). It depends on the plan and not on what is observed, as validity requires. While the counts are low r is small and
//! nothing is significant, so that the test does not rely on the normal approximation where that is poor.
//!
//! The paper takes the smallest p-value of all looks so far. Earlier looks are not stored here; the p-value of the present one is
//! larger or equal, so that its conclusions are still valid.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Arm, information, lift, rounded, z_score};

/// What may be concluded now, after any number of earlier looks.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ABTestSequential)]
pub struct Sequential {
    /// Always valid: looking every day does not make false alarms more frequent.
    pub p_value: f64,
    /// The p-value is below 1 − confidence level.
    pub significant: bool,
    /// Bounds of the relative change, in percent, that hold at every look; null while an arm has no conversions.
    pub lift_interval: Option<[f64; 2]>,
}

/// The planned size and confidence of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Impressions of both arms together.
    pub min_sample_size: i32,
    pub confidence_level: f64,
}

impl Plan {
    /// Returns the permitted rate of false positives in tests of equal arms.
    pub fn alpha(self) -> f64 {
        1.0 - self.confidence_level
    }

    /// Returns τ² / s² at this information; the planned impressions are assumed to be divided evenly.
    pub fn mixture_ratio(self, information: f64) -> f64 {
        let twice_log = -2.0 * self.alpha().ln();
        (twice_log + twice_log.ln_1p()) * information / (f64::from(self.min_sample_size) / 4.0)
    }

    /// Returns the z-score at which the p-value is α. Infinite while there is no information.
    pub fn boundary(self, information: f64) -> f64 {
        let ratio = self.mixture_ratio(information);
        ((1.0 + ratio) / ratio * (ratio.ln_1p() - 2.0 * self.alpha().ln())).sqrt()
    }
}

/// Evaluates two arms.
pub fn look(control: Arm, variant: Arm, plan: Plan) -> Sequential {
    let known = information(control, variant);
    let p = p_value(control, variant, plan);
    Sequential {
        p_value: rounded(p, 6),
        significant: p < plan.alpha(),
        lift_interval: lift::interval(control, variant, plan.boundary(known)),
    }
}

fn p_value(control: Arm, variant: Arm, plan: Plan) -> f64 {
    let known = information(control, variant);
    if known == 0.0 {
        return 1.0;
    }
    let (ratio, z) = (plan.mixture_ratio(known), z_score(control, variant));
    ((1.0 + ratio).sqrt() * (-z * z * ratio / (2.0 * (1.0 + ratio))).exp()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(conversions: i64, impressions: i64) -> Arm {
        Arm { impressions, conversions }
    }

    fn plan(min_sample_size: i32, confidence_level: f64) -> Plan {
        Plan { min_sample_size, confidence_level }
    }

    #[test]
    fn the_ratio_is_the_integral_over_the_mixture() {
        // scipy 1.17, p = (x0 + x1) / (n0 + n1), s = sqrt(p * (1 - p) * (1/n0 + 1/n1)), d = x1/n1 - x0/n0, l = 2 * log(1/α),
        // t = sqrt((l + log(1 + l)) * p * (1 - p) * 4 / minimum):
        // min(1, norm.pdf(d, 0, s) / quad(lambda x: norm.pdf(d, x, s) * norm.pdf(x, 0, t), …)[0])
        let cases = [
            (arm(40, 503), arm(90, 600), plan(1_000, 0.95), 0.008_863_845_504_729_89),
            (arm(500, 10_000), arm(480, 10_000), plan(20_000, 0.9), 1.0),
            (arm(3, 120), arm(9, 80), plan(1_000, 0.99), 0.190_022_358_357_056_53),
            (arm(1_000, 10_000), arm(1_130, 10_000), plan(20_000, 0.95), 0.057_955_170_983_142_255),
            (arm(50, 500), arm(75, 500), plan(10_000, 0.95), 0.378_297_473_159_450_4),
        ];
        for (control, variant, plan, expected) in cases {
            let p = p_value(control, variant, plan);
            assert!((p / expected - 1.0).abs() < 1e-9, "{p} for {expected}");
            assert_eq!(look(control, variant, plan).significant, expected < plan.alpha());
        }
    }

    #[test]
    fn the_boundary_is_where_the_p_value_is_alpha_and_bounds_the_lift() {
        // brentq over the p-value above; confint_proportions_2indep(x1, n1, x0, n0, method="log", compare="ratio",
        // alpha=2 * norm.sf(boundary), correction=False) of statsmodels 0.15
        let cases = [
            (arm(40, 503), arm(90, 600), plan(1_000, 0.95), 3.035_349_741_530_283_5, [9.17, 225.9]),
            (arm(1_000, 10_000), arm(1_130, 10_000), plan(20_000, 0.95), 3.035_208_990_376_252_5, [-0.24, 27.99]),
        ];
        for (control, variant, plan, boundary, interval) in cases {
            assert!((plan.boundary(information(control, variant)) - boundary).abs() < 1e-9);
            assert_eq!(look(control, variant, plan).lift_interval, Some(interval));
        }
    }

    #[test]
    fn nothing_is_said_about_arms_without_impressions_or_without_variation() {
        for (control, variant) in
            [(arm(0, 0), arm(0, 0)), (arm(0, 0), arm(5, 10)), (arm(0, 10), arm(0, 10)), (arm(30, 10), arm(5, 10))]
        {
            let seen = look(control, variant, plan(1_000, 0.95));
            assert_eq!((seen.p_value, seen.significant), (1.0, false));
        }
        assert_eq!(look(arm(0, 10), arm(3, 10), plan(1_000, 0.95)).lift_interval, None);
    }
}
