//! Off-policy estimates: what a trained model would have answered to past requests, and what its lists would have earned, before
//! it gets any traffic.
//!
//! Three conditions make such an estimate sound.
//!
//! **Chance.** The outcome of a list says something about another list only where both show the same item at the same position,
//! with a weight of one over the probability of that (the propensities of the log). Two slots that share the traffic by weight
//! randomise what a user is shown; a single slot does not, and then only a model with much the same lists can be evaluated. The
//! share of the model's lists that some slot would have shown is the `support` of the estimates; below nine tenths of it they
//! have no bounds.
//!
//! **The model must not have learnt the outcome of the lists.** A model trained on the clicks it is evaluated by would rank these
//! items high, or leave them out as already seen, and neither says how it does on future requests. So only requests are used that
//! are later than everything the model has learnt from. (Listing clicked items again in spite of the training would solve the
//! second problem and not the first.) An older upload, or one whose last interaction is older, leaves more of the past for the
//! evaluation.
//!
//! **The model is queried exactly as it would have been then.** The same code as in serving runs: with the items that the
//! user had clicked or bought before according to the reported events, and with the policy for users the model does not know.
//! Interactions sent with a request and its request options are not logged; such requests are left out and counted. They are
//! selected by the request and not by its outcome, so the remaining ones give a fair estimate.
//!
//! One bias remains: what a user had clicked by then depends on the slot that answered before, as in every replay of traffic with
//! returning users.

mod replay;
mod routes;
mod service;
#[cfg(test)]
mod simulation;

pub use routes::{Docs, routes};
