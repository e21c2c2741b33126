//! The parameters of VMIS-kNN. Names are those of the session-rec framework (Ludewig & Jannach 2018) where it has one.

use serde_json::{Map, Value};

use super::NAME;
use crate::algorithms::{ParameterSpec, Params};
use crate::error::MlResult;
use crate::search_space::Domain;

const DECAYS: &[&str] = &["same", "div", "linear", "log", "quadratic"];

/// Returns every parameter with its type, default and range.
///
/// - `top_k`: neighbour sessions that give scores (k of the paper)
/// - `sample_size`: most recent sessions that share an item, among which neighbours are searched (m of the paper)
/// - `max_session_length`: number of a session's last items that are used
/// - `weighting`: how the weight of an item falls towards the session's beginning; `div` is the paper's (place / length)
/// - `weighting_score`: how a neighbour's weight falls the longer ago its latest shared item was; `linear` is the paper's
/// - `idf_weighting`: how much rare items are preferred; 0 is not at all
pub fn parameters() -> Vec<ParameterSpec> {
    vec![
        ParameterSpec::int("top_k", 1, 1_000_000, 100).searched(Domain::int(50, 1500)),
        ParameterSpec::int("sample_size", 1, 10_000_000, 500).searched(Domain::int(100, 5000)),
        ParameterSpec::int("max_session_length", 1, 10_000, 9),
        ParameterSpec::choice("weighting", DECAYS, "div"),
        ParameterSpec::choice("weighting_score", DECAYS, "linear"),
        ParameterSpec::float("idf_weighting", 0.0, 1000.0, 1.0).searched(Domain::float(0.0, 5.0)),
    ]
}

/// The decay of a weight with distance from the end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decay {
    Same,
    Div,
    Linear,
    Log,
    Quadratic,
}

impl Decay {
    fn read(word: &str) -> Self {
        match word {
            "div" => Decay::Div,
            "linear" => Decay::Linear,
            "log" => Decay::Log,
            "quadratic" => Decay::Quadratic,
            _ => Decay::Same,
        }
    }

    /// Returns the weight of an item in the session: `back` items before its end, 0 for the last one.
    pub fn of_item(self, back: usize, length: usize) -> f32 {
        let place = (length - back) as f32 / length as f32;
        match self {
            Decay::Same => 1.0,
            Decay::Div => place,
            Decay::Linear => (1.0 - 0.1 * back as f32).max(0.0),
            Decay::Log => 1.0 / (back as f32 + 1.7).log10(),
            Decay::Quadratic => place * place,
        }
    }

    /// Returns the weight of a neighbour whose latest shared item is `back` items before the end.
    pub fn of_neighbour(self, back: usize) -> f32 {
        let step = (back + 1) as f32;
        match self {
            Decay::Same => 1.0,
            Decay::Div => 1.0 / step,
            Decay::Linear => (1.0 - 0.1 * step).max(0.0),
            Decay::Log => 1.0 / (step + 1.7).log10(),
            Decay::Quadratic => 1.0 / (step * step),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Settings {
    pub top_k: usize,
    pub sample_size: usize,
    pub max_session_length: usize,
    pub weighting: Decay,
    pub weighting_score: Decay,
    pub idf_weighting: f64,
}

impl Settings {
    pub fn read(params: &Map<String, Value>) -> MlResult<Self> {
        let params = Params::check(NAME, parameters(), params)?;
        Ok(Settings {
            top_k: params.size("top_k")?,
            sample_size: params.size("sample_size")?,
            max_session_length: params.size("max_session_length")?,
            weighting: Decay::read(params.word("weighting")?),
            weighting_score: Decay::read(params.word("weighting_score")?),
            idf_weighting: params.float("idf_weighting")?,
        })
    }
}
