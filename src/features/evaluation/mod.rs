//! How models are judged: split configs say what is held out, evaluation configs what is measured.
//! Neither belongs to a project; whoever shares an organisation with its maker can use it.

mod access;
mod model;
mod routes;
mod store;

pub use access::{evaluation_for, split_for};
pub use model::{EvaluationConfig, EvaluationFields, SplitConfig};
pub use routes::{Docs, routes};
pub use store::{find_evaluation, find_evaluations, find_split};
