//! The index that makes the time of a recommendation independent of the number of training sessions: for each item the most
//! recent sessions that contain it, and for each of these sessions its items.

use super::sequences::Sessions;
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// Sessions are numbered from the one that ended last, so that "more recent" is "smaller".
#[derive(Debug, PartialEq)]
pub(super) struct Index {
    /// Items of each session, distinct; sessions that are kept for no item are left out.
    pub sessions: Csr,
    /// Sessions of each item, the most recent first.
    pub by_item: Csr,
    /// Number of sessions in which each item occurs, including those left out.
    pub counts: Vec<u32>,
    /// Number of training sessions, including those left out.
    pub n_sessions: u64,
}

/// Sessions between two checks for interruption.
const SESSIONS_PER_CHECK: usize = 10_000;

impl Index {
    /// Keeps for each item the `most` sessions that ended last.
    pub fn build(from: &Sessions, most: usize, ctx: &Context) -> MlResult<Self> {
        let mut counts = vec![0u32; from.n_items()];
        let mut sessions = Csr::empty(0, from.n_items());
        let mut distinct: Vec<u32> = Vec::new();
        for (done, at) in (0..from.len()).rev().enumerate() {
            if done % SESSIONS_PER_CHECK == 0 {
                ctx.check()?;
                ctx.progress(done as u64, from.len() as u64);
            }
            distinct.clear();
            distinct.extend_from_slice(from.get(at));
            distinct.sort_unstable();
            distinct.dedup();
            if distinct.iter().any(|&item| (counts[item as usize] as usize) < most) {
                sessions.indices.extend_from_slice(&distinct);
                sessions.indptr.push(sessions.indices.len());
            }
            distinct.iter().for_each(|&item| counts[item as usize] += 1);
        }
        sessions.n_rows = sessions.indptr.len() - 1;
        sessions.values = vec![1.0; sessions.nnz()];
        ctx.progress(from.len() as u64, from.len() as u64);
        Ok(Index { by_item: most_recent(&sessions, most), sessions, counts, n_sessions: from.len() as u64 })
    }

    /// Returns the bytes that building takes at its peak.
    pub fn estimate(from: &Sessions) -> u64 {
        (from.n_interactions() as u64) * 16 + (from.len() as u64) * 8 + (from.n_items() as u64) * 32
    }

    pub fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        out.csr("sessions", &self.sessions);
        out.csr("by_item", &self.by_item);
        out.u32s("counts", &[self.counts.len()], &self.counts);
        out.u64s("n_sessions", &[1], vec![self.n_sessions]);
    }

    pub fn load(input: &TensorReader<'_>, n_items: usize) -> MlResult<Self> {
        let bad = |what: &str| MlError::BadArtifact(what.to_owned());
        let sessions = input.csr("sessions")?;
        if sessions.n_cols != n_items {
            return Err(bad("the sessions are not of these items"));
        }
        let by_item = input.csr_shaped("by_item", n_items, sessions.n_rows)?;
        let counts = input.u32s("counts")?.1;
        let n_sessions = match input.u64s("n_sessions")?.1.as_slice() {
            &[n] if n > 0 => n,
            _ => return Err(bad("the number of sessions is missing")),
        };
        if counts.len() != n_items {
            return Err(bad("the items are not all counted"));
        }
        Ok(Index { sessions, by_item, counts, n_sessions })
    }
}

/// Returns the transposed matrix with the first `most` entries of each row.
fn most_recent(sessions: &Csr, most: usize) -> Csr {
    let mut by_item = Csr::empty(sessions.n_cols, sessions.n_rows);
    for (item, count) in sessions.column_counts().into_iter().enumerate() {
        by_item.indptr[item + 1] = by_item.indptr[item] + (count as usize).min(most);
    }
    let mut next = by_item.indptr.clone();
    by_item.indices = vec![0; next[sessions.n_cols]];
    by_item.values = vec![1.0; next[sessions.n_cols]];
    for session in 0..sessions.n_rows {
        for &item in sessions.row_indices(session) {
            let at = &mut next[item as usize];
            if *at < by_item.indptr[item as usize + 1] {
                by_item.indices[*at] = session as u32;
                *at += 1;
            }
        }
    }
    by_item
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interactions::InteractionLogBuilder;

    #[test]
    fn the_most_recent_sessions_are_kept_and_others_forgotten() {
        let mut builder = InteractionLogBuilder::new(true);
        for session in 0..6 {
            builder.push(&format!("s{session}"), "often", Some(session));
            builder.push(&format!("s{session}"), "often", Some(session));
        }
        builder.push("s1", "rare", Some(1));
        let sessions = Sessions::from_log(&builder.finish()).unwrap();
        let index = Index::build(&sessions, 2, &Context::new(0, 1)).unwrap();
        index.sessions.validate().unwrap();
        index.by_item.validate().unwrap();
        assert_eq!((index.sessions.n_rows, index.n_sessions), (3, 6), "s5, s4, and s1 because of the rare item");
        assert_eq!(index.by_item.row_indices(0), [0, 1]);
        assert_eq!(index.by_item.row_indices(1), [2]);
        assert_eq!(index.counts, [6, 1]);
    }
}
