//! What the lists of a shadow slot say beside those that were answered. Pure functions: how far two lists agree
//! ([`agreement`]), what the shadow would have earned ([`off_policy`], with a model of what is clicked in [`reward_model`]),
//! and all of it together ([`comparison`]).

mod agreement;
mod comparison;
mod off_policy;
mod reward_model;
#[cfg(test)]
mod simulation;

pub use comparison::{Comparison, compare};

/// A request with the list that was answered, the one the shadow would have answered, and what became of it. Items and users
/// are numbers that mean the same in all requests of a comparison.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub user: u32,
    /// Best first, each item once.
    pub live: Vec<u32>,
    /// Best first, each item once.
    pub shadow: Vec<u32>,
    /// With which probability each item of the live list would have been shown in its place, whichever slot had answered; none
    /// where that is not known.
    pub propensities: Option<Vec<f64>>,
    pub clicked: Vec<u32>,
    pub bought: Vec<u32>,
}
