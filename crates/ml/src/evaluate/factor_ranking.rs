//! Ranking for models whose scores are products of two factors.
//!
//! Items are taken from the longest factor to the shortest. By Cauchy and Schwarz no score is greater than the product of the two
//! lengths, so a user whose list no remaining item can enter is finished, usually after a small part of a large catalogue. The
//! lists are exactly those of scoring everything.

use rayon::prelude::*;

use crate::algorithms::Factors;
use crate::context::Context;
use crate::error::MlResult;
use crate::ranking::TopK;
use crate::simd::{Aligned, Kernels, PANEL, Reached, TILE_ROWS};
use crate::sparse::Csr;

/// Panels between two checks for interruption.
const PANELS_AT_A_TIME: usize = 128;

/// A model's items by falling length, in panels.
pub(super) struct FactorRanking<'a> {
    factors: Factors<'a>,
    kernels: Kernels,
    /// Item at each place of the order.
    order: Vec<u32>,
    /// Place of each item in the order.
    place: Vec<u32>,
    /// `width` × `PANEL` values for each panel; the last one is padded with zeros.
    panels: Aligned,
    /// The greatest length in each panel, with a margin for rounding in the products.
    reach: Vec<f32>,
}

/// Buffers for ranking a block of users, kept from block to block.
#[derive(Default)]
pub(super) struct Scratch {
    /// For each user of the block and each panel, a bit for each place whose item the user has seen.
    seen: Vec<u32>,
    users: Vec<Unfinished>,
    rows: Vec<f32>,
    tiles: Vec<Tile>,
    reached: Reached,
}

/// A user whose list is not finished.
struct Unfinished {
    /// Index in the block.
    at: usize,
    user: u32,
    length: f32,
}

/// Up to `TILE_ROWS` users who will finish at about the same panel.
struct Tile {
    thresholds: [f32; TILE_ROWS],
    lengths: [f32; TILE_ROWS],
    done: bool,
}

impl<'a> FactorRanking<'a> {
    /// Sorts and packs the items, in the calling pool; rows are at least one value long.
    pub fn new(factors: Factors<'a>) -> Self {
        let width = factors.width;
        let lengths: Vec<f32> = factors.items.par_chunks(width.max(1)).map(length).collect();
        let mut order: Vec<u32> = (0..lengths.len() as u32).collect();
        order.par_sort_by(|&a, &b| lengths[b as usize].total_cmp(&lengths[a as usize]));
        let mut place = vec![0u32; order.len()];
        order.iter().enumerate().for_each(|(at, &item)| place[item as usize] = at as u32);
        let n_panels = order.len().div_ceil(PANEL);
        let mut panels = Aligned::zeros(n_panels * PANEL * width);
        panels.par_chunks_mut(PANEL * width.max(1)).zip(order.par_chunks(PANEL)).for_each(|(panel, items)| {
            for (column, &item) in items.iter().enumerate() {
                let row = &factors.items[item as usize * width..][..width];
                row.iter().enumerate().for_each(|(k, &value)| panel[k * PANEL + column] = value);
            }
        });
        // A product of `width` terms is off by less than `width` halves of epsilon times the two lengths.
        let slack = 1.0 + (width + 16) as f32 * f32::EPSILON;
        let reach = order.chunks(PANEL).map(|items| lengths[items[0] as usize] * slack).collect();
        FactorRanking { factors, kernels: Kernels::detect(), order, place, panels, reach }
    }

    /// Offers to each user's selector the items that may enter the list.
    pub fn rank(&self, users: &[u32], train: &Csr, selectors: &mut [TopK], scratch: &mut Scratch, ctx: &Context) -> MlResult<()> {
        self.begin(users, train, scratch);
        let panel_len = PANEL * self.factors.width;
        for (panel, &reach) in self.reach.iter().enumerate() {
            if panel % PANELS_AT_A_TIME == 0 {
                ctx.check()?;
            }
            // The thresholds rise quickly at first.
            if panel % PANELS_AT_A_TIME == 0 || [1, 4, 16, 64].contains(&panel) {
                self.form_tiles(reach, selectors, scratch);
            }
            if scratch.tiles.iter().all(|tile| tile.done) {
                break;
            }
            self.rank_panel(panel, &self.panels[panel * panel_len..][..panel_len], selectors, scratch);
        }
        Ok(())
    }

    fn begin(&self, users: &[u32], train: &Csr, scratch: &mut Scratch) {
        let n_panels = self.reach.len();
        scratch.seen.clear();
        scratch.seen.resize(users.len() * n_panels, 0);
        scratch.users.clear();
        for (at, &user) in users.iter().enumerate() {
            for &item in train.row_indices(user as usize) {
                let place = self.place[item as usize] as usize;
                scratch.seen[at * n_panels + place / PANEL] |= 1 << (place % PANEL);
            }
            scratch.users.push(Unfinished { at, user, length: length(self.row(user)) });
        }
    }

    fn row(&self, user: u32) -> &'a [f32] {
        &self.factors.users[user as usize * self.factors.width..][..self.factors.width]
    }

    /// Drops the users who are finished and groups those who will finish at about the same panel.
    fn form_tiles(&self, reach: f32, selectors: &[TopK], scratch: &mut Scratch) {
        let Scratch { users, rows, tiles, .. } = scratch;
        users.retain(|user| !is_out_of_reach(selectors[user.at].threshold(), user.length, reach));
        let key = |user: &Unfinished| selectors[user.at].threshold() / user.length;
        users.sort_by(|a, b| key(a).total_cmp(&key(b)));
        let width = self.factors.width;
        rows.clear();
        rows.resize(users.len().div_ceil(TILE_ROWS) * TILE_ROWS * width, 0.0);
        tiles.clear();
        for (group, rows) in users.chunks(TILE_ROWS).zip(rows.chunks_exact_mut((TILE_ROWS * width).max(1))) {
            let mut tile = Tile { thresholds: [f32::INFINITY; TILE_ROWS], lengths: [0.0; TILE_ROWS], done: false };
            for (r, user) in group.iter().enumerate() {
                tile.thresholds[r] = selectors[user.at].threshold();
                tile.lengths[r] = user.length;
                self.row(user.user).iter().enumerate().for_each(|(k, &value)| rows[k * TILE_ROWS + r] = value);
            }
            tiles.push(tile);
        }
    }

    fn rank_panel(&self, panel: usize, items: &[f32], selectors: &mut [TopK], scratch: &mut Scratch) {
        let Scratch { seen, users, rows, tiles, reached } = scratch;
        let groups = users.chunks(TILE_ROWS).zip(rows.chunks_exact(TILE_ROWS * self.factors.width));
        for (tile, (group, rows)) in tiles.iter_mut().zip(groups) {
            if tile.done || tile.is_out_of_reach(self.reach[panel]) {
                tile.done = true;
                continue;
            }
            self.kernels.reach(rows, items, &tile.thresholds, reached);
            for (r, user) in group.iter().enumerate() {
                let mut bits = reached.columns[r] & !seen[user.at * self.reach.len() + panel];
                if bits == 0 {
                    continue;
                }
                while bits != 0 {
                    let column = bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    // Places beyond the last item are padding.
                    if let Some(&item) = self.order.get(panel * PANEL + column) {
                        selectors[user.at].offer(item, reached.products[r][column]);
                    }
                }
                tile.thresholds[r] = selectors[user.at].threshold();
            }
        }
    }
}

impl Tile {
    fn is_out_of_reach(&self, reach: f32) -> bool {
        self.thresholds.iter().zip(&self.lengths).all(|(&threshold, &length)| is_out_of_reach(threshold, length, reach))
    }
}

/// Returns whether no item of at most this length can reach the threshold. Never true of NaN.
fn is_out_of_reach(threshold: f32, length: f32, reach: f32) -> bool {
    length * reach + f32::MIN_POSITIVE < threshold
}

fn length(row: &[f32]) -> f32 {
    row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt() as f32
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::ranking::{Candidates, top_k};

    /// Draws small whole numbers: products are exact, and many of them are equal.
    fn whole_numbers(n: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        (0..n).map(|_| rng.random_range(-2i32..3) as f32).collect()
    }

    #[test]
    fn lists_are_those_of_scoring_everything() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for (n_users, n_items, width, cutoff) in
            [(1, 1, 1, 5), (13, 31, 3, 4), (40, 300, 2, 7), (30, 2000, 5, 20), (5, 40, 4, 60)]
        {
            let (mut users, mut items) = (whole_numbers(n_users * width, &mut rng), whole_numbers(n_items * width, &mut rng));
            // Lengths that differ much, as those of popular and unpopular items do; a user of zeros; a score that is not finite.
            items.iter_mut().enumerate().for_each(|(i, v)| *v *= 0.5f32.powi((i / width % 11) as i32));
            users[..width].fill(0.0);
            if n_items == 300 {
                items[5 * width] = f32::NAN;
            }
            let pairs = (0..3 * n_users).map(|_| (rng.random_range(0..n_users as u32), rng.random_range(0..n_items as u32)));
            let (rows, cols): (Vec<u32>, Vec<u32>) = pairs.unzip();
            let train = Csr::from_pairs(n_users, n_items, &rows, &cols).unwrap();
            let all: Vec<u32> = (0..n_users as u32).collect();
            let mut selectors = vec![TopK::new(cutoff); n_users];
            let ranking = FactorRanking::new(Factors { users: &users, items: &items, width });
            ranking.rank(&all, &train, &mut selectors, &mut Scratch::default(), &Context::new(0, 1)).unwrap();
            for (&user, selector) in all.iter().zip(&mut selectors) {
                let row = ranking.row(user);
                let score = |item: &[f32]| item.iter().zip(row).map(|(a, b)| a * b).sum::<f32>();
                let scores: Vec<f32> = items.chunks(width).map(score).collect();
                let wanted =
                    top_k(&scores, cutoff, &Candidates { seen: train.row_indices(user as usize), ..Candidates::default() });
                assert_eq!(selector.finish(), wanted, "user {user} of {n_users}, {n_items} items");
            }
        }
    }
}
