//! Epochs: items are assigned to blocks, and in as many rounds as there are blocks every block of users learns with every block
//! of items.

use rayon::prelude::*;

use super::super::noise;
use super::blocks::{Cells, Place, fill_cells, n_blocks, shuffle, stream, user_bounds};
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

    /// Copies the rows of its items back.
    fn scatter(&self, items: &mut [f32], squares: &mut [f32], width: usize) {
        for ((&id, row), &square) in self.ids.iter().zip(self.rows.chunks_exact(width)).zip(&self.squares) {
            items[id as usize * width..][..width].copy_from_slice(row);
            squares[id as usize] = square;
        }
    }
}

/// Users of a block, and their interactions.
struct UserBlock<'a> {
    number: usize,
    rows: &'a mut [f32],
    squares: &'a mut [f32],
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
}

impl<'a> Trainer<'a> {
    pub fn new(settings: Settings, train: &'a Csr) -> Self {
        let n = n_blocks(train.n_rows, train.n_cols);
        Trainer {
            train,
            model: start(settings, train.n_rows, train.n_cols),
            user_squares: vec![FIRST_SQUARES; train.n_rows],
            item_squares: vec![FIRST_SQUARES; train.n_cols],
            bounds: user_bounds(train, n),
            blocks: (0..n).map(|_| ItemBlock::default()).collect(),
            cells: (0..n).map(|_| Cells::default()).collect(),
            order: (0..train.n_cols as u32).collect(),
            places: vec![Place::default(); train.n_cols],
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
        let n_items = self.train.n_cols;
        let Trainer { model, user_squares, item_squares, bounds, blocks, cells, .. } = self;
        let ranking = Ranking { settings: &model.settings, kernels: Kernels::detect(), n_items };
        let items = &model.items;
        blocks.par_iter_mut().for_each(|block| block.gather(items, item_squares, width));
        let mut users = user_blocks(&mut model.users, user_squares, bounds, cells, width);
        for _ in 0..blocks.len() {
            let round = users.par_iter_mut().zip(blocks.par_iter_mut());
            round.try_for_each(|(users, items)| learn(&ranking, users, items, epoch, ctx))?;
            blocks.rotate_left(1);
        }
        blocks.iter().for_each(|block| block.scatter(&mut model.items, item_squares, width));
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
    Bpr { settings, users, items }
}

fn user_blocks<'a>(
    mut rows: &'a mut [f32],
    mut squares: &'a mut [f32],
    bounds: &[usize],
    cells: &'a mut [Cells],
    width: usize,
) -> Vec<UserBlock<'a>> {
    let mut blocks = Vec::with_capacity(cells.len());
    for (number, (cells, bounds)) in cells.iter_mut().zip(bounds.windows(2)).enumerate() {
        let n = bounds[1] - bounds[0];
        let (own, rest) = rows.split_at_mut(n * width);
        let (own_squares, rest_squares) = squares.split_at_mut(n);
        (rows, squares) = (rest, rest_squares);
        blocks.push(UserBlock { number, rows: own, squares: own_squares, cells });
    }
    blocks
}

/// Takes the steps for all interactions of a block of users with a block of items.
fn learn(ranking: &Ranking<'_>, users: &mut UserBlock<'_>, items: &mut ItemBlock, epoch: u32, ctx: &Context) -> MlResult<()> {
    let (settings, width) = (ranking.settings, row_width(ranking.settings.k));
    let mut rng = stream(settings.seed, epoch, users.number, items.number);
    let (interactions, visits) = users.cells.of(items.number, &mut rng);
    for some in visits.chunks(CHECK_EVERY) {
        ctx.check()?;
        for visit in some {
            let interaction = interactions[visit.at as usize];
            let (user, greater) = (interaction.user as usize, interaction.item as usize);
            let row = &mut users.rows[user * width..][..width];
            let own = || interactions[visit.first as usize..].iter().take_while(|other| other.user == interaction.user);
            let taken = |item: usize| own().any(|other| other.item as usize == item);
            let Some(wish) = ranking.wish(row, &items.rows, greater, taken, &mut rng) else { continue };
            let pull = wish.pull * interaction.weight;
            let squares = interaction.weight * interaction.weight;
            users.squares[user] += squares * wish.squares[0];
            items.squares[greater] += squares * wish.squares[1];
            items.squares[wish.lesser] += squares * wish.squares[1];
            let sums = [users.squares[user], items.squares[greater], items.squares[wish.lesser]];
            let (a, b) = two_rows(&mut items.rows, greater, wish.lesser, width);
            ranking.kernels.pair_step(row, a, b, lengths(settings, pull, sums));
            row[settings.k] = 1.0;
        }
    }
    Ok(())
}

/// Borrows two different rows at once.
fn two_rows(rows: &mut [f32], a: usize, b: usize, width: usize) -> (&mut [f32], &mut [f32]) {
    let (low, high) = rows.split_at_mut(a.max(b) * width);
    let (low, high) = (&mut low[a.min(b) * width..][..width], &mut high[..width]);
    if a < b { (low, high) } else { (high, low) }
}
