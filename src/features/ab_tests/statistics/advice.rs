//! What to do, from what was found.

use serde::Serialize;
use utoipa::ToSchema;

/// The next step for somebody who looks at a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ABTestAdvice)]
pub enum Advice {
    /// Nothing can be said yet, and more data would help.
    KeepRunning,
    VariantWins,
    ControlWins,
    /// There is data enough, or there will be no more, and the arms look alike.
    NoDifferenceFound,
    /// The users were not divided as planned, so that the arms cannot be compared.
    CheckAssignment,
}

/// What advice is drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Findings {
    /// The division of the users cannot be chance.
    pub suspicious: bool,
    /// The always-valid test tells the arms apart.
    pub significant: bool,
    pub variant_is_better: bool,
    pub wants_more_data: bool,
    /// The test has ended.
    pub is_over: bool,
}

/// The always-valid test decides, whenever one looks; a wrong division of the users comes before everything.
pub fn advise(findings: Findings) -> Advice {
    match findings {
        Findings { suspicious: true, .. } => Advice::CheckAssignment,
        Findings { significant: true, variant_is_better: true, .. } => Advice::VariantWins,
        Findings { significant: true, .. } => Advice::ControlWins,
        Findings { wants_more_data: true, is_over: false, .. } => Advice::KeepRunning,
        _ => Advice::NoDifferenceFound,
    }
}
