//! Epochs: items are assigned to blocks, and in as many rounds as there are blocks every block of users learns with every block
//! of items.

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::super::feature_maps::FeatureMaps;
use super::super::noise;
use super::blocks::{Cells, Interaction, Place, chance, fill_cells, n_blocks, shuffle, stream, user_bounds};
use super::described::Described;
use super::model::{Bpr, row_width};
use super::settings::Settings;
use super::steps::{FIRST_SQUARES, Ranking, lengths};
use crate::context::Context;
use crate::error::MlResult;
use crate::simd::Kernels;
use crate::sparse::Csr;

/// Interactions between two checks for interruption.
const CHECK_EVERY: usize = 1 << 16;

/// Rows of a block's items, copied into one buffer.
#[derive(Debug, Default)]
struct ItemBlock {
    number: usize,
    ids: Vec<u32>,
    rows: Vec<f32>,
    squares: Vec<f32>,
    /// What features add to each row, and what they are pulled by; empty without features.
    bases: Vec<f32>,
    pulls: Vec<f32>,
}

impl ItemBlock {
    /// Copies the rows of its items in.
    fn gather(&mut self, items: &[f32], squares: &[f32], width: usize) {
        self.rows.clear();
        self.squares.clear();
        for &id in &self.ids {
            self.rows.extend_from_slice(&items[id as usize * width..][..width]);
            self.squares.push(squares[id as usize]);
        }
    }

    /// Copies in what features add to its items.
    fn gather_bases(&mut self, bases: &[f32], width: usize) {
        self.bases.clear();
        self.ids.iter().for_each(|&id| self.bases.extend_from_slice(&bases[id as usize * width..][..width]));
        self.pulls.clear();
        self.pulls.resize(self.bases.len(), 0.0);
    }

    /// Copies out what features are pulled by.
    fn scatter_pulls(&self, pulls: &mut [f32], width: usize) {
        for (&id, pull) in self.ids.iter().zip(self.pulls.chunks_exact(width)) {
            pulls[id as usize * width..][..width].copy_from_slice(pull);
        }
    }

    /// Replaces what features add to its items.
    fn rebase(&mut self, bases: &[f32], width: usize) {
        let rows = self.rows.chunks_exact_mut(width).zip(self.bases.chunks_exact_mut(width));
        for ((row, base), &id) in rows.zip(&self.ids) {
            rebase_row(row, base, &bases[id as usize * width..][..width]);
        }
        self.pulls.fill(0.0);
    }

    /// Copies the rows of its items back.
    fn scatter(&self, items: &mut [f32], squares: &mut [f32], width: usize) {
        for ((&id, row), &square) in self.ids.iter().zip(self.rows.chunks_exact(width)).zip(&self.squares) {
            items[id as usize * width..][..width].copy_from_slice(row);
            squares[id as usize] = square;
        }
    }
}

/// Replaces what features add to a row.
fn rebase_row(row: &mut [f32], base: &mut [f32], new: &[f32]) {
    for ((value, base), new) in row.iter_mut().zip(base).zip(new) {
        *value += new - *base;
        *base = *new;
    }
}

/// Users of a block, and their interactions.
struct UserBlock<'a> {
    number: usize,
    rows: &'a mut [f32],
    squares: &'a mut [f32],
    /// As those of items.
    bases: &'a [f32],
    pulls: &'a mut [f32],
    cells: &'a mut Cells,
}

/// Factors in training.
pub(super) struct Trainer<'a> {
    train: &'a Csr,
    model: Bpr,
    user_squares: Vec<f32>,
    item_squares: Vec<f32>,
    bounds: Vec<usize>,
    blocks: Vec<ItemBlock>,
    cells: Vec<Cells>,
    order: Vec<u32>,
    places: Vec<Place>,
    described_users: Option<Described<'a>>,
    described_items: Option<Described<'a>>,
}

impl<'a> Trainer<'a> {
    pub fn new(
        settings: Settings,
        train: &'a Csr,
        described_users: Option<Described<'a>>,
        described_items: Option<Described<'a>>,
    ) -> Self {
        let n = n_blocks(train.n_rows, train.n_cols);
        let mut model = start(settings, train.n_rows, train.n_cols);
        model.maps.users = described_users.as_ref().map(|users| users.map.clone());
        model.maps.items = described_items.as_ref().map(|items| items.map.clone());
        Trainer {
            train,
            model,
            user_squares: vec![FIRST_SQUARES; train.n_rows],
            item_squares: vec![FIRST_SQUARES; train.n_cols],
            bounds: user_bounds(train, n),
            blocks: (0..n).map(|_| ItemBlock::default()).collect(),
            cells: (0..n).map(|_| Cells::default()).collect(),
            order: (0..train.n_cols as u32).collect(),
            places: vec![Place::default(); train.n_cols],
            described_users,
            described_items,
        }
    }

    pub fn model(&self) -> &Bpr {
        &self.model
    }

    pub fn into_model(self) -> Bpr {
        self.model
    }

    /// Takes one step for every interaction, in random order.
    pub fn epoch(&mut self, epoch: u32, ctx: &Context) -> MlResult<()> {
        self.deal_out(epoch);
        let width = row_width(self.model.settings.k);
        self.blocks.par_iter_mut().for_each(|block| block.gather(&self.model.items, &self.item_squares, width));
        if let Some(described) = &self.described_items {
            self.blocks.par_iter_mut().for_each(|block| block.gather_bases(&described.bases, width));
        }
        for _ in 0..self.blocks.len() {
            self.round(epoch, ctx)?;
            self.blocks.rotate_left(1);
            self.advance_features(ctx)?;
        }
        let Trainer { model, item_squares, blocks, described_users, described_items, .. } = self;
        blocks.iter().for_each(|block| block.scatter(&mut model.items, item_squares, width));
        let copy = |from: &Option<Described<'_>>, to: &mut Option<Vec<f32>>| {
            from.as_ref().zip(to.as_mut()).into_iter().for_each(|(from, to)| to.copy_from_slice(&from.map));
        };
        copy(described_users, &mut model.maps.users);
        copy(described_items, &mut model.maps.items);
        Ok(())
    }

    /// Takes the steps of every block of users with one block of items.
    fn round(&mut self, epoch: u32, ctx: &Context) -> MlResult<()> {
        let (width, n_items) = (row_width(self.model.settings.k), self.train.n_cols);
        let Trainer { model, user_squares, bounds, blocks, cells, described_users, .. } = self;
        let ranking = Ranking { settings: &model.settings, kernels: Kernels::detect(), n_items };
        let (bases, pulls) = described_users.as_mut().map_or((&[][..], &mut [][..]), |users| (&users.bases, &mut users.pulls));
        let mut users = user_blocks(&mut model.users, user_squares, (bases, pulls), bounds, cells, width);
        let pairs = users.par_iter_mut().zip(blocks.par_iter_mut());
        pairs.try_for_each(|(users, items)| learn(&ranking, users, items, epoch, ctx))
    }

    /// Moves what features add, by what the last round pulled them.
    fn advance_features(&mut self, ctx: &Context) -> MlResult<()> {
        let width = row_width(self.model.settings.k);
        if let Some(items) = &mut self.described_items {
            self.blocks.iter().for_each(|block| block.scatter_pulls(&mut items.pulls, width));
            items.advance(ctx)?;
            self.blocks.par_iter_mut().for_each(|block| block.rebase(&items.bases, width));
        }
        if let Some(users) = &mut self.described_users {
            let mut before = users.bases.clone();
            users.advance(ctx)?;
            let rows = self.model.users.par_chunks_mut(width).zip(before.par_chunks_mut(width));
            rows.zip(users.bases.par_chunks(width)).for_each(|((row, before), new)| rebase_row(row, before, new));
        }
        Ok(())
    }

    /// Assigns the items to blocks at random, and the interactions to their cells.
    fn deal_out(&mut self, epoch: u32) {
        let n = self.blocks.len();
        shuffle(&mut self.order, &mut stream(self.model.settings.seed, epoch, 0xffff, 0));
        for (number, block) in self.blocks.iter_mut().enumerate() {
            let range = self.order.len() * number / n..self.order.len() * (number + 1) / n;
            block.number = number;
            block.ids.clear();
            block.ids.extend_from_slice(&self.order[range]);
            for (at, &id) in block.ids.iter().enumerate() {
                self.places[id as usize] = Place { block: number as u32, at: at as u32 };
            }
        }
        fill_cells(&mut self.cells, &self.bounds, self.train, &self.places);
    }
}

/// Creates small random factors; items start without bias.
fn start(settings: Settings, n_users: usize, n_items: usize) -> Bpr {
    let (k, width) = (settings.k, row_width(settings.k));
    let deviation = 0.1 / (k as f32).sqrt();
    let (mut users, mut items) = (vec![0f32; n_users * width], vec![0f32; n_items * width]);
    noise::fill_rows(&mut users, width, k, deviation, settings.seed, 1 << 62);
    noise::fill_rows(&mut items, width, k, deviation, settings.seed, 1 << 63);
    users.chunks_exact_mut(width).for_each(|row| row[k] = 1.0);
    Bpr { settings, users, items, maps: FeatureMaps::default() }
}

/// Divides what belongs to users into blocks; what features add to them and pull is empty without features.
fn user_blocks<'a>(
    mut rows: &'a mut [f32],
    mut squares: &'a mut [f32],
    (bases, mut pulls): (&'a [f32], &'a mut [f32]),
    bounds: &[usize],
    cells: &'a mut [Cells],
    width: usize,
) -> Vec<UserBlock<'a>> {
    let mut blocks = Vec::with_capacity(cells.len());
    for (number, (cells, bounds)) in cells.iter_mut().zip(bounds.windows(2)).enumerate() {
        let n = bounds[1] - bounds[0];
        let (own, rest) = rows.split_at_mut(n * width);
        let (own_squares, rest_squares) = squares.split_at_mut(n);
        let (own_pulls, rest_pulls) = pulls.split_at_mut(if bases.is_empty() { 0 } else { n * width });
        (rows, squares, pulls) = (rest, rest_squares, rest_pulls);
        let bases = if bases.is_empty() { bases } else { &bases[bounds[0] * width..bounds[1] * width] };
        blocks.push(UserBlock { number, rows: own, squares: own_squares, bases, pulls: own_pulls, cells });
    }
    blocks
}

/// Takes the steps for all interactions of a block of users with a block of items.
fn learn(ranking: &Ranking<'_>, users: &mut UserBlock<'_>, items: &mut ItemBlock, epoch: u32, ctx: &Context) -> MlResult<()> {
    let settings = ranking.settings;
    let mut rng = stream(settings.seed, epoch, users.number, items.number);
    let mut alone = vec![0f32; row_width(settings.k)];
    let (interactions, visits) = users.cells.of(items.number, &mut rng);
    for some in visits.chunks(CHECK_EVERY) {
        ctx.check()?;
        for visit in some {
            let interaction = interactions[visit.at as usize];
            let own = || interactions[visit.first as usize..].iter().take_while(|other| other.user == interaction.user);
            let taken = |item: usize| own().any(|other| other.item as usize == item);
            let sides = (&mut *users.rows, &mut *users.squares, users.bases, &mut *users.pulls);
            take_step(ranking, sides, items, interaction, taken, &mut alone, &mut rng);
        }
    }
    Ok(())
}

/// What belongs to the users of a block: rows, squares, what features add, and what they are pulled by.
type Sides<'a> = (&'a mut [f32], &'a mut [f32], &'a [f32], &'a mut [f32]);

/// Takes the step for one interaction. `alone` has room for a row.
fn take_step(
    ranking: &Ranking<'_>,
    (rows, user_squares, user_bases, user_pulls): Sides<'_>,
    items: &mut ItemBlock,
    interaction: Interaction,
    taken: impl Fn(usize) -> bool,
    alone: &mut [f32],
    rng: &mut ChaCha8Rng,
) {
    let (settings, kernels, width) = (ranking.settings, ranking.kernels, alone.len());
    let (user, greater) = (interaction.user as usize, interaction.item as usize);
    let row = &mut rows[user * width..][..width];
    // Own rows are left out of some steps, of users and of items independently.
    let without_user = !user_bases.is_empty() && chance(settings.feature_dropout, rng);
    let without_items = !items.bases.is_empty() && chance(settings.feature_dropout, rng);
    if without_user {
        alone.copy_from_slice(&user_bases[user * width..][..width]);
    }
    let vector = if without_user { &mut *alone } else { &mut *row };
    let wish = ranking.wish(vector, if without_items { &items.bases } else { &items.rows }, greater, taken, rng);
    let Some(wish) = wish else { return };
    let pull = wish.pull * interaction.weight;
    if !items.bases.is_empty() {
        let (a, b) = two_rows(&mut items.pulls, greater, wish.lesser, width);
        kernels.pair_pull(vector, a, b, pull);
    }
    if !user_bases.is_empty() {
        let source = if without_items { &items.bases } else { &items.rows };
        let (a, b) = (&source[greater * width..][..width], &source[wish.lesser * width..][..width]);
        let pulled = &mut user_pulls[user * width..][..width];
        kernels.pair_step_of_vector(pulled, a, b, pull, 0.0);
        pulled[settings.k] = 0.0;
    }
    let squares = interaction.weight * interaction.weight;
    if !without_user {
        user_squares[user] += squares * wish.squares[0];
    }
    if !without_items {
        items.squares[greater] += squares * wish.squares[1];
        items.squares[wish.lesser] += squares * wish.squares[1];
    }
    let step = lengths(settings, pull, [user_squares[user], items.squares[greater], items.squares[wish.lesser]]);
    if without_items {
        if !without_user {
            let (a, b) = (&items.bases[greater * width..][..width], &items.bases[wish.lesser * width..][..width]);
            kernels.pair_step_of_vector(row, a, b, step.pull[0], step.shrink[0]);
        }
    } else {
        let (a, b) = two_rows(&mut items.rows, greater, wish.lesser, width);
        kernels.pair_step(vector, a, b, step);
        // Only own rows shrink.
        keep(a, &items.bases, greater, step.shrink[1]);
        keep(b, &items.bases, wish.lesser, step.shrink[2]);
    }
    if !without_user {
        keep(row, user_bases, user, step.shrink[0]);
        row[settings.k] = 1.0;
    }
}

/// Gives back to a row the part of what features add by which it was shrunk.
fn keep(row: &mut [f32], bases: &[f32], at: usize, shrink: f32) {
    if let Some(base) = bases.get(at * row.len()..(at + 1) * row.len()).filter(|_| shrink > 0.0) {
        row.iter_mut().zip(base).for_each(|(value, base)| *value += shrink * base);
    }
}

/// Borrows two different rows at once.
fn two_rows(rows: &mut [f32], a: usize, b: usize, width: usize) -> (&mut [f32], &mut [f32]) {
    let (low, high) = rows.split_at_mut(a.max(b) * width);
    let (low, high) = (&mut low[a.min(b) * width..][..width], &mut high[..width]);
    if a < b { (low, high) } else { (high, low) }
}
