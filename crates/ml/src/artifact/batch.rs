//! The lists of many users or items: in blocks, on all threads, in memory that does not grow with their number.

use std::ops::Range;

use rayon::prelude::*;

use super::TrainedModel;
use crate::context::Context;
use crate::error::MlError;
use crate::lists::Wanted;

/// The users or items that lists are for, by number.
#[derive(Debug, Clone, Copy)]
pub enum Subjects<'a> {
    /// The best items for each user.
    Users(&'a [u32]),
    /// The items related to each item.
    Items(&'a [u32]),
}

impl<'a> Subjects<'a> {
    /// Returns the numbers.
    pub fn numbers(self) -> &'a [u32] {
        match self {
            Self::Users(numbers) | Self::Items(numbers) => numbers,
        }
    }
}

/// The lists of consecutive users or items.
#[derive(Debug, Clone, PartialEq)]
pub struct ListBlock<'a> {
    /// The users or items, by number.
    pub subjects: &'a [u32],
    /// Items with scores, best first, for each of them.
    pub lists: Vec<Vec<(u32, f32)>>,
}

/// Blocks that each thread computes before the next ones are begun.
const BLOCKS_PER_THREAD: usize = 4;
/// Entries of the lists of one block, and its limits in lists.
const ENTRIES: usize = 1 << 19;
const FEWEST: usize = 64;
const MOST: usize = 8_192;
/// Roughly the memory for the lists of a batch, encoded ones included, for each thread.
pub const BATCH_BYTES_PER_THREAD: u64 = 128 << 20;
/// Lists between two checks for interruption.
const LISTS_AT_ONCE: usize = 96;

impl TrainedModel {
    /// Computes the lists of users as [`Self::recommend_user_as`] does, or of items as [`Self::rank_related`] does, in blocks.
    ///
    /// `shape` turns each block into what is kept of it, on the thread that computed it. `take` gets the results in order, while
    /// the next blocks are computed. Stops at the first error.
    pub fn list_in_blocks<T: Send, E: From<MlError> + Send>(
        &self,
        of: Subjects<'_>,
        wanted: &Wanted<'_>,
        ctx: &Context,
        shape: impl Fn(ListBlock<'_>) -> Result<T, E> + Sync,
        take: impl FnMut(T) -> Result<(), E> + Send,
    ) -> Result<(), E> {
        let related = matches!(of, Subjects::Items(_));
        let wanted = Wanted { exclude_seen: wanted.exclude_seen || related, ..*wanted }.in_numbers(&self.items);
        let numbers = of.numbers();
        let lists = |subjects: &[u32]| {
            self.with_working(|working| {
                let mut lists = Vec::with_capacity(subjects.len());
                for part in subjects.chunks(LISTS_AT_ONCE) {
                    ctx.check()?;
                    match of {
                        Subjects::Users(_) => {
                            let users: Vec<Option<u32>> = part.iter().copied().map(Some).collect();
                            lists.extend(self.lists_for_users(&users, &wanted, working));
                        }
                        Subjects::Items(_) => {
                            lists.extend(part.iter().map(|item| self.list_related(&[*item], &wanted, working)));
                        }
                    }
                }
                Ok::<_, MlError>(lists.into_iter().map(Option::unwrap_or_default).collect())
            })
        };
        let block = |range: Range<usize>| {
            let subjects = numbers.get(range).unwrap_or_default();
            shape(ListBlock { subjects, lists: lists(subjects)? })
        };
        in_blocks(numbers.len(), wanted.length(), ctx, block, take)
    }
}

/// Computes something for `n` lists of at most `cutoff` entries, in blocks on all threads of the context. `take` gets the results
/// in order, while the next blocks are computed.
pub fn in_blocks<T: Send, E: From<MlError> + Send>(
    n: usize,
    cutoff: usize,
    ctx: &Context,
    block: impl Fn(Range<usize>) -> Result<T, E> + Sync,
    mut take: impl FnMut(T) -> Result<(), E> + Send,
) -> Result<(), E> {
    let length = (ENTRIES / cutoff.max(1)).clamp(FEWEST, MOST);
    let ranges: Vec<Range<usize>> = (0..n).step_by(length).map(|first| first..n.min(first + length)).collect();
    ctx.install(|| {
        let mut finished: Vec<T> = Vec::new();
        for some in ranges.chunks(ctx.threads * BLOCKS_PER_THREAD) {
            let compute = || some.par_iter().cloned().with_max_len(1).map(&block).collect::<Result<Vec<T>, E>>();
            let pass_on = || finished.drain(..).try_for_each(&mut take);
            let (next, taken) = rayon::join(compute, pass_on);
            taken?;
            finished = next?;
            ctx.progress(some.last().map_or(0, |last| last.end) as u64, n as u64);
        }
        finished.drain(..).try_for_each(&mut take)
    })
}
