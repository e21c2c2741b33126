//! Working on many rows at once, with results that do not depend on the number of threads.

use rayon::prelude::*;

use crate::context::Context;
use crate::error::MlResult;

/// Least rows of a block; fewer are not worth another thread.
const LEAST: usize = 512;

/// Most blocks; enough for threads to end at about the same time.
const MOST_BLOCKS: usize = 64;

/// Calls `work` with the number of the first row of each block and its rows. Returns the results in order, or the error of the
/// first block that has one.
pub(super) fn in_blocks<T: Send>(
    rows: &[Option<u32>],
    ctx: &Context,
    work: impl Fn(usize, &[Option<u32>]) -> MlResult<T> + Sync,
) -> MlResult<Vec<T>> {
    let len = LEAST.max(rows.len().div_ceil(MOST_BLOCKS));
    let one = |(at, block): (usize, &[Option<u32>])| {
        ctx.check()?;
        work(at * len, block)
    };
    if rows.len() <= len {
        return rows.chunks(len).enumerate().map(one).collect();
    }
    let results: Vec<MlResult<T>> = ctx.install(|| rows.par_chunks(len).enumerate().map(one).collect());
    results.into_iter().collect()
}
