//! The fitted factors: scoring, folding in, storing.

use std::sync::OnceLock;

use super::super::feature_maps::FeatureMaps;
use super::super::padding::{compact, pad};
use super::super::{Factors, Model, Recommender, check_items, check_pairs, scores_by_factors};
use super::half_step::{Effort, Scratch};
use super::problem::HalfStep;
use super::settings::Settings;
use super::sides::{Row, RowConfidences};
use super::{axes, explain, not_finite};
use crate::error::{MlError, MlResult};
use crate::simd::padded;
use crate::tensors::{TensorReader, TensorWriter};

/// Factors of users and items, rows padded with zeros, in the basis in which `itemsᵀ · items` is diagonal.
pub(super) struct Ials {
    pub settings: Settings,
    pub users: Vec<f32>,
    pub items: Vec<f32>,
    /// The diagonal of α0 · itemsᵀ · items, padded with zeros.
    pub item_energy: Vec<f32>,
    /// What features predict.
    pub maps: FeatureMaps,
    /// 1 / length of each item, computed when similar items are first requested.
    inverse_lengths: OnceLock<Vec<f32>>,
}

impl Ials {
    /// Creates a model from factors in any basis.
    pub fn new(settings: Settings, users: Vec<f32>, items: Vec<f32>) -> MlResult<Self> {
        let mut model = Self::aligned(settings, users, items, Vec::new());
        model.align()?;
        Ok(model)
    }

    /// Creates a model from factors that are in the right basis already.
    fn aligned(settings: Settings, users: Vec<f32>, items: Vec<f32>, item_energy: Vec<f32>) -> Self {
        Ials { settings, users, items, item_energy, maps: FeatureMaps::default(), inverse_lengths: OnceLock::new() }
    }

    /// Returns the length of a padded row.
    pub fn k_padded(&self) -> usize {
        padded(self.settings.k)
    }

    /// Rotates to the basis in which the dense part of the users' problem is diagonal; must run after every change of items.
    pub fn align(&mut self) -> MlResult<()> {
        self.inverse_lengths = OnceLock::new();
        let user_map = self.maps.users.as_deref_mut().unwrap_or_default();
        let item_map = self.maps.items.as_deref_mut().unwrap_or_default();
        let others = [self.users.as_mut_slice(), user_map, item_map];
        self.item_energy = axes::align(&mut self.items, others, self.settings.k, self.settings.alpha0)?;
        Ok(())
    }

    pub fn require_finite(&self) -> MlResult<()> {
        let finite = |factors: &[f32]| factors.iter().all(|v| v.is_finite());
        if finite(&self.users) && finite(&self.items) && finite(&self.item_energy) { Ok(()) } else { Err(not_finite()) }
    }

    fn row<'a>(&self, factors: &'a [f32], at: u32) -> &'a [f32] {
        &factors[at as usize * self.k_padded()..][..self.k_padded()]
    }

    fn as_factors(&self) -> Factors<'_> {
        Factors { users: &self.users, items: &self.items, width: self.k_padded() }
    }

    /// Computes the factors of a user with this history.
    fn fold_in(&self, items: &[u32]) -> MlResult<Vec<f32>> {
        let settings = &self.settings;
        let confidences = RowConfidences::All(settings.scaling.one(1.0, settings.epsilon));
        let row = Row { indices: items, upcoming: &[], confidences, prior: None };
        let effort = Effort { cg_steps: settings.prediction_cg_steps, sweeps: settings.prediction_sweeps };
        let mut user = vec![0f32; self.k_padded()];
        let half = HalfStep::new(settings, &self.items, &self.item_energy);
        half.solve(row, effort, &mut user, &mut Scratch::new(self.k_padded()))?;
        Ok(user)
    }

    fn inverse_lengths(&self) -> &[f32] {
        self.inverse_lengths.get_or_init(|| {
            let square = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>();
            self.items.chunks_exact(self.k_padded()).map(|row| 1.0 / square(row).sqrt().max(f32::MIN_POSITIVE)).collect()
        })
    }
}

impl Recommender for Ials {
    scores_by_factors!();

    /// Scores by the cosine of the factors.
    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        check_items(self, &[item], out)?;
        self.as_factors().score(self.row(&self.items, item), out);
        let inverse = self.inverse_lengths();
        let own = inverse[item as usize];
        out.iter_mut().zip(inverse).for_each(|(score, inverse)| *score *= own * inverse);
        Ok(())
    }

    /// Computes exact contributions to the exact solution, which the steps taken when scoring approximate.
    fn contributions(&self, history: &[u32], items: &[u32]) -> MlResult<Vec<f32>> {
        check_pairs(self, history, items)?;
        explain::contributions(&self.settings, &self.items, &self.item_energy, history, items)
    }

    fn item_feature_map(&self) -> Option<&[f32]> {
        self.maps.items.as_deref()
    }

    fn user_feature_map(&self) -> Option<&[f32]> {
        self.maps.users.as_deref()
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        let k = self.settings.k;
        out.f32s("model.users", &[self.n_users(), k], compact(&self.users, k, self.k_padded()));
        out.f32s("model.items", &[self.n_items(), k], compact(&self.items, k, self.k_padded()));
        out.f32s("model.item_energy", &[k], &self.item_energy[..k]);
        self.maps.save(out, k, self.k_padded());
        // Only numbers and words: this cannot fail.
        out.metadata("model.settings", &serde_json::to_string(&self.settings).unwrap_or_default());
    }

    fn heap_bytes(&self) -> u64 {
        (self.users.len() + self.items.len() + self.item_energy.len() + self.n_items()) as u64 * 4 + self.maps.heap_bytes()
    }
}

/// Reads a model back.
pub(super) fn load(input: &TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model> {
    let bad = |what: String| MlError::BadArtifact(what);
    let settings: Settings =
        serde_json::from_str(input.metadata("model.settings")?).map_err(|e| bad(format!("iALS settings: {e}")))?;
    let sane = [settings.reg, settings.nu, settings.epsilon, f64::from(settings.alpha0), f64::from(settings.observed_bias)]
        .iter()
        .all(|v| v.is_finite());
    if !sane || !(1..=4096).contains(&settings.k) || !settings.has_sane_effort() {
        return Err(bad("iALS settings are out of range".into()));
    }
    let (k, width) = (settings.k, padded(settings.k));
    let users = pad(&input.f32s_shaped("model.users", &[n_users, k])?, k, width);
    let items = pad(&input.f32s_shaped("model.items", &[n_items, k])?, k, width);
    let item_energy = pad(&input.f32s_shaped("model.item_energy", &[k])?, k, width);
    let mut model = Ials::aligned(settings, users, items, item_energy);
    model.maps = FeatureMaps::load(input, k, width)?;
    Ok(Box::new(model))
}
