//! The algorithms: each file holds parameters, default search space, fitting and scoring of one.

mod algorithm;
mod asymmetric_cosine_knn;
mod bprfm;
mod cosine_knn;
mod dense_slim;
mod factor_model;
mod feature_weighting;
mod ials;
mod item_similarity;
mod jaccard_knn;
mod multvae;
mod neighbours;
mod nmf;
mod noise;
mod padding;
mod params;
mod random_walks;
mod recommender;
mod singular;
mod slim;
mod top_pop;
mod truncated_svd;
mod user_knn;
mod user_similarity;

pub use algorithm::{AlgorithmInfo, Before, Control, EpochHook, Kind, MatrixAlgorithm, TrainShape};
pub use params::{ParameterKind, ParameterSpec, Params};
pub use recommender::{Factors, Recommender};

pub(crate) use algorithm::Model;
use recommender::{check_block, check_items, check_pairs, scores_by_factors};

/// The algorithms that learn from a matrix, in the order in which they are shown.
pub(crate) static MATRIX_ALGORITHMS: &[AlgorithmInfo] = &[
    top_pop::INFO,
    cosine_knn::INFO,
    asymmetric_cosine_knn::INFO,
    jaccard_knn::JACCARD,
    jaccard_knn::TVERSKY,
    user_knn::COSINE,
    user_knn::ASYMMETRIC_COSINE,
    random_walks::P3ALPHA,
    random_walks::RP3BETA,
    dense_slim::DENSE_SLIM,
    dense_slim::EDLAE,
    slim::INFO,
    truncated_svd::INFO,
    nmf::INFO,
    ials::INFO,
    bprfm::INFO,
    multvae::INFO,
];
