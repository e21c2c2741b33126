//! The learnt factors: scoring, folding in, storing.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::super::feature_maps::FeatureMaps;
use super::super::padding::{compact, pad};
use super::super::{Factors, Model, Recommender, check_items, scores_by_factors};
use super::blocks::shuffle;
use super::settings::Settings;
use super::steps::{FIRST_SQUARES, Ranking, lengths};
use crate::error::{MlError, MlResult};
use crate::simd::{Kernels, padded};
use crate::tensors::{TensorReader, TensorWriter};

/// Passes over a history when folding in.
const FOLDING_EPOCHS: usize = 40;

/// Returns the length of a row: the factors, the bias, and zeros.
pub(super) fn row_width(k: usize) -> usize {
    padded(k + 1)
}

/// Rows of users, `factors, 1, 0 …`, and of items, `factors, bias, 0 …`.
pub(super) struct Bpr {
    pub settings: Settings,
    pub users: Vec<f32>,
    pub items: Vec<f32>,
    /// What features add.
    pub maps: FeatureMaps,
}

impl Bpr {
    pub fn is_finite(&self) -> bool {
        self.users.iter().chain(&self.items).all(|v| v.is_finite())
    }

    fn width(&self) -> usize {
        row_width(self.settings.k)
    }

    fn row<'a>(&self, rows: &'a [f32], at: u32) -> &'a [f32] {
        &rows[at as usize * self.width()..][..self.width()]
    }

    fn as_factors(&self) -> Factors<'_> {
        Factors { users: &self.users, items: &self.items, width: self.width() }
    }

    /// Computes the row of a user with these interactions: training's steps from the mean of all users, with items fixed.
    fn fold_in(&self, history: &[u32]) -> MlResult<Vec<f32>> {
        let (width, k) = (self.width(), self.settings.k);
        let ranking = Ranking { settings: &self.settings, kernels: Kernels::detect(), n_items: self.n_items() };
        let mut user = vec![0f32; width];
        user[k] = 1.0;
        let mut seen = history.to_vec();
        seen.sort_unstable();
        let mut order = seen.clone();
        let taken = |item: usize| seen.binary_search(&(item as u32)).is_ok();
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        let mut squares = FIRST_SQUARES;
        for _ in 0..FOLDING_EPOCHS {
            shuffle(&mut order, &mut rng);
            for &item in &order {
                let wish = ranking.wish(&user, &self.items, item as usize, taken, &mut rng);
                let Some(wish) = wish else { continue };
                squares += wish.squares[0];
                let step = lengths(&self.settings, wish.pull, [squares; 3]);
                let (greater, lesser) = (self.row(&self.items, item), self.row(&self.items, wish.lesser as u32));
                ranking.kernels.pair_step_of_vector(&mut user, greater, lesser, step.pull[0], step.shrink[0]);
                user[k] = 1.0;
            }
        }
        Ok(user)
    }
}

impl Recommender for Bpr {
    scores_by_factors!();

    /// Scores by the cosine of the factors without the bias.
    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        check_items(self, &[item], out)?;
        let (width, k) = (self.width(), self.settings.k);
        let mut own = self.row(&self.items, item).to_vec();
        own[k] = 0.0;
        self.as_factors().score(&own, out);
        let length = |row: &[f32]| row[..k].iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        let length_of_own = length(&own);
        for (score, row) in out.iter_mut().zip(self.items.chunks_exact(width)) {
            *score /= length_of_own * length(row);
        }
        Ok(())
    }

    fn item_feature_map(&self) -> Option<&[f32]> {
        self.maps.items.as_deref()
    }

    fn user_feature_map(&self) -> Option<&[f32]> {
        self.maps.users.as_deref()
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        let k = self.settings.k;
        out.f32s("model.users", &[self.n_users(), k], compact(&self.users, k, self.width()));
        // With the bias after the factors.
        out.f32s("model.items", &[self.n_items(), k + 1], compact(&self.items, k + 1, self.width()));
        self.maps.save(out, k + 1, self.width());
        // Only numbers and words: this cannot fail.
        out.metadata("model.settings", &serde_json::to_string(&self.settings).unwrap_or_default());
    }

    fn heap_bytes(&self) -> u64 {
        (self.users.len() + self.items.len()) as u64 * 4 + self.maps.heap_bytes()
    }
}

/// Reads a model back.
pub(super) fn load(input: &TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model> {
    let bad = |what: String| MlError::BadArtifact(what);
    let settings: Settings =
        serde_json::from_str(input.metadata("model.settings")?).map_err(|e| bad(format!("BPRFM settings: {e}")))?;
    if !settings.sane() {
        return Err(bad("BPRFM settings are out of range".into()));
    }
    let (k, width) = (settings.k, row_width(settings.k));
    let mut users = pad(&input.f32s_shaped("model.users", &[n_users, k])?, k, width);
    let items = pad(&input.f32s_shaped("model.items", &[n_items, k + 1])?, k + 1, width);
    users.chunks_exact_mut(width).for_each(|row| row[k] = 1.0);
    let maps = FeatureMaps::load(input, k + 1, width)?;
    Ok(Box::new(Bpr { settings, users, items, maps }))
}
