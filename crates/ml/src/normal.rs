//! The standard normal distribution.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Standard deviations to either side of the mean that hold 95 % of the distribution.
pub const REACH_OF_95_PERCENT: f64 = 1.959_963_984_540_054;

/// Draws a number, by Box and Muller's method.
pub fn sample(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// Computes the distribution function: how likely a number is at most this large.
pub fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// Computes how likely a number is at least this far from 0.
pub fn two_sided_p(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// Finds where the distribution function reaches `p`: Acklam's approximation (relative error below 1.2e-9) with one step of
/// Halley's method on top.
pub fn quantile(p: f64) -> f64 {
    let start = acklam(p);
    let error = cdf(start) - p;
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

/// Evaluates a polynomial by Horner's scheme; the highest power comes first.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!((quantile(p) - expected).abs() < 1e-13, "{p}: {}", quantile(p));
            assert!((cdf(expected) / p - 1.0).abs() < 1e-12, "{p}: {}", cdf(expected));
        }
        for (z, expected) in [(0.0, 1.0), (-1.96, 0.049_995_790_296_440_87), (6.0, 1.973_175_290_075_389e-9)] {
            assert!((two_sided_p(z) / expected - 1.0).abs() < 1e-12, "{z}");
        }
        assert!((quantile(0.975) - REACH_OF_95_PERCENT).abs() < 1e-13);
    }
}
