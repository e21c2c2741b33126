//! The next step that follows from the findings of a test.

use serde::Serialize;
use utoipa::ToSchema;

/// The recommended next step for a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ABTestAdvice)]
pub enum Advice {
    /// Nothing can be concluded yet, and more data would help.
    KeepRunning,
    VariantWins,
    ControlWins,
    /// There is enough data, or there will be no more, and the arms do not differ.
    NoDifferenceFound,
    /// The users were not divided as planned, so the arms cannot be compared.
    CheckAssignment,
}

/// The findings from which the advice follows.
#[derive(Debug, Clone, Copy)]
pub struct Findings {
    /// The division of the users cannot be due to chance.
    pub suspicious: bool,
    /// The always-valid test finds a difference between the arms.
    pub significant: bool,
    pub variant_is_better: bool,
    pub wants_more_data: bool,
    /// The test has ended.
    pub is_over: bool,
}

/// Returns the advice. The always-valid test decides, at any time; a wrong division of the users precedes everything else.
pub fn advise(findings: Findings) -> Advice {
    match findings {
        Findings { suspicious: true, .. } => Advice::CheckAssignment,
        Findings { significant: true, variant_is_better: true, .. } => Advice::VariantWins,
        Findings { significant: true, .. } => Advice::ControlWins,
        Findings { wants_more_data: true, is_over: false, .. } => Advice::KeepRunning,
        _ => Advice::NoDifferenceFound,
    }
}
