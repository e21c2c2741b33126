//! Comparison of the lists of a shadow slot with those that were answered. Pure functions: how far two lists agree
//! ([`agreement`]), what the shadow would have earned ([`off_policy`], with a model of clicks and purchases in [`reward_model`]),
//! and all figures together ([`comparison`]).

mod agreement;
mod comparison;
mod off_policy;
mod reward_model;
#[cfg(test)]
mod simulation;

pub use comparison::{Comparison, compare};

/// A request with the list that was answered, the one that the shadow would have answered, and its clicks and purchases. Items
/// and users are numbers that have the same meaning in all requests of a comparison.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub user: u32,
    /// Best first, each item once.
    pub live: Vec<u32>,
    /// Best first, each item once.
    pub shadow: Vec<u32>,
    /// The probability that each item of the live list would have been shown at its place, over all slots that could have
    /// answered; `None` if it is unknown.
    pub propensities: Option<Vec<f64>>,
    pub clicked: Vec<u32>,
    pub bought: Vec<u32>,
}
