//! Users and items in blocks that can learn side by side.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::sparse::Csr;

/// Fewest users and items of a block.
const LEAST: usize = 64;
/// Most blocks, which is also how many threads can work at once.
const MOST: usize = 32;

/// Returns the number of blocks that users and items are each divided into.
pub(super) fn n_blocks(n_users: usize, n_items: usize) -> usize {
    (n_users.min(n_items) / LEAST).clamp(1, MOST)
}

/// Returns where blocks of users begin and the last ends: blocks of adjacent users with nearly equal numbers of interactions.
pub(super) fn user_bounds(train: &Csr, n_blocks: usize) -> Vec<usize> {
    let first_with = |wanted: usize| train.indptr.partition_point(|&before| before < wanted);
    let share = |block: usize| (train.nnz() as u128 * block as u128 / n_blocks as u128) as usize;
    let inner = (1..n_blocks).map(|block| first_with(share(block)).min(train.n_rows));
    std::iter::once(0).chain(inner).chain(std::iter::once(train.n_rows)).collect()
}

/// Draws a whole number below `n`, almost uniformly.
pub(super) fn below(n: usize, rng: &mut ChaCha8Rng) -> usize {
    ((u64::from(rng.next_u32()) * n as u64) >> 32) as usize
}

/// Returns true with a probability. Draws nothing where that is zero.
pub(super) fn chance(probability: f32, rng: &mut ChaCha8Rng) -> bool {
    // 24 bits, which are exact as a float.
    probability > 0.0 && ((rng.next_u32() >> 8) as f32) < probability * (1 << 24) as f32
}

/// Brings a slice into random order.
pub(super) fn shuffle<T>(slice: &mut [T], rng: &mut ChaCha8Rng) {
    (1..slice.len()).rev().for_each(|at| slice.swap(at, below(at + 1, rng)));
}

/// Creates the random numbers of one part of one epoch.
pub(super) fn stream(seed: u64, epoch: u32, user_block: usize, item_block: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(epoch) << 32 | (user_block as u64) << 16 | item_block as u64);
    rng
}

/// The block of an item during an epoch, and its index there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub block: u32,
    pub at: u32,
}

/// An interaction: the indices of its user and its item in their blocks, and its weight.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Interaction {
    pub user: u32,
    pub item: u32,
    pub weight: f32,
}

/// The interactions of a block of users, by block of items and then by user.
#[derive(Debug, Default)]
pub(super) struct Cells {
    starts: Vec<usize>,
    interactions: Vec<Interaction>,
    visits: Vec<Visit>,
}

/// One interaction of a cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visit {
    /// Its index in the cell.
    pub at: u32,
    /// The index of its user's first one.
    pub first: u32,
}

impl Cells {
    /// Assigns the interactions of the users from `first` to `end` to cells.
    fn fill(&mut self, train: &Csr, first: usize, end: usize, places: &[Place], n_blocks: usize) {
        let all = &train.indices[train.indptr[first]..train.indptr[end]];
        self.starts.clear();
        self.starts.resize(n_blocks + 2, 0);
        // Counted two places on, so that filling below leaves every start in its place.
        all.iter().for_each(|&item| self.starts[places[item as usize].block as usize + 2] += 1);
        (1..self.starts.len()).for_each(|at| self.starts[at] += self.starts[at - 1]);
        self.interactions.resize(all.len(), Interaction::default());
        for user in first..end {
            let (items, weights) = train.row(user);
            for (&item, &weight) in items.iter().zip(weights) {
                let place = places[item as usize];
                let at = &mut self.starts[place.block as usize + 1];
                self.interactions[*at] = Interaction { user: (user - first) as u32, item: place.at, weight };
                *at += 1;
            }
        }
    }

    /// Returns the interactions with a block of items, and visits to all of them in random order.
    pub fn of(&mut self, block: usize, rng: &mut ChaCha8Rng) -> (&[Interaction], &[Visit]) {
        let interactions = &self.interactions[self.starts[block]..self.starts[block + 1]];
        let mut first = 0;
        self.visits.clear();
        for (at, interaction) in interactions.iter().enumerate() {
            if interaction.user != interactions[first].user {
                first = at;
            }
            self.visits.push(Visit { at: at as u32, first: first as u32 });
        }
        shuffle(&mut self.visits, rng);
        (interactions, &self.visits)
    }
}

/// Fills the cells of all blocks of users.
pub(super) fn fill_cells(cells: &mut [Cells], bounds: &[usize], train: &Csr, places: &[Place]) {
    let n_blocks = cells.len();
    let users = cells.par_iter_mut().zip(bounds.par_windows(2));
    users.for_each(|(cells, bounds)| cells.fill(train, bounds[0], bounds[1], places, n_blocks));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interaction_is_in_exactly_one_cell() {
        let pairs = (0..300u32).flat_map(|u| (0..200u32).filter(move |i| (u * i) % 7 == 1 || u == 3).map(move |i| (u, i)));
        let (rows, cols): (Vec<u32>, Vec<u32>) = pairs.unzip();
        let train = Csr::from_pairs(300, 200, &rows, &cols).unwrap();
        let n = n_blocks(300, 200);
        let bounds = user_bounds(&train, n);
        assert!(n == 3 && bounds[0] == 0 && bounds[n] == 300 && bounds.is_sorted(), "{bounds:?}");
        let places: Vec<Place> = (0..200u32).map(|item| Place { block: item % 3, at: item / 3 }).collect();
        let mut cells: Vec<Cells> = (0..n).map(|_| Cells::default()).collect();
        fill_cells(&mut cells, &bounds, &train, &places);
        let mut found = Vec::new();
        for (block, cells) in cells.iter_mut().enumerate() {
            for item_block in 0..n {
                let first = bounds[block] as u32;
                let (interactions, visits) = cells.of(item_block, &mut stream(1, 1, block, item_block));
                for visit in visits {
                    let interaction = interactions[visit.at as usize];
                    assert_eq!(interactions.iter().position(|i| i.user == interaction.user), Some(visit.first as usize));
                    found.push((first + interaction.user, 3 * interaction.item + item_block as u32));
                }
            }
        }
        found.sort_unstable();
        assert!(found.iter().copied().eq(rows.into_iter().zip(cols)));
    }
}
