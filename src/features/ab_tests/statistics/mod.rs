//! Statistics of the counts of two arms. Pure functions, one method each: the figures of 1.x ([`classic`]), a test that may be
//! looked at every day ([`sequential`]), whether the traffic was divided as planned ([`sample_ratio`]), the size of the change
//! ([`lift`]), the data still needed ([`sample_size`]), and the next step ([`advice`]).

mod advice;
mod classic;
mod lift;
mod results;
mod sample_ratio;
mod sample_size;
mod sequential;
#[cfg(test)]
mod simulation;

pub use results::{Results, Side, judge};
pub use sequential::Plan;

/// The counts of one arm of a test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arm {
    pub impressions: i64,
    pub conversions: i64,
}

impl Arm {
    fn rate(self) -> f64 {
        self.conversions as f64 / self.impressions as f64
    }

    /// Returns the variance of the rate. Conversions may outnumber impressions if several events are counted per impression or
    /// impressions were not reported. A share above 1 has no binomial variance; it is treated as certain.
    fn variance(self) -> f64 {
        let share = self.rate().min(1.0);
        share * (1.0 - share) / self.impressions as f64
    }
}

/// Returns the difference of the rates in standard errors with pooled variance; 0 if nothing varies.
fn z_score(control: Arm, variant: Arm) -> f64 {
    let (n, m) = (control.impressions as f64, variant.impressions as f64);
    let pooled = (control.conversions + variant.conversions) as f64 / (n + m);
    if pooled <= 0.0 || pooled >= 1.0 {
        return 0.0;
    }
    (variant.rate() - control.rate()) / (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt()
}

/// Returns the information of two arms about a difference of their rates: the variance of a single impression over that of the
/// difference. 0 while an arm is empty.
fn information(control: Arm, variant: Arm) -> f64 {
    let (n, m) = (control.impressions as f64, variant.impressions as f64);
    if n + m == 0.0 { 0.0 } else { n * m / (n + m) }
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    // Adding 0 turns -0 into 0.
    (value * scale).round() / scale + 0.0
}
