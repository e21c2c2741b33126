//! Starting from the factors of an earlier model, so that fewer epochs are needed.

use super::super::{Before, Factors, Model, Params};
use super::features::{self, Pulls};
use super::settings::Settings;
use super::{INFO, Training, improve, parameters, random_start};
use crate::algorithms::Control;
use crate::context::Context;
use crate::error::MlResult;
use crate::simd::padded;
use crate::sparse::Csr;

/// A start from an earlier model needs one in this many of the epochs of a random start.
const SHARE: usize = 4;

/// Fits from the factors of those users and items that an earlier model knows; the others start with random factors. Returns
/// `None` when that model has another number of components, and for a model that learns from features: its map has no start.
pub(in crate::algorithms) fn fit(
    params: &Params<'_>,
    train: &Csr,
    before: &Before<'_>,
    ctx: &Context,
) -> MlResult<Option<Model>> {
    if features::are_wanted(params)? {
        return Ok(None);
    }
    let k = params.size("n_components")?;
    // Parameters written by another version may not be readable any more.
    let k_before = Params::check(INFO.name, parameters(), before.parameters).and_then(|params| params.size("n_components"));
    let fits = before.factors.width == padded(k) && (before.users.len(), before.items.len()) == (train.n_rows, train.n_cols);
    if k_before.ok() != Some(k) || !fits {
        return Ok(None);
    }
    let Factors { users: known_users, items: known_items, width } = before.factors;
    let (mut users, mut items) = random_start(params, k, train, ctx)?;
    copy(known_users, before.users, &mut users, width);
    copy(known_items, before.items, &mut items, width);
    let epochs = params.size("train_epochs")?.div_ceil(SHARE) as u32;
    let settings = Settings::read(params, train)?;
    let training = Training { train, pulls: Pulls::default(), epochs };
    improve(settings, (users, items), training, ctx, &mut |_, _| Ok(Control::Continue)).map(Some)
}

/// Copies in the rows that were known before.
fn copy(known: &[f32], places: &[Option<u32>], rows: &mut [f32], width: usize) {
    for (row, place) in rows.chunks_exact_mut(width).zip(places) {
        let start = place.map(|place| place as usize * width);
        if let Some(before) = start.and_then(|start| known.get(start..start + width)) {
            row.copy_from_slice(before);
        }
    }
}
