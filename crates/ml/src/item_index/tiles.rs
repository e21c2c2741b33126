//! Searching the index for many users at once.
//!
//! The same three steps as in a search for one user, with the users in tiles that a panel of items is multiplied with at once.
//! Users whose searches end at about the same length of items share a tile. What may be in a list is collected in a buffer, which
//! is cut back to what still may each time it is full: for long lists this costs less than an ordered heap.

use std::ops::Range;

use super::ItemIndex;
use super::bytes;
use super::search::Scratch;
use crate::ranking::{Candidates, TopK};
use crate::simd::{BYTE_PANEL, BYTE_TILE, ByteTile, NearTile};

/// Buffers of a search for many users, kept from one to the next.
#[derive(Debug, Default)]
pub struct Tiles {
    seekers: Vec<Seeker>,
    tiles: Vec<Tile>,
    near: NearTile,
    lows: Vec<f32>,
    likely: Vec<(f32, u32)>,
    picked: Vec<u32>,
    scores: Vec<f32>,
    single: Scratch,
}

/// Panels after which tiles are formed again: often at first, when it becomes clear how far each user's search will go.
const FORMED_AT: [usize; 3] = [16, 64, 192];
const FORMED_EVERY: usize = 256;
/// Bytes of items that all tiles go through before they continue: half of what the nearest cache of a core holds.
const BYTES_AT_ONCE: usize = 16 << 10;

/// The search of one user.
#[derive(Debug, Default)]
struct Seeker {
    rounded: Vec<i8>,
    /// For each panel, a bit for each place that must not be listed.
    refused: Vec<u32>,
    /// Lower bounds of the scores of the items that may be in the list, and the places of these.
    lows: Vec<f32>,
    places: Vec<u32>,
    /// The number of such items from which they are cut back.
    full_at: usize,
    /// What a unit of the bounds is worth: the scale of the user's bytes.
    unit: f32,
    bounds: Bounds,
    /// The score that an item needs at least to be among the best, in units.
    least: f32,
    searches: bool,
}

/// How far the products of bytes may be from true ones, see [`crate::simd::BytePanels`].
#[derive(Debug, Default, Clone, Copy)]
struct Bounds {
    per_blur: f32,
    per_length: f32,
    always: f32,
}

#[derive(Debug, Default)]
struct Tile {
    vectors: ByteTile,
    bounds: [Bounds; BYTE_TILE],
    least: [f32; BYTE_TILE],
    /// The numbers of the seekers.
    seekers: Vec<usize>,
    is_done: bool,
}

impl ItemIndex {
    /// Returns whether [`Self::best_of_many`] is faster than [`Self::best_of_each`] on this processor.
    pub fn searches_by_tiles(&self) -> bool {
        self.kernels.has_byte_tiles()
    }

    /// Returns the `k` best items for the factors of many users with candidates of their own, each list as [`Self::best`] returns
    /// it. Panics when factors are not as long as those of the index.
    pub fn best_of_many(
        &self,
        items: &[f32],
        users: &[(&[f32], Candidates<'_>)],
        k: usize,
        tiles: &mut Tiles,
    ) -> Vec<Vec<(u32, f32)>> {
        let fits = |(user, _): &(&[f32], Candidates<'_>)| user.len() == self.width;
        assert!(users.iter().all(fits) && items.len() == self.order.len() * self.width, "factors of another model");
        tiles.seekers.resize_with(users.len().max(tiles.seekers.len()), Seeker::default);
        for ((user, candidates), seeker) in users.iter().zip(&mut tiles.seekers) {
            seeker.searches = k > 0 && self.is_worth_searching(user, k, candidates);
            if seeker.searches {
                self.begin_seeking(user, k, candidates, seeker);
            }
        }
        self.search_in_tiles(users.len(), k, tiles);
        let list = |(at, (user, candidates)): (usize, &(&[f32], Candidates<'_>))| match tiles.seekers[at].searches {
            true => self.finish_seeking(items, user, k, at, tiles),
            false => self.best(items, user, k, candidates, &mut tiles.single),
        };
        users.iter().enumerate().map(list).collect()
    }

    fn begin_seeking(&self, user: &[f32], k: usize, candidates: &Candidates<'_>, seeker: &mut Seeker) {
        seeker.rounded.resize(self.width, 0);
        let of_user = bytes::round(user, &mut seeker.rounded);
        let panels = self.panels(bytes::length(user), of_user, &seeker.rounded, &[]);
        seeker.bounds = Bounds { per_blur: panels.per_blur, per_length: panels.per_length, always: panels.always };
        (seeker.unit, seeker.least) = (of_user.scale, f32::NEG_INFINITY);
        seeker.lows.clear();
        seeker.places.clear();
        seeker.full_at = 2 * k + BYTE_PANEL;
        seeker.refused.clear();
        seeker.refused.resize(self.lengths.len(), if candidates.allow.is_some() { u32::MAX } else { 0 });
        // Places beyond the last item are padding.
        if let (Some(last), rest @ 1..) = (seeker.refused.last_mut(), self.order.len() % BYTE_PANEL) {
            *last |= u32::MAX << rest;
        }
        let place = |item: &u32| self.places.get(*item as usize).map(|place| *place as usize);
        for place in candidates.allow.into_iter().flatten().filter_map(place) {
            seeker.refused[place / BYTE_PANEL] &= !(1 << (place % BYTE_PANEL));
        }
        for place in candidates.deny.iter().chain(candidates.seen).filter_map(place) {
            seeker.refused[place / BYTE_PANEL] |= 1 << (place % BYTE_PANEL);
        }
    }

    fn search_in_tiles(&self, n_users: usize, k: usize, work: &mut Tiles) {
        let Tiles { seekers, tiles, near, lows, .. } = work;
        let mut active: Vec<usize> = (0..n_users).filter(|&at| seekers[at].searches).collect();
        let n_panels = self.lengths.len();
        let at_once = (BYTES_AT_ONCE / (self.width * BYTE_PANEL).max(1)).max(1);
        let mut from = 0;
        while from < n_panels {
            active.retain(|&at| seekers[at].continues(self.lengths[from]));
            if active.is_empty() {
                return;
            }
            active.sort_by(|&a, &b| seekers[b].ends_at().total_cmp(&seekers[a].ends_at()));
            let n_tiles = active.len().div_ceil(BYTE_TILE);
            tiles.resize_with(n_tiles.max(tiles.len()), Tile::default);
            for (tile, some) in tiles.iter_mut().zip(active.chunks(BYTE_TILE)) {
                tile.form(some, seekers, self.width);
            }
            let next = FORMED_AT.into_iter().find(|&at| at > from).unwrap_or(from + FORMED_EVERY).min(n_panels);
            for first in (from..next).step_by(at_once) {
                let panels = first..next.min(first + at_once);
                for tile in tiles[..n_tiles].iter_mut().filter(|tile| !tile.is_done) {
                    self.go_through(panels.clone(), k, tile, seekers, near, lows);
                }
            }
            from = next;
        }
    }

    /// Collects the items of some panels that may be in the lists of a tile's users.
    fn go_through(
        &self,
        panels: Range<usize>,
        k: usize,
        tile: &mut Tile,
        seekers: &mut [Seeker],
        near: &mut NearTile,
        spare: &mut Vec<f32>,
    ) {
        let panel_len = self.width * BYTE_PANEL;
        let all: &[u8] = bytemuck::cast_slice(&self.bytes);
        let (scales, _) = self.scales.as_chunks::<BYTE_PANEL>();
        for panel in panels {
            let (length, blur) = (self.lengths[panel], self.blurs[panel]);
            let rooms: [f32; BYTE_TILE] = std::array::from_fn(|t| tile.bounds[t].room(length, blur));
            let least: [f32; BYTE_TILE] = std::array::from_fn(|t| tile.least[t] - rooms[t]);
            if (0..BYTE_TILE).all(|t| tile.bounds[t].greatest(length) < tile.least[t]) {
                tile.is_done = true;
                return;
            }
            self.kernels.near_tile(&all[panel * panel_len..][..panel_len], &scales[panel], &tile.vectors, &least, near);
            for (t, &at) in tile.seekers.iter().enumerate() {
                if near.rows[t] == 0 {
                    continue;
                }
                let seeker = &mut seekers[at];
                seeker.collect(near.rows[t] & !seeker.refused[panel], panel, &near.products[t], rooms[t]);
                if seeker.lows.len() >= seeker.full_at {
                    seeker.cut_back(k, self, spare);
                    tile.least[t] = seeker.least;
                }
            }
        }
    }

    /// Scores what may be in the list exactly, and returns the best: first the likeliest `k`, then what may still be better than
    /// the last of these.
    fn finish_seeking(&self, items: &[f32], user: &[f32], k: usize, at: usize, work: &mut Tiles) -> Vec<(u32, f32)> {
        let Tiles { seekers, lows, likely, picked, scores, .. } = work;
        let seeker = &mut seekers[at];
        seeker.cut_back(k, self, lows);
        likely.clear();
        likely.extend(seeker.lows.iter().copied().zip(seeker.places.iter().copied()));
        if likely.len() > k {
            likely.select_nth_unstable_by(k - 1, |a, b| b.0.total_cmp(&a.0));
        }
        let (first, rest) = likely.split_at(k.min(likely.len()));
        let mut best = TopK::new(k);
        let mut score = |some: &mut dyn Iterator<Item = u32>| {
            picked.clear();
            picked.extend(some.map(|place| self.order[place as usize]));
            scores.resize(picked.len(), 0.0);
            self.kernels.picked_products(items, user, picked, scores);
            picked.iter().zip(&*scores).for_each(|(&item, score)| best.offer(item, *score));
            scores.iter().copied().fold(f32::INFINITY, f32::min)
        };
        let least = score(&mut first.iter().map(|(_, place)| *place));
        let least = ((f64::from(least) / f64::from(seeker.unit)) as f32).next_down();
        score(&mut rest.iter().filter(|(low, place)| low + seeker.twice_room(self, *place) >= least).map(|(_, place)| *place));
        best.finish()
    }
}

impl Bounds {
    /// Returns the greatest product with an item of this length.
    fn greatest(self, length: f32) -> f32 {
        self.per_blur * length + self.always
    }

    /// Returns how far a product in a panel may be from the true one.
    fn room(self, length: f32, blur: f32) -> f32 {
        self.per_blur * blur + self.per_length * length + self.always
    }
}

impl Seeker {
    /// Returns whether an item of this length may be in the list.
    fn continues(&self, length: f32) -> bool {
        self.bounds.greatest(length) >= self.least
    }

    /// Returns the length of items at which the search ends, as it looks now.
    fn ends_at(&self) -> f32 {
        (self.least - self.bounds.always) / self.bounds.per_blur
    }

    fn collect(&mut self, mut rows: u32, panel: usize, products: &[f32; BYTE_PANEL], room: f32) {
        while rows != 0 {
            let row = rows.trailing_zeros() as usize;
            rows &= rows - 1;
            self.lows.push(products[row] - room);
            self.places.push((panel * BYTE_PANEL + row) as u32);
        }
    }

    /// Returns by how much the score of the item at a place may exceed its lower bound.
    fn twice_room(&self, index: &ItemIndex, place: u32) -> f32 {
        let panel = place as usize / BYTE_PANEL;
        // More than twice, for the rounding of sums: a room is far greater than that.
        self.bounds.room(index.lengths[panel], index.blurs[panel]) * 2.001
    }

    /// Drops the items that cannot be among the `k` best.
    fn cut_back(&mut self, k: usize, index: &ItemIndex, spare: &mut Vec<f32>) {
        if self.lows.len() < k {
            return;
        }
        spare.clear();
        spare.extend_from_slice(&self.lows);
        let (_, kth, _) = spare.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        self.least = self.least.max(*kth);
        let mut kept = 0;
        for at in 0..self.lows.len() {
            let (low, place) = (self.lows[at], self.places[at]);
            // Without a branch, which would go either way as often.
            (self.lows[kept], self.places[kept]) = (low, place);
            kept += usize::from(low + self.twice_room(index, place) >= self.least);
        }
        self.lows.truncate(kept);
        self.places.truncate(kept);
        self.full_at = self.full_at.max(2 * kept);
    }
}

impl Tile {
    fn form(&mut self, users: &[usize], seekers: &[Seeker], width: usize) {
        self.vectors.clear(width);
        // Places without a user require more than there is.
        (self.bounds, self.least) = ([Bounds::default(); BYTE_TILE], [f32::INFINITY; BYTE_TILE]);
        self.seekers.clear();
        self.seekers.extend_from_slice(users);
        for (t, &at) in users.iter().enumerate() {
            self.vectors.set(t, &seekers[at].rounded);
            (self.bounds[t], self.least[t]) = (seekers[at].bounds, seekers[at].least);
        }
        self.is_done = false;
    }
}
