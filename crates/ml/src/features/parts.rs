//! Encoded rows on their way to one matrix.

use super::faults::LeftOut;
use crate::sparse::Csr;

/// Some encoded rows.
#[derive(Default)]
pub(super) struct Part {
    /// Where each row ends.
    pub ends: Vec<usize>,
    pub indices: Vec<u32>,
    pub values: Vec<f32>,
    left_out: LeftOut,
}

impl Part {
    /// Drops the entries from a place on, which are those of a row that is left out.
    pub fn leave_out(&mut self, start: usize, what: String) {
        self.indices.truncate(start);
        self.values.truncate(start);
        self.left_out.add(what);
    }
}

/// Joins parts, in their order.
pub(super) fn joined(parts: Vec<Part>, n_rows: usize, n_cols: usize) -> (Csr, LeftOut) {
    let nnz = parts.iter().map(|part| part.indices.len()).sum();
    let mut indptr = Vec::with_capacity(n_rows + 1);
    indptr.push(0);
    let (mut indices, mut values) = (Vec::with_capacity(nnz), Vec::with_capacity(nnz));
    let mut left_out = LeftOut::default();
    for part in parts {
        left_out.append(part.left_out);
        let start = indices.len();
        indptr.extend(part.ends.iter().map(|end| start + end));
        indices.extend_from_slice(&part.indices);
        values.extend_from_slice(&part.values);
    }
    (Csr { n_rows, n_cols, indptr, indices, values }, left_out)
}
