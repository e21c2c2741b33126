//! The algorithms: each file holds parameters, default search space, fitting and scoring of one.

mod algorithm;
mod asymmetric_cosine_knn;
mod bprfm;
mod content_knn;
mod cosine_knn;
mod dense_slim;
mod factor_model;
mod feature_maps;
mod feature_weighting;
mod fixed_scores;
mod ials;
mod item_similarity;
mod jaccard_knn;
mod multvae;
mod neighbours;
mod new_items;
mod nmf;
mod noise;
mod padding;
mod params;
mod profiles;
mod random_scores;
mod random_walks;
mod recommender;
mod singular;
mod slim;
mod top_pop;
mod truncated_svd;
mod user_knn;
mod user_similarity;

pub use algorithm::{AlgorithmInfo, Before, Control, EpochHook, Kind, MatrixAlgorithm, NewItems, TrainInput, TrainShape};
pub use fixed_scores::FixedScores;
pub use new_items::{Base, ColdMap, ColdMapFitter, Extension, extend, popularity_from_features};
pub use params::{ParameterKind, ParameterSpec, Params};
pub use profiles::UserMap;
pub use random_scores::RandomScores;
pub use recommender::{Factors, ItemWeights, Recommender};

pub(crate) use algorithm::{Model, USER_FEATURE_PARAMETERS};
use recommender::{check_block, check_items, check_pairs, scores_by_factors};

/// The algorithms that learn from a matrix, in the order in which they are shown.
pub(crate) static MATRIX_ALGORITHMS: &[AlgorithmInfo] = &[
    top_pop::INFO,
    content_knn::INFO,
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
