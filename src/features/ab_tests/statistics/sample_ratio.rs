//! Whether the traffic was divided as planned: a chi-square test of the users of each arm against the weights of the slots when
//! the test was started (Fabijan et al., "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", KDD 2019). Users
//! instead of impressions, since users are what is divided: a user stays in an arm, and the lists of one user are not
//! independent.

use serde::Serialize;
use utoipa::ToSchema;

use super::rounded;
use crate::ml::normal::two_sided_p;

/// With a look every day for a month, a sound test is called suspicious less than once in thirty.
const SUSPICIOUS_BELOW: f64 = 0.001;

/// The users of both arms, observed and expected.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ABTestSampleRatio)]
pub struct SampleRatio {
    pub control_users: i64,
    pub variant_users: i64,
    /// The share of the control among the users of both arms, by the weights at the start.
    pub expected_control_share: f64,
    pub p_value: f64,
    /// The division cannot be chance: something assigns, loses or reports users unevenly, and no comparison can be trusted.
    pub suspicious: bool,
}

/// Compares users with weights, control first. `None` if a weight is unknown or none is above 0.
pub fn check(users: [i64; 2], weights: [Option<f64>; 2]) -> Option<SampleRatio> {
    let [control_weight, variant_weight] = [weights[0]?, weights[1]?];
    let share = control_weight / (control_weight + variant_weight);
    if !share.is_finite() {
        return None;
    }
    let total = (users[0] + users[1]) as f64;
    let p = two_sided_p(chi_square([(users[0], total * share), (users[1], total * (1.0 - share))]).sqrt());
    Some(SampleRatio {
        control_users: users[0],
        variant_users: users[1],
        expected_control_share: rounded(share, 6),
        p_value: rounded(p, 6),
        suspicious: p < SUSPICIOUS_BELOW,
    })
}

/// Returns the statistic, of one degree of freedom: the square of a standard normal variable. Infinite if users were seen where
/// none were expected.
fn chi_square(cells: [(i64, f64); 2]) -> f64 {
    let far = |(seen, expected): (i64, f64)| match (seen as f64 - expected).powi(2) {
        0.0 => 0.0,
        square => square / expected,
    };
    cells.into_iter().map(far).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_p_value_agrees_with_scipy() {
        // chisquare([a, b], [(a + b) * u / (u + v), (a + b) * v / (u + v)]).pvalue of scipy 1.17
        let cases = [
            ([500, 500], [50.0, 50.0], 1.0),
            ([5_100, 4_900], [50.0, 50.0], 0.045_500_263_896_358_57),
            ([8_210, 1_790], [80.0, 20.0], 1.520_992_103_297_742_4e-7),
            ([300, 420], [1.0, 1.0], 7.744_216_431_044_088e-6),
            ([1_000, 995], [30.0, 70.0], 1.134_981_178_708_993_7e-85),
        ];
        for (users, weights, expected) in cases {
            let ratio = check(users, weights.map(Some)).unwrap();
            assert_eq!((ratio.p_value, ratio.suspicious), (rounded(expected, 6), expected < 0.001));
            let share = weights[0] / (weights[0] + weights[1]);
            let total = (users[0] + users[1]) as f64;
            let exact = two_sided_p(chi_square([(users[0], total * share), (users[1], total * (1.0 - share))]).sqrt());
            assert!((exact / expected - 1.0).abs() < 1e-9, "{exact} for {expected}");
        }
    }

    #[test]
    fn without_weights_there_is_nothing_to_compare_with_and_without_users_nothing_to_suspect() {
        assert_eq!(check([5, 5], [None, Some(1.0)]), None);
        assert_eq!(check([5, 5], [Some(0.0), Some(0.0)]), None);
        let empty = check([0, 0], [Some(50.0), Some(50.0)]).unwrap();
        assert_eq!((empty.p_value, empty.suspicious), (1.0, false));
        assert!(check([1, 50], [Some(0.0), Some(50.0)]).unwrap().suspicious);
        assert!(!check([0, 50], [Some(0.0), Some(50.0)]).unwrap().suspicious);
    }
}
