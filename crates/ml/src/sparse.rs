//! Compressed sparse rows: the layout of interactions and sparse models.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::{MlError, MlResult};

/// A sparse matrix by rows. Column numbers of a row are in rising order without repeats.
#[derive(Debug, Clone, PartialEq)]
pub struct Csr {
    /// Number of rows.
    pub n_rows: usize,
    /// Number of columns.
    pub n_cols: usize,
    /// Where each row starts, and the end of the last: `n_rows + 1` entries.
    pub indptr: Vec<usize>,
    /// Column of each entry.
    pub indices: Vec<u32>,
    /// Value of each entry.
    pub values: Vec<f32>,
}

impl Csr {
    /// Creates a matrix without entries.
    pub fn empty(n_rows: usize, n_cols: usize) -> Self {
        Csr { n_rows, n_cols, indptr: vec![0; n_rows + 1], indices: Vec::new(), values: Vec::new() }
    }

    /// Builds the matrix of ones at the given (row, column) pairs; repeated pairs collapse to one.
    pub fn from_pairs(n_rows: usize, n_cols: usize, rows: &[u32], cols: &[u32]) -> MlResult<Self> {
        if rows.len() != cols.len() {
            return Err(MlError::BadInput("row and column numbers differ in length".into()));
        }
        if rows.iter().any(|&r| r as usize >= n_rows) || cols.iter().any(|&c| c as usize >= n_cols) {
            return Err(MlError::BadInput("an interaction is outside the matrix".into()));
        }
        // Two stable counting sorts: first by column, then by row, leave columns sorted in each row.
        let by_col = counting_order(cols, n_cols);
        let mut starts = counts_to_starts(rows, n_rows);
        let mut indices = vec![0u32; rows.len()];
        let indptr_full = starts.clone();
        for &at in &by_col {
            let row = rows[at as usize] as usize;
            indices[starts[row]] = cols[at as usize];
            starts[row] += 1;
        }
        Ok(Self::collapse(n_rows, n_cols, &indptr_full, &indices))
    }

    fn collapse(n_rows: usize, n_cols: usize, indptr: &[usize], indices: &[u32]) -> Self {
        let mut kept = Csr::empty(n_rows, n_cols);
        kept.indices.reserve(indices.len());
        for row in 0..n_rows {
            let start = kept.indices.len();
            for &col in &indices[indptr[row]..indptr[row + 1]] {
                if kept.indices.len() == start || kept.indices.last() != Some(&col) {
                    kept.indices.push(col);
                }
            }
            kept.indptr[row + 1] = kept.indices.len();
        }
        kept.values = vec![1.0; kept.indices.len()];
        kept
    }

    /// Checks each invariant of the layout; for matrices from outside.
    pub fn validate(&self) -> MlResult<()> {
        let bad = |what: &str| Err(MlError::BadArtifact(format!("sparse matrix {what}")));
        if self.indptr.len() != self.n_rows + 1 || self.indptr[0] != 0 {
            return bad("has a row table of the wrong size");
        }
        if self.indptr.last() != Some(&self.indices.len()) || self.indices.len() != self.values.len() {
            return bad("has rows that do not cover its entries");
        }
        for pair in self.indptr.windows(2) {
            let Some(row) = self.indices.get(pair[0]..pair[1]) else { return bad("has rows out of order") };
            if row.windows(2).any(|w| w[0] >= w[1]) || row.last().is_some_and(|&c| c as usize >= self.n_cols) {
                return bad("has columns out of order or out of range");
            }
        }
        if self.values.iter().any(|v| !v.is_finite()) {
            return bad("holds values that are not finite");
        }
        Ok(())
    }

    /// Returns the number of entries.
    pub fn nnz(&self) -> usize {
        self.indices.len()
    }

    /// Returns the columns and values of one row.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.indptr[row]..self.indptr[row + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Returns the columns of one row.
    pub fn row_indices(&self, row: usize) -> &[u32] {
        &self.indices[self.indptr[row]..self.indptr[row + 1]]
    }

    /// Returns the number of entries of one row.
    pub fn row_len(&self, row: usize) -> usize {
        self.indptr[row + 1] - self.indptr[row]
    }

    /// Returns the rows of a range.
    pub fn rows(&self, range: Range<usize>) -> Csr {
        let entries = self.indptr[range.start]..self.indptr[range.end];
        Csr {
            n_rows: range.len(),
            n_cols: self.n_cols,
            indptr: self.indptr[range.start..=range.end].iter().map(|at| at - entries.start).collect(),
            indices: self.indices[entries.clone()].to_vec(),
            values: self.values[entries].to_vec(),
        }
    }

    /// Returns the rows that have an entry.
    pub fn without_empty_rows(mut self) -> Csr {
        self.indptr.dedup();
        self.n_rows = self.indptr.len() - 1;
        self
    }

    /// Returns these rows and those of another matrix of the same width behind them.
    pub fn followed_by(&self, more: &Csr) -> MlResult<Csr> {
        if more.n_cols != self.n_cols {
            return Err(MlError::BadInput(format!("rows of {} and of {} columns", self.n_cols, more.n_cols)));
        }
        let mut all = self.clone();
        all.n_rows += more.n_rows;
        all.indptr.extend(more.indptr[1..].iter().map(|at| at + self.nnz()));
        all.indices.extend_from_slice(&more.indices);
        all.values.extend_from_slice(&more.values);
        Ok(all)
    }

    /// Returns the columns of a range, numbered from 0.
    pub fn columns(&self, range: Range<usize>) -> Csr {
        let mut part = Csr::empty(self.n_rows, range.len());
        for row in 0..self.n_rows {
            let (cols, values) = self.row(row);
            let start = cols.partition_point(|&col| (col as usize) < range.start);
            let end = cols.partition_point(|&col| (col as usize) < range.end).max(start);
            part.indices.extend(cols[start..end].iter().map(|&col| col - range.start as u32));
            part.values.extend_from_slice(&values[start..end]);
            part.indptr[row + 1] = part.indices.len();
        }
        part
    }

    /// Returns the matrix without the entries of some columns, which are empty then.
    pub fn with_empty_columns(&self, range: Range<usize>) -> Csr {
        let mut rest = Csr::empty(self.n_rows, self.n_cols);
        for row in 0..self.n_rows {
            let (cols, values) = self.row(row);
            let start = cols.partition_point(|&col| (col as usize) < range.start);
            let end = cols.partition_point(|&col| (col as usize) < range.end).max(start);
            for kept in [0..start, end..cols.len()] {
                rest.indices.extend_from_slice(&cols[kept.clone()]);
                rest.values.extend_from_slice(&values[kept]);
            }
            rest.indptr[row + 1] = rest.indices.len();
        }
        rest
    }

    /// Returns the transposed matrix.
    pub fn transpose(&self) -> Csr {
        self.transpose_with(|parts| parts.into_iter().for_each(|part| self.fill_transposed(part)), 1)
    }

    /// Returns the transposed matrix, computed by up to `threads` threads of the calling pool.
    pub fn transpose_in_pool(&self, threads: usize) -> Csr {
        let n_parts = if self.nnz() < 1 << 18 { 1 } else { threads };
        self.transpose_with(|parts| parts.into_par_iter().for_each(|part| self.fill_transposed(part)), n_parts)
    }

    fn transpose_with(&self, fill: impl FnOnce(Vec<Transposed<'_>>), n_parts: usize) -> Csr {
        let indptr = counts_to_starts(&self.indices, self.n_cols);
        let (mut indices, mut values) = (vec![0u32; self.nnz()], vec![0f32; self.nnz()]);
        let (mut indices_left, mut values_left) = (&mut indices[..], &mut values[..]);
        let mut parts = Vec::with_capacity(n_parts);
        let mut first = 0;
        for part in 1..=n_parts {
            // Columns that hold about the same number of entries.
            let end = if part == n_parts { self.n_cols } else { indptr.partition_point(|&at| at < self.nnz() * part / n_parts) };
            let end = end.max(first);
            let len = indptr[end] - indptr[first];
            let (indices, rest) = std::mem::take(&mut indices_left).split_at_mut(len);
            indices_left = rest;
            let (values, rest) = std::mem::take(&mut values_left).split_at_mut(len);
            values_left = rest;
            let next = indptr[first..end].iter().map(|&at| at - indptr[first]).collect();
            parts.push(Transposed { first: first as u32, next, indices, values });
            first = end;
        }
        fill(parts);
        Csr { n_rows: self.n_cols, n_cols: self.n_rows, indptr, indices, values }
    }

    fn fill_transposed(&self, part: Transposed<'_>) {
        let Transposed { first, mut next, indices, values } = part;
        let end = first + next.len() as u32;
        for row in 0..self.n_rows {
            let (cols, vals) = self.row(row);
            let start = if first == 0 { 0 } else { cols.partition_point(|&col| col < first) };
            for (&col, &val) in cols[start..].iter().zip(&vals[start..]).take_while(|(col, _)| **col < end) {
                let at = &mut next[(col - first) as usize];
                indices[*at] = row as u32;
                values[*at] = val;
                *at += 1;
            }
        }
    }

    /// Counts the entries of each column.
    pub fn column_counts(&self) -> Vec<u32> {
        let mut counts = vec![0u32; self.n_cols];
        for &col in &self.indices {
            counts[col as usize] += 1;
        }
        counts
    }

    /// Returns the sum of each column.
    pub fn column_sums(&self) -> Vec<f64> {
        let mut sums = vec![0f64; self.n_cols];
        for (&col, &val) in self.indices.iter().zip(&self.values) {
            sums[col as usize] += f64::from(val);
        }
        sums
    }

    /// Returns the matrix without the entries on its diagonal.
    pub fn without_diagonal(mut self) -> Csr {
        let (mut from, mut to) = (0, 0);
        for row in 0..self.n_rows {
            let end = self.indptr[row + 1];
            while from < end {
                if self.indices[from] as usize != row {
                    (self.indices[to], self.values[to]) = (self.indices[from], self.values[from]);
                    to += 1;
                }
                from += 1;
            }
            self.indptr[row + 1] = to;
        }
        self.indices.truncate(to);
        self.values.truncate(to);
        self
    }

    /// Divides each row by its sum; rows that sum to zero stay as they are.
    pub fn normalize_rows(&mut self) {
        for row in 0..self.n_rows {
            let values = &mut self.values[self.indptr[row]..self.indptr[row + 1]];
            let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
            if sum != 0.0 {
                values.iter_mut().for_each(|v| *v = (f64::from(*v) / sum) as f32);
            }
        }
    }

    /// Returns the bytes held on the heap.
    pub fn bytes(&self) -> u64 {
        (self.indptr.len() * 8 + self.nnz() * 8) as u64
    }
}

/// The part of a transposed matrix that some adjacent columns become.
struct Transposed<'a> {
    /// The first of the columns.
    first: u32,
    /// For each column, where its next entry goes.
    next: Vec<usize>,
    indices: &'a mut [u32],
    values: &'a mut [f32],
}

fn counts_to_starts(keys: &[u32], n: usize) -> Vec<usize> {
    let mut starts = vec![0usize; n + 1];
    for &key in keys {
        starts[key as usize + 1] += 1;
    }
    for i in 0..n {
        starts[i + 1] += starts[i];
    }
    starts
}

fn counting_order(keys: &[u32], n: usize) -> Vec<u32> {
    let mut next = counts_to_starts(keys, n);
    let mut order = vec![0u32; keys.len()];
    for (at, &key) in keys.iter().enumerate() {
        order[next[key as usize]] = at as u32;
        next[key as usize] += 1;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_collapse_sort_and_transpose() {
        let m = Csr::from_pairs(3, 4, &[2, 0, 2, 2, 0], &[3, 1, 0, 3, 0]).unwrap();
        m.validate().unwrap();
        assert_eq!(m.indptr, [0, 2, 2, 4]);
        assert_eq!(m.indices, [0, 1, 0, 3]);
        let t = m.transpose();
        t.validate().unwrap();
        assert_eq!(t.row(0).0, [0, 2]);
        assert_eq!(t.transpose(), m);
        assert_eq!(m.column_counts(), [2, 1, 0, 1]);
        assert!(Csr::from_pairs(1, 1, &[0], &[1]).is_err());
    }

    #[test]
    fn a_range_of_columns_keeps_its_entries_and_their_values() {
        let mut m = Csr::from_pairs(3, 5, &[0, 0, 0, 1, 2, 2], &[0, 2, 4, 3, 1, 2]).unwrap();
        m.values = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let part = m.columns(1..4);
        part.validate().unwrap();
        assert_eq!((part.n_rows, part.n_cols), (3, 3));
        assert_eq!((part.row(0), part.row(1)), ((&[1][..], &[2.0][..]), (&[2][..], &[4.0][..])));
        assert_eq!(part.row(2), (&[0, 1][..], &[5.0, 6.0][..]));
        assert_eq!(m.columns(0..5), m);
        assert_eq!(m.columns(2..2), Csr::empty(3, 0));
        let rest = m.with_empty_columns(1..4);
        rest.validate().unwrap();
        assert_eq!((rest.n_cols, rest.row(0)), (5, (&[0, 4][..], &[1.0, 3.0][..])));
        assert_eq!((rest.row_len(1), rest.row_len(2), m.with_empty_columns(2..2)), (0, 0, m));
    }

    #[test]
    fn large_matrices_transpose_in_parts() {
        let (n_rows, n_cols) = (700, 900);
        // The last columns are empty, the first is full.
        let filled = |row: usize, col: usize| col == 0 || (col < 800 && row * 7 % 13 != col * 5 % 11);
        let pairs = (0..n_rows).flat_map(|r| (0..n_cols).filter(move |&c| filled(r, c)).map(move |c| (r as u32, c as u32)));
        let (rows, cols): (Vec<u32>, Vec<u32>) = pairs.unzip();
        let mut m = Csr::from_pairs(n_rows, n_cols, &rows, &cols).unwrap();
        m.values.iter_mut().enumerate().for_each(|(at, v)| *v = at as f32);
        assert!(m.nnz() > 1 << 18);
        let t = m.transpose_in_pool(3);
        t.validate().unwrap();
        assert_eq!(t, m.transpose());
        assert_eq!(t.transpose(), m);
    }

    #[test]
    fn rows_are_cut_out_and_joined() {
        let m = Csr::from_pairs(4, 3, &[0, 1, 1, 3], &[2, 0, 1, 2]).unwrap();
        let (first, rest) = (m.rows(0..2), m.rows(2..4));
        assert_eq!((first.nnz(), rest.nnz(), rest.row(1).0), (3, 1, &[2u32][..]));
        assert_eq!(first.followed_by(&rest).unwrap(), m);
        assert!(m.followed_by(&Csr::empty(1, 2)).is_err());
    }

    #[test]
    fn the_diagonal_goes() {
        let m = Csr::from_pairs(3, 3, &[0, 0, 1, 2, 2], &[0, 2, 1, 0, 2]).unwrap().without_diagonal();
        assert_eq!((m.indptr.as_slice(), m.indices.as_slice(), m.values.len()), (&[0, 1, 1, 2][..], &[2, 0][..], 2));
    }
}
