//! The buffers of one mini-batch, kept from one to the next: thinned histories by user and by item, and activations.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::noise::nearly_normal;
use super::network::{Sizes, length};
use crate::linalg::BfloatScratch;
use crate::simd::{Aligned, padded};
use crate::sparse::Csr;

/// Rows of a mini-batch that one thread works on at a time.
pub(super) const ROW_BLOCK: usize = 64;
/// Columns of the output that one thread works on at a time: their weights and their part of the mini-batch stay in
/// the cache together.
const ITEM_BLOCK: usize = 512;
/// Greatest number of such blocks, as each holds a part of the gradient by the second hidden layer.
const MOST_ITEM_BLOCKS: usize = 64;

/// The output layer divided into blocks of equal width, a multiple of eight of them so that they are shared out evenly.
///
/// Only the number of items determines them, so that the number of threads does not change a result.
#[derive(Debug, Clone, Copy)]
pub(super) struct ItemBlocks {
    pub width: usize,
    pub count: usize,
}

impl ItemBlocks {
    pub fn of(items: usize) -> Self {
        let wanted = items.div_ceil(ITEM_BLOCK);
        let wanted = if wanted > 1 { wanted.next_multiple_of(8).min(MOST_ITEM_BLOCKS) } else { 1 };
        let width = items.div_ceil(wanted).max(1);
        ItemBlocks { width, count: items.div_ceil(width) }
    }
}

/// Histories of the rows of one block: the interactions that dropout leaves, and where blocks of items divide the full histories.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    cuts: Vec<usize>,
    ends: Vec<usize>,
    items: Vec<u32>,
    values: Vec<f32>,
}

impl Inputs {
    /// Draws which interactions of some users stay. Those are normalised and scaled up for those that do not.
    pub fn draw(&mut self, train: &Csr, users: &[u32], blocks: ItemBlocks, dropout: f32, rng: &mut ChaCha8Rng) {
        self.cuts.clear();
        self.ends.clear();
        self.items.clear();
        self.values.clear();
        let threshold = (f64::from(dropout) * 2f64.powi(32)) as u32;
        for &user in users {
            let (items, weights) = train.row(user as usize);
            let scale = 1.0 / (length(weights) * (1.0 - dropout));
            for (&item, &weight) in items.iter().zip(weights) {
                if threshold == 0 || rng.next_u32() >= threshold {
                    self.items.push(item);
                    self.values.push(weight * scale);
                }
            }
            self.ends.push(self.items.len());
            self.cut(items, blocks);
        }
    }

    /// Records where the items of each block begin, and where the last end.
    fn cut(&mut self, items: &[u32], blocks: ItemBlocks) {
        let mut at = 0;
        for block in 0..blocks.count {
            self.cuts.push(at);
            let end = (block + 1) * blocks.width;
            at += items[at..].iter().take_while(|&&item| (item as usize) < end).count();
        }
        self.cuts.push(items.len());
    }

    /// Returns the range of a row's interactions, as they are without dropout, with the items of a block.
    pub fn within(&self, at: usize, block: usize, blocks: ItemBlocks) -> std::ops::Range<usize> {
        let cuts = &self.cuts[at * (blocks.count + 1) + block..];
        cuts[0]..cuts[1]
    }

    pub fn row(&self, at: usize) -> (&[u32], &[f32]) {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        (&self.items[start..self.ends[at]], &self.values[start..self.ends[at]])
    }

    fn rows(&self) -> impl Iterator<Item = (&[u32], &[f32])> {
        (0..self.ends.len()).map(|at| self.row(at))
    }
}

/// The same histories by item.
#[derive(Debug, Default)]
pub(super) struct ByItem {
    starts: Vec<usize>,
    rows: Vec<u32>,
    values: Vec<f32>,
}

impl ByItem {
    pub fn fill(&mut self, inputs: &[Inputs], n_items: usize) {
        self.starts.clear();
        self.starts.resize(n_items + 2, 0);
        // Counted two places on, so that filling below leaves every start in its place.
        inputs.iter().flat_map(|block| &block.items).for_each(|&item| self.starts[item as usize + 2] += 1);
        (1..self.starts.len()).for_each(|at| self.starts[at] += self.starts[at - 1]);
        let total = self.starts[n_items + 1];
        self.rows.resize(total, 0);
        self.values.resize(total, 0.0);
        for (row, (items, values)) in inputs.iter().flat_map(Inputs::rows).enumerate() {
            for (&item, &value) in items.iter().zip(values) {
                let at = &mut self.starts[item as usize + 1];
                self.rows[*at] = row as u32;
                self.values[*at] = value;
                *at += 1;
            }
        }
    }

    /// Returns the rows of the mini-batch that hold an item, and their values.
    pub fn item(&self, item: usize) -> (&[u32], &[f32]) {
        let range = self.starts[item]..self.starts[item + 1];
        (&self.rows[range.clone()], &self.values[range])
    }
}

/// Buffers of a mini-batch, by rows. A gradient replaces the values it is taken by where those are no longer needed.
pub(super) struct Batch {
    pub blocks: ItemBlocks,
    pub inputs: Vec<Inputs>,
    pub by_item: ByItem,
    /// First hidden layer.
    pub first: Aligned,
    /// Means and logarithms of variances, then the gradient by them.
    pub latent: Aligned,
    pub noise: Aligned,
    /// Latent draws.
    pub draw: Aligned,
    pub d_draw: Aligned,
    /// Second hidden layer.
    pub second: Aligned,
    pub d_first: Aligned,
    pub d_second: Aligned,
    /// Scores for each block of items, then the gradient by them.
    pub scores: Vec<f32>,
    /// Greatest score and sum of exponentials for each block of items and row; later, instead of the sum, the factor that turns
    /// exponentials into gradients.
    pub greatest: Vec<f32>,
    pub sums: Vec<f32>,
    /// Part of the gradient by the second hidden layer for each block of items.
    pub parts: Aligned,
    /// Rounded operands of the products for each block of items.
    pub rounded: Vec<BfloatScratch>,
    /// Gradient by the weights of the items.
    pub gradient: Aligned,
    /// Gradient by the weights of the two layers between.
    pub small_gradient: Aligned,
    pub bias_gradient: Vec<f32>,
}

impl Batch {
    pub fn new(sizes: &Sizes, rows: usize) -> Self {
        let (h, z, d) = (padded(sizes.encoder), padded(sizes.latent), padded(sizes.decoder));
        let blocks = ItemBlocks::of(sizes.items);
        Batch {
            blocks,
            inputs: (0..rows.div_ceil(ROW_BLOCK)).map(|_| Inputs::default()).collect(),
            by_item: ByItem::default(),
            first: Aligned::zeros(rows * h),
            latent: Aligned::zeros(rows * 2 * z),
            noise: Aligned::zeros(rows * z),
            draw: Aligned::zeros(rows * z),
            d_draw: Aligned::zeros(rows * z),
            second: Aligned::zeros(rows * d),
            d_first: Aligned::zeros(rows * h),
            d_second: Aligned::zeros(rows * d),
            scores: vec![0.0; rows * blocks.width * blocks.count],
            greatest: vec![0.0; rows * blocks.count],
            sums: vec![0.0; rows * blocks.count],
            parts: Aligned::zeros(rows * d * blocks.count),
            rounded: (0..blocks.count).map(|_| BfloatScratch::default()).collect(),
            gradient: Aligned::zeros(sizes.items * d.max(h)),
            small_gradient: Aligned::zeros((2 * z * h).max(d * z)),
            bias_gradient: vec![0.0; padded(sizes.items)],
        }
    }
}

/// Returns the bytes that [`Batch`] takes.
pub(super) fn bytes(sizes: &Sizes, rows: usize) -> u64 {
    let (h, z, d) = (padded(sizes.encoder) as u64, padded(sizes.latent) as u64, padded(sizes.decoder) as u64);
    let (items, blocks) = (sizes.items as u64, ItemBlocks::of(sizes.items).count as u64);
    let rows = rows as u64;
    let activations = rows * (2 * blocks + 2 * h + 5 * z + 2 * d + items + MOST_ITEM_BLOCKS as u64 + blocks * (d + 2));
    // Scores and weights as products round them, where that is to floats; elsewhere half as much.
    let rounded = rows * items + items * d;
    4 * (activations + rounded + items * (d.max(h) + 1) + 2 * z * h + d * z)
}

/// Draws the noise of some rows; padding stays at zero.
pub(super) fn draw_noise(noise: &mut [f32], latent: usize, rng: &mut ChaCha8Rng) {
    for row in noise.chunks_exact_mut(padded(latent)) {
        row[..latent].iter_mut().for_each(|value| *value = nearly_normal(rng));
    }
}

/// Creates the random numbers of one block of rows in one update.
pub(super) fn stream(seed: u64, update: u64, block: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((update + 1) << 16 | (block as u64 & 0xffff));
    rng
}
