//! The trained items that are nearest to new ones, with bounded work for each.
//!
//! Candidates come from an index of the trained items by feature. The features of a new item are taken by rising frequency until
//! enough entries have been visited: what most items have does not tell them apart. If all entries of an item's features were
//! visited, its neighbours are exact. Items with the same features have the same neighbours, which are found once.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use foldhash::fast::RandomState;
use rayon::prelude::*;

use crate::algorithms::neighbours::{Best, Sums};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::sparse::Csr;

/// Most entries of the index that are visited for one item, which takes well under a millisecond.
const MOST_VISITED: usize = 1 << 16;
/// What a feature counts of which some items only were visited: those come behind all that were found by rarer features.
const OF_SOME: f64 = 1e-6;
/// Items that a thread takes at a time.
const AT_A_TIME: usize = 16;

/// New items, those with the same features together.
pub(super) struct Groups<'a> {
    features: &'a Csr,
    /// The first item of each group.
    pub firsts: Vec<u32>,
    /// The group of each item.
    pub of_items: Vec<u32>,
}

/// The features of an item, which are equal to others bit by bit.
#[derive(Clone, Copy)]
struct Row<'a>((&'a [u32], &'a [f32]));

impl Row<'_> {
    fn bits(&self) -> impl Iterator<Item = u32> {
        self.0.1.iter().map(|value| value.to_bits())
    }
}

impl PartialEq for Row<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.0 == other.0.0 && self.bits().eq(other.bits())
    }
}

impl Eq for Row<'_> {}

impl Hash for Row<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.0.hash(state);
        self.bits().for_each(|bits| state.write_u32(bits));
    }
}

impl<'a> Groups<'a> {
    /// Groups items by their features.
    pub fn of(features: &'a Csr, ctx: &Context) -> MlResult<Self> {
        let mut numbers: HashMap<Row<'a>, u32, RandomState> = HashMap::default();
        let (mut firsts, mut of_items) = (Vec::new(), Vec::with_capacity(features.n_rows));
        for item in 0..features.n_rows {
            if item.is_multiple_of(AT_A_TIME) {
                ctx.check()?;
            }
            let group = *numbers.entry(Row(features.row(item))).or_insert_with(|| {
                firsts.push(item as u32);
                firsts.len() as u32 - 1
            });
            of_items.push(group);
        }
        Ok(Groups { features, firsts, of_items })
    }
}

/// The trained items, to be searched by feature.
pub(super) struct Index<'a> {
    own: &'a Csr,
    by_feature: Csr,
    lengths: Vec<f64>,
    most_visited: usize,
}

/// Neighbours of groups of new items.
pub(super) struct Found {
    /// A row for each group; columns: trained items, values: their cosines.
    pub neighbours: Csr,
    /// Entries of the index that were visited.
    pub visited: u64,
}

impl<'a> Index<'a> {
    /// Creates the index of the features of trained items, by rows.
    pub fn new(own: &'a Csr) -> Self {
        let lengths = (0..own.n_rows).map(|row| length(own.row(row).1)).collect();
        Index { own, by_feature: own.transpose(), lengths, most_visited: MOST_VISITED }
    }

    /// Returns the bytes that finding the neighbours of so many groups takes at most, with the index.
    pub fn bytes(own: &Csr, n_groups: usize, top_k: usize, threads: usize) -> u64 {
        let index = own.nnz() * 8 + (own.n_cols + own.n_rows) * 8;
        // Of each thread, and the rows before and after they are joined.
        (index + threads * own.n_rows * 16 + n_groups * (top_k.min(own.n_rows) * 16 + 16)) as u64
    }

    /// Finds the `top_k` nearest trained items of each group; of equally near ones the first.
    pub fn nearest(&self, groups: &Groups<'_>, top_k: usize, ctx: &Context) -> MlResult<Found> {
        let n_own = self.own.n_rows;
        let buffers = || (Sums::new(n_own), Best::new(top_k));
        let work = |(sums, best): &mut (Sums<f64>, Best), items: &[u32]| {
            ctx.check()?;
            let mut part = Part::default();
            for item in items {
                let row = groups.features.row(*item as usize);
                let is_cut = self.search(row, sums, best, &mut part.visited);
                let start = part.indices.len();
                part.lens.push(best.finish(&mut part.indices, &mut part.values));
                if is_cut {
                    self.complete(row, &part.indices[start..], &mut part.values[start..]);
                }
            }
            Ok::<_, MlError>(part)
        };
        let blocks = || groups.firsts.par_chunks(AT_A_TIME).map_init(buffers, work).collect::<MlResult<Vec<Part>>>();
        let parts = ctx.install(blocks)?;
        let mut found = Found { neighbours: Csr::empty(0, n_own), visited: 0 };
        let to = &mut found.neighbours;
        to.n_rows = groups.firsts.len();
        for part in parts {
            for len in part.lens {
                to.indptr.push(to.indptr.last().unwrap_or(&0) + len);
            }
            to.indices.extend_from_slice(&part.indices);
            to.values.extend_from_slice(&part.values);
            found.visited += part.visited;
        }
        Ok(found)
    }

    /// Leaves the nearest items in `best` and counts the entries that it visits. Returns whether it left out some.
    fn search(&self, (columns, values): (&[u32], &[f32]), sums: &mut Sums<f64>, best: &mut Best, visited: &mut u64) -> bool {
        let count = |column: u32| self.by_feature.row_len(column as usize);
        let mut terms: Vec<(u32, f32)> = columns.iter().copied().zip(values.iter().copied()).collect();
        terms.sort_by_key(|(column, _)| count(*column));
        let all: usize = terms.iter().map(|(column, _)| count(*column)).sum();
        let mut left = all.min(self.most_visited);
        *visited += left as u64;
        sums.begin(left);
        for (column, value) in terms {
            let (items, weights) = self.by_feature.row(column as usize);
            let n = items.len().min(left);
            left -= n;
            let value = if n < items.len() { f64::from(value) * OF_SOME } else { f64::from(value) };
            sums.add_each(&items[..n], weights[..n].iter().map(|weight| f64::from(*weight) * value));
        }
        let own_length = length(values);
        sums.drain(|item, dot| best.offer(dot / (own_length * self.lengths[item as usize]), item));
        all > self.most_visited
    }

    /// Computes the cosines between an item and some that were found by a part of its features.
    fn complete(&self, row: (&[u32], &[f32]), items: &[u32], cosines: &mut [f32]) {
        let own_length = length(row.1);
        for (item, cosine) in items.iter().zip(cosines) {
            let item = *item as usize;
            *cosine = (dot(row, self.own.row(item)) / (own_length * self.lengths[item])) as f32;
        }
    }
}

/// Neighbours of some groups.
#[derive(Default)]
struct Part {
    lens: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
    visited: u64,
}

fn length(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>().sqrt()
}

/// Returns the product of two sparse rows whose columns ascend.
fn dot((columns, values): (&[u32], &[f32]), (others, weights): (&[u32], &[f32])) -> f64 {
    let (mut at, mut sum) = (0, 0.0);
    for (column, value) in columns.iter().zip(values) {
        while others.get(at).is_some_and(|other| other < column) {
            at += 1;
        }
        if others.get(at) == Some(column) {
            sum += f64::from(*value) * f64::from(weights[at]);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items with these features, each of value 1.
    fn items(features: &[&[u32]], n_features: usize) -> Csr {
        let pairs = features.iter().zip(0u32..).flat_map(|(row, item)| row.iter().map(move |feature| (item, *feature)));
        let (rows, columns): (Vec<u32>, Vec<u32>) = pairs.unzip();
        Csr::from_pairs(features.len(), n_features, &rows, &columns).unwrap()
    }

    fn found(own: &Csr, new: &Csr, top_k: usize, most_visited: usize) -> (Vec<u32>, Found) {
        let ctx = Context::new(0, 2);
        let groups = Groups::of(new, &ctx).unwrap();
        let found = Index { most_visited, ..Index::new(own) }.nearest(&groups, top_k, &ctx).unwrap();
        (groups.of_items, found)
    }

    #[test]
    fn items_with_the_same_features_are_searched_for_once() {
        let own = items(&[&[0], &[0, 1], &[1]], 2);
        let mut new = vec![&[0u32][..]; 1_000];
        new.push(&[1]);
        let (groups, found) = found(&own, &items(&new, 2), 2, MOST_VISITED);
        assert_eq!((groups[0], groups[999], groups[1_000], found.neighbours.n_rows), (0, 0, 1, 2));
        assert_eq!(found.visited, 4, "two items have each feature");
        assert_eq!((found.neighbours.row_indices(0), found.neighbours.row_indices(1)), (&[0, 1][..], &[1, 2][..]));
    }

    #[test]
    fn what_most_items_have_is_not_searched_for_beyond_the_bound() {
        // All have the first feature; one in ten has one of their own kind as well.
        let kinds: Vec<Vec<u32>> =
            (0..1_000u32).map(|item| if item.is_multiple_of(10) { vec![0, 1 + item / 100] } else { vec![0] }).collect();
        let own = items(&kinds.iter().map(Vec::as_slice).collect::<Vec<_>>(), 11);
        let new: Vec<Vec<u32>> = (1..=10).map(|kind| vec![0, kind]).collect();
        let new = items(&new.iter().map(Vec::as_slice).collect::<Vec<_>>(), 11);
        let (_, exact) = found(&own, &new, 10, MOST_VISITED);
        assert_eq!(exact.visited, 10 * 1_010);
        let (_, bounded) = found(&own, &new, 10, 100);
        assert_eq!(bounded.visited, 10 * 100);
        assert_eq!(bounded.neighbours.indices, exact.neighbours.indices, "the rare feature finds them");
        let alike = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(alike(&bounded.neighbours.values, &exact.neighbours.values), "with their full cosines");
        let (_, nothing_else) = found(&own, &items(&[&[0]], 11), 10, 5);
        assert_eq!(nothing_else.neighbours.row_indices(0).len(), 5);
    }

    #[test]
    fn features_that_no_trained_item_has_find_nothing() {
        let own = items(&[&[0]], 3);
        let (_, found) = found(&own, &items(&[&[1, 2], &[]], 3), 10, MOST_VISITED);
        assert_eq!((found.neighbours.nnz(), found.visited), (0, 0));
    }
}
