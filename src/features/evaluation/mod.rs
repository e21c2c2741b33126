//! How models are evaluated: split configs define what is held out, evaluation configs what is measured. Each belongs to an
//! organisation, and possibly to one of its projects. It cannot change once something was measured with it.

mod access;
mod model;
mod routes;
mod service;
mod store;

pub use model::{Estimate, EvaluationConfig, EvaluationFields, Scheme, SplitConfig, SplitFields, TargetMetric};
pub use routes::{Docs, routes};
pub use service::{bring_evaluation, bring_split, evaluation_for, split_for};
pub use store::{evaluation::insert as create_evaluation, split::insert as create_split};
pub use store::{find_evaluation, find_evaluations, find_split};
