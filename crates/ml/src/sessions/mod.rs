//! Recommending from the visit in progress: from the items of a session, in order, without knowing the user.
//!
//! A session is a list of items in the order in which they were viewed. In an interaction log the user column holds the session's
//! id and the time column gives the order; users with one long history each may be used as sessions too. This differs from the
//! matrix algorithms in its training data (order and time matter) and in its requests (a session that the model has never seen),
//! so it has a separate interface.
//!
//! The algorithm is VMIS-kNN (Kersbergen, Sprangers & Schelter: "Serenade", SIGMOD 2022), see [`VmisKnn`].

mod artifact;
mod evaluate;
mod index;
mod popularity;
mod recommend;
mod sequences;
mod settings;
mod vmis_knn;

pub use artifact::SessionModel;
pub use evaluate::{SessionEvaluation, evaluate};
pub use sequences::Sessions;
pub use vmis_knn::{Scorer, VmisKnn};

use crate::algorithms::{AlgorithmInfo, Kind};

/// Class name of the algorithm.
pub const NAME: &str = "VMISKNNRecommender";

/// The algorithm, as the registry has it.
pub(crate) static INFO: AlgorithmInfo = AlgorithmInfo {
    name: NAME,
    short: "VMISKNN",
    summary: "what came next in recent sessions like the one in progress; needs times",
    parameters: settings::parameters,
    kind: Kind::Sessions,
};

#[cfg(test)]
mod tests;
