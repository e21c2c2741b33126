//! Off-policy estimates: what a trained model would have answered to the requests of the past, and what its lists would have
//! earned, before it gets any traffic.
//!
//! Three things make such an estimate an honest one.
//!
//! **Chance.** What became of a list speaks for another list only where both show the same item in the same place, and counts as
//! much as one over the probability of that (the propensities of the log). Two slots that share the traffic by weight leave to
//! chance what a user is shown; a single slot leaves nothing, and then only a model that lists much the same can be judged. How
//! much of the model's lists some slot would have shown is the `support` of the estimates; with less than nine tenths of it they
//! have no bounds.
//!
//! **The model must not know what became of the lists.** One that was trained on the clicks it is judged by would rank these items
//! high, or leave them out as met already, and neither says how it does with what is yet to come. So only requests count that are
//! later than everything the model has learnt from. (Listing clicked items again in spite of the training would mend the second
//! and not the first.) An older upload, or one of which the last interaction is older, leaves more of the past to be judged by.
//!
//! **The model is asked what it would have been asked then.** That is the same code that serving runs: with what the user had
//! reported to have clicked or bought before, and with what is set for users whom the model does not know. What a request sent
//! along or asked for beside a list is not logged; such requests are left out and counted. They are chosen by what was asked, and
//! not by what was answered, so those that stay are judged fairly.
//!
//! What is not mended: what a user had clicked by then depends on the slot that answered them before, as in every replay of
//! traffic whose users come again.

mod replay;
mod routes;
mod service;
#[cfg(test)]
mod simulation;

pub use routes::{Docs, routes};
