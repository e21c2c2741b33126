//! Weighting of items by how informative they are, with users as documents and items as words.

use super::neighbours::Weighted;
use super::{ParameterSpec, Params};
use crate::error::MlResult;
use crate::search_space::Domain;
use crate::sparse::Csr;

const SCHEMES: &[&str] = &["NONE", "TF_IDF", "BM_25"];

/// A weighting scheme.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) enum FeatureWeighting {
    /// Unweighted.
    None,
    /// Multiplied by log(users / (1 + users of the item)).
    TfIdf,
    /// Okapi BM25 (Robertson & Zaragoza 2009) with a user's number of items as document length.
    Bm25 {
        /// Saturation.
        k1: f64,
        /// Strength of the normalisation by length of history.
        b: f64,
    },
}

impl FeatureWeighting {
    /// Returns the parameters that choose the weighting.
    pub fn parameters() -> [ParameterSpec; 3] {
        [
            ParameterSpec::choice("feature_weighting", SCHEMES, "NONE").searched(Domain::categorical(SCHEMES.iter().copied())),
            ParameterSpec::float("bm25_k1", 0.0, 1e6, 1.2),
            ParameterSpec::float("bm25_b", 0.0, 1.0, 0.75),
        ]
    }

    /// Reads the weighting from the parameters.
    pub fn from_params(params: &Params<'_>) -> MlResult<Self> {
        Ok(match params.word("feature_weighting")? {
            "TF_IDF" => FeatureWeighting::TfIdf,
            "BM_25" => FeatureWeighting::Bm25 { k1: params.float("bm25_k1")?, b: params.float("bm25_b")? },
            _ => FeatureWeighting::None,
        })
    }

    /// Returns the weighted matrix.
    pub fn apply<'a>(&self, train: &'a Csr) -> Weighted<'a> {
        let n_users = train.n_rows as f64;
        let counts = train.column_counts();
        match *self {
            FeatureWeighting::None => Weighted::plain(train),
            FeatureWeighting::TfIdf => {
                let idf: Vec<f64> = counts.iter().map(|&c| (n_users / (f64::from(c) + 1.0)).ln()).collect();
                Weighted::map(train, |_, item, value| value * idf[item])
            }
            FeatureWeighting::Bm25 { k1, b } => {
                let idf: Vec<f64> = counts.iter().map(|&c| (n_users / (f64::from(c) + 1.0) + 1.0).ln()).collect();
                let length = |user: usize| train.row(user).1.iter().map(|&v| f64::from(v)).sum::<f64>();
                let lengths: Vec<f64> = (0..train.n_rows).map(length).collect();
                let mean_length = lengths.iter().sum::<f64>() / n_users;
                Weighted::map(train, |user, item, value| {
                    let held_back = k1 * (1.0 - b + b * lengths[user] / mean_length);
                    idf[item] * (value * (k1 + 1.0)) / (value + held_back)
                })
            }
        }
    }
}
