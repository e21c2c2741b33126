//! The steps of one user with one block of items.

use rand_chacha::ChaCha8Rng;

use super::blocks::below;
use super::settings::{Loss, Settings};
use crate::simd::{Kernels, PairStep};

/// Initial sums of squared gradients, as in LightFM: without them first steps would be of full length.
pub(super) const FIRST_SQUARES: f32 = 1.0;

/// Draws of another item before an interaction is skipped.
const MOST_DRAWS: usize = 10;
/// Largest weight of a WARP step.
const GREATEST_WARP_WEIGHT: f32 = 10.0;
/// The score by which WARP requires an item to be ahead.
const WARP_MARGIN: f32 = 1.0;

/// A step that reduces the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wish {
    /// Index of the lesser item among the candidates.
    pub lesser: usize,
    /// Negative derivative of the loss by the margin.
    pub pull: f32,
    /// The sums of squares that set the learning rates of the vector and of the rows.
    pub squares: [f32; 2],
}

/// State that every step needs.
pub(super) struct Ranking<'a> {
    pub settings: &'a Settings,
    pub kernels: Kernels,
    /// Number of all items.
    pub n_items: usize,
}

impl Ranking<'_> {
    /// Draws, among some rows, an item that the item at `greater` should be ahead of and that is not `taken`.
    pub fn wish(
        &self,
        user: &[f32],
        rows: &[f32],
        greater: usize,
        taken: impl Fn(usize) -> bool,
        rng: &mut ChaCha8Rng,
    ) -> Option<Wish> {
        let width = user.len();
        let row = |at: usize| &rows[at * width..][..width];
        let mut draw = || Some(below(rows.len() / width, rng)).filter(|&at| !taken(at));
        let (lesser, weight) = match self.settings.loss {
            Loss::Bpr => ((0..MOST_DRAWS).find_map(|_| draw())?, None),
            Loss::Warp => {
                let ahead = self.kernels.dot(user, row(greater)) - WARP_MARGIN;
                let too_high = |at: &usize| self.kernels.dot(user, row(*at)) > ahead;
                let (drawn, lesser) = (1..=MOST_DRAWS).find_map(|n| draw().filter(too_high).map(|lesser| (n, lesser)))?;
                // The number of draws estimates how many items rank too high.
                let rank = (self.n_items.saturating_sub(1) / drawn).max(1);
                (lesser, Some((rank as f32).ln().min(GREATEST_WARP_WEIGHT)))
            }
        };
        let products = self.kernels.pair_products(user, row(greater), row(lesser));
        let pull = weight.unwrap_or_else(|| 1.0 / (1.0 + products.margin.exp()));
        let mean_square = |sum: f32| pull * pull * sum / self.settings.k as f32;
        Some(Wish { lesser, pull, squares: [mean_square(products.difference), mean_square(products.vector)] })
    }
}

/// Returns the lengths of a step, after the squares have been added to those of the user, the greater and the lesser item.
pub(super) fn lengths(settings: &Settings, pull: f32, squares: [f32; 3]) -> PairStep {
    let alphas = [settings.user_alpha, settings.item_alpha, settings.item_alpha];
    let rates = squares.map(|sum| settings.learning_rate / sum.sqrt());
    PairStep { pull: rates.map(|rate| rate * pull), shrink: std::array::from_fn(|i| rates[i] * alphas[i]) }
}
