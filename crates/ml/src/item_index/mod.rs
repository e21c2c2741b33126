//! The best items for a vector of factors, without scoring most of them exactly.
//!
//! Items are ordered from the longest factors to the shortest, each rounded to bytes with a scale of its own. A search goes
//! through them in three steps, each of which drops only items that cannot be in the list:
//! 1. by Cauchy and Schwarz no score exceeds the product of the two lengths: where even that is too little, the search
//!    ends, since the remaining items are shorter still;
//! 2. the product of the bytes gives the score up to an error that is bounded, again by Cauchy and Schwarz, by how far
//!    bytes and factors are apart; an item is kept when its score may reach the k-th greatest that is certain;
//! 3. the few items that are left are scored with [`Kernels::dot`], like everything that is scored at all.
//!
//! So a list is exactly that of scoring everything: same items, same order, same bits. Bounds include the rounding of every step,
//! including that of the final scores. Vectors too large for that, or not finite, are answered by scoring everything.

mod bytes;
mod search;
#[cfg(test)]
mod tests;
mod tiles;

pub use search::Scratch;
pub use tiles::Tiles;

use crate::algorithms::Factors;
use crate::simd::{Aligned, BYTE_GROUP, BYTE_PANEL, BYTE_ZERO, Kernels};
use bytes::{Rounded, round_up};

/// A model's items, prepared for searching. The factors themselves stay in the model.
#[derive(Debug, Clone)]
pub struct ItemIndex {
    kernels: Kernels,
    /// Length of a row of factors.
    width: usize,
    /// Item at each place.
    order: Vec<u32>,
    /// Place of each item.
    places: Vec<u32>,
    /// Length of the longest row; infinite when some number is not finite.
    longest: f32,
    /// Bytes of the items, in the layout of [`crate::simd::BytePanels`]; places beyond the last item are zero.
    bytes: Aligned,
    scales: Vec<f32>,
    lengths: Vec<f32>,
    blurs: Vec<f32>,
}

impl ItemIndex {
    /// Prepares the items of a model, which takes about as long as scoring a hundred users. Rows are a multiple of
    /// [`crate::simd::PAD`] long.
    pub fn new(factors: &Factors<'_>) -> Self {
        let width = factors.width;
        let row = |item: u32| &factors.items[item as usize * width..][..width];
        let n_items = factors.items.len() / width.max(1);
        let lengths: Vec<f32> = (0..n_items as u32).map(|item| round_up(bytes::length(row(item)))).collect();
        let mut order: Vec<u32> = (0..n_items as u32).collect();
        order.sort_by(|&a, &b| lengths[b as usize].total_cmp(&lengths[a as usize]));
        let mut places = vec![0u32; n_items];
        order.iter().enumerate().for_each(|(place, &item)| places[item as usize] = place as u32);
        let n_panels = n_items.div_ceil(BYTE_PANEL);
        let mut index = ItemIndex {
            kernels: Kernels::detect(),
            width,
            longest: lengths.iter().fold(0.0, |most, &length| if length.is_finite() { length.max(most) } else { f32::INFINITY }),
            bytes: Aligned::zeros(n_panels * BYTE_PANEL * width / size_of::<f32>()),
            scales: vec![0.0; n_panels * BYTE_PANEL],
            lengths: order.iter().step_by(BYTE_PANEL).map(|&item| lengths[item as usize]).collect(),
            blurs: vec![0.0; n_panels],
            order,
            places,
        };
        let all: &mut [u8] = bytemuck::cast_slice_mut(&mut index.bytes);
        all.fill(BYTE_ZERO);
        let mut rounded = vec![0i8; width];
        for (place, &item) in index.order.iter().enumerate() {
            let Rounded { scale, off } = bytes::round(row(item), &mut rounded);
            index.scales[place] = scale;
            let (panel, column) = (place / BYTE_PANEL, place % BYTE_PANEL);
            index.blurs[panel] = index.blurs[panel].max(round_up(off));
            for (group, values) in rounded.chunks_exact(BYTE_GROUP).enumerate() {
                let to = &mut all[((panel * width / BYTE_GROUP + group) * BYTE_PANEL + column) * BYTE_GROUP..][..BYTE_GROUP];
                to.iter_mut().zip(values).for_each(|(to, &value)| *to = (value as u8).wrapping_add(BYTE_ZERO));
            }
        }
        index
    }

    /// Returns the bytes held on the heap.
    pub fn heap_bytes(&self) -> u64 {
        let numbers = [&self.scales, &self.lengths, &self.blurs].map(Vec::len).iter().sum::<usize>();
        (self.bytes.len() + numbers + self.order.len() + self.places.len()) as u64 * 4
    }
}
