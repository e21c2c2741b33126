//! The steps of one user with one block of items.

use rand_chacha::ChaCha8Rng;

use super::blocks::below;
use super::settings::{Loss, Settings};
use crate::ml::simd::{Kernels, PairStep};

/// How often another item is drawn before an interaction is passed over.
const MOST_DRAWS: usize = 10;
/// Greatest weight that WARP gives to a step.
const GREATEST_WARP_WEIGHT: f32 = 10.0;
/// The score by which WARP wants an item to be ahead.
const WARP_MARGIN: f32 = 1.0;

/// Items that a user may learn from: their rows, and what they are called outside.
pub(super) struct Candidates<'a> {
    pub rows: &'a [f32],
    pub ids: &'a [u32],
    pub n_items: usize,
}

/// A step that a loss asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wish {
    /// Where the lesser item is among the candidates.
    pub lesser: usize,
    /// Negative derivative of the loss by the margin.
    pub pull: f32,
    /// The squares that the rates of the vector and of the rows follow.
    pub squares: [f32; 2],
}

/// Draws the item that the item at `greater` should be ahead of.
///
/// `seen` are the outside names of everything the user has interacted with, rising.
pub(super) fn wish(
    settings: &Settings,
    kernels: Kernels,
    user: &[f32],
    greater: usize,
    seen: &[u32],
    candidates: &Candidates<'_>,
    rng: &mut ChaCha8Rng,
) -> Option<Wish> {
    let width = user.len();
    let row = |at: usize| &candidates.rows[at * width..][..width];
    let mut draw = || Some(below(candidates.ids.len(), rng)).filter(|&at| seen.binary_search(&candidates.ids[at]).is_err());
    let (lesser, weight) = match settings.loss {
        Loss::Bpr => ((0..MOST_DRAWS).find_map(|_| draw())?, None),
        Loss::Warp => {
            let ahead = kernels.dot(user, row(greater)) - WARP_MARGIN;
            let too_high = |at: &usize| kernels.dot(user, row(*at)) > ahead;
            let (drawn, lesser) = (1..=MOST_DRAWS).find_map(|n| draw().filter(too_high).map(|lesser| (n, lesser)))?;
            // As many rank too high as one in so many draws suggests.
            let rank = (candidates.n_items.saturating_sub(1) / drawn).max(1);
            (lesser, Some((rank as f32).ln().min(GREATEST_WARP_WEIGHT)))
        }
    };
    let products = kernels.pair_products(user, row(greater), row(lesser));
    let pull = weight.unwrap_or_else(|| 1.0 / (1.0 + products.margin.exp()));
    let mean_square = |sum: f32| pull * pull * sum / settings.k as f32;
    Some(Wish { lesser, pull, squares: [mean_square(products.difference), mean_square(products.vector)] })
}

/// Lengths of a step, after the squares have been added to those of the user, the greater and the lesser item.
pub(super) fn lengths(settings: &Settings, pull: f32, squares: [f32; 3]) -> PairStep {
    let alphas = [settings.user_alpha, settings.item_alpha, settings.item_alpha];
    let rates = squares.map(|sum| settings.learning_rate / sum.sqrt());
    PairStep { pull: rates.map(|rate| rate * pull), shrink: std::array::from_fn(|i| rates[i] * alphas[i]) }
}
