//! All figures of a test.

use serde::Serialize;
use utoipa::ToSchema;

use super::advice::{Advice, Findings, advise};
use super::classic::{self, Comparison};
use super::sample_ratio::{self, SampleRatio};
use super::sample_size::{self, Needed};
use super::sequential::{self, Plan, Sequential};
use super::{Arm, lift, z_score};

/// The comparison of two arms in answers.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ABTestResults)]
pub struct Results {
    #[serde(flatten)]
    pub comparison: Comparison,
    /// Lists shown by the control that led to at least one conversion: those without an impression of the same
    /// `recommendation_request_id` are left out, and several conversions of one list count once.
    pub control_attributed_conversions: i64,
    pub variant_attributed_conversions: i64,
    /// Whether the users were divided as planned; null for a test that has not been started.
    pub sample_ratio: Option<SampleRatio>,
    /// What may be concluded at any time, after any number of looks.
    pub sequential: Sequential,
    /// Bounds of `lift`, in percent, for a single look; null while an arm has no conversions.
    pub lift_interval: Option<[f64; 2]>,
    pub advice: Advice,
    /// Impressions per arm still to be collected: with them a difference is found four times out of five, if it is as large
    /// as the observed one or as the smallest that `min_sample_size` can show.
    pub needed_sample_size: Needed,
}

/// One arm with all its counts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Side {
    pub arm: Arm,
    pub attributed_conversions: i64,
    /// Different users who were shown something.
    pub users: i64,
    /// The weight of the slot when the test was started.
    pub weight: Option<f64>,
}

/// Applies every method to two arms.
pub fn judge(control: Side, variant: Side, plan: Plan, is_over: bool) -> Results {
    let sample_ratio = sample_ratio::check([control.users, variant.users], [control.weight, variant.weight]);
    let arms = (control.arm, variant.arm);
    let sequential = sequential::look(arms.0, arms.1, plan);
    let needed_sample_size = sample_size::needed(arms.0, arms.1, plan);
    let advice = advise(Findings {
        suspicious: sample_ratio.as_ref().is_some_and(|ratio| ratio.suspicious),
        significant: sequential.significant,
        variant_is_better: z_score(arms.0, arms.1) > 0.0,
        wants_more_data: !needed_sample_size.is_none(),
        is_over,
    });
    Results {
        comparison: classic::compare(arms.0, arms.1, plan.confidence_level, plan.min_sample_size),
        control_attributed_conversions: control.attributed_conversions,
        variant_attributed_conversions: variant.attributed_conversions,
        sample_ratio,
        sequential,
        lift_interval: lift::at_one_look(arms.0, arms.1, plan.confidence_level),
        advice,
        needed_sample_size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(conversions: i64, impressions: i64) -> Side {
        let arm = Arm { impressions, conversions };
        Side { arm, attributed_conversions: conversions, users: impressions, weight: Some(50.0) }
    }

    fn advice(control: Side, variant: Side, is_over: bool) -> Advice {
        judge(control, variant, Plan { min_sample_size: 2_000, confidence_level: 0.95 }, is_over).advice
    }

    #[test]
    fn advice_follows_the_always_valid_test_and_the_division_of_the_users() {
        assert_eq!(advice(side(50, 1_000), side(110, 1_000), false), Advice::VariantWins);
        assert_eq!(advice(side(110, 1_000), side(50, 1_000), false), Advice::ControlWins);
        // Significant at a single look, but more data may help.
        assert_eq!(advice(side(50, 1_000), side(72, 1_000), false), Advice::KeepRunning);
        assert_eq!(advice(side(50, 1_000), side(72, 1_000), true), Advice::NoDifferenceFound);
        assert_eq!(advice(side(0, 0), side(0, 0), false), Advice::KeepRunning);
        assert_eq!(advice(side(500, 10_000), side(505, 10_000), false), Advice::NoDifferenceFound);
        assert_eq!(advice(side(50, 1_000), Side { users: 600, ..side(110, 1_000) }, false), Advice::CheckAssignment);
    }
}
