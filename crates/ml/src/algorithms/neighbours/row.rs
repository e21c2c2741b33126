//! One row of a product while it is computed: sums for every column, and the best of them.

use std::ops::AddAssign;

/// Number of candidates beyond twice `k` that are held before they are cut back to `k`.
const SPARE: usize = 1024;

/// The sums of a row. All are zero between two rows.
pub(in crate::algorithms) struct Sums<S> {
    sums: Vec<S>,
    /// Columns that were zero when they were added to; only kept while few are.
    columns: Vec<u32>,
    n_columns: usize,
    sparse: bool,
}

impl<S: Copy + Default + PartialEq + AddAssign> Sums<S> {
    /// Creates the sums of `n_cols` columns.
    pub fn new(n_cols: usize) -> Self {
        Sums { sums: vec![S::default(); n_cols], columns: vec![0; n_cols / 4 + 1], n_columns: 0, sparse: false }
    }

    /// Begins a row to which `n_terms` terms will be added in total. A few terms leave most columns at zero, so the columns are
    /// remembered one by one; with many, going through all columns at the end is faster.
    pub fn begin(&mut self, n_terms: usize) {
        self.sparse = n_terms < self.columns.len();
        self.n_columns = 0;
    }

    /// Adds the same term to some columns.
    pub fn add(&mut self, cols: &[u32], term: S) {
        if self.sparse {
            cols.iter().for_each(|&col| self.add_remembering(col, term));
        } else {
            cols.iter().for_each(|&col| self.sums[col as usize] += term);
        }
    }

    /// Adds a term to each of some columns.
    pub fn add_each(&mut self, cols: &[u32], terms: impl Iterator<Item = S>) {
        if self.sparse {
            cols.iter().zip(terms).for_each(|(&col, term)| self.add_remembering(col, term));
        } else {
            cols.iter().zip(terms).for_each(|(&col, term)| self.sums[col as usize] += term);
        }
    }

    /// Adds a term and remembers the column if it is new; without a branch, since a branch would not be predictable.
    fn add_remembering(&mut self, col: u32, term: S) {
        let sum = &mut self.sums[col as usize];
        self.columns[self.n_columns] = col;
        self.n_columns += usize::from(*sum == S::default());
        *sum += term;
    }

    /// Passes on the sums that are not zero, each once, in no particular order, and resets them to zero.
    pub fn drain(&mut self, mut take: impl FnMut(u32, S)) {
        if self.sparse {
            // A sum that came back to zero is listed twice, but the second time it is zero.
            for &col in &self.columns[..self.n_columns] {
                let sum = std::mem::take(&mut self.sums[col as usize]);
                if sum != S::default() {
                    take(col, sum);
                }
            }
        } else {
            for (col, sum) in self.sums.iter_mut().enumerate() {
                if *sum != S::default() {
                    take(col as u32, std::mem::take(sum));
                }
            }
        }
    }
}

/// Selects the greatest `k` values of a row, equal ones by smaller column.
pub(in crate::algorithms) struct Best {
    k: usize,
    held: Vec<(f64, u32)>,
    /// The k-th value and column held when they were last cut back; a new one must be better.
    last: (f64, u32),
    packed: Vec<u64>,
}

/// Orders better ones first.
fn better_first(a: &(f64, u32), b: &(f64, u32)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

impl Best {
    pub fn new(k: usize) -> Self {
        Best { k, held: Vec::new(), last: Self::NONE, packed: Vec::new() }
    }

    /// Everything but NaN and negative infinity is better.
    const NONE: (f64, u32) = (f64::NEG_INFINITY, 0);

    pub fn offer(&mut self, value: f64, col: u32) {
        if value > self.last.0 || (value == self.last.0 && col < self.last.1) {
            self.held.push((value, col));
            if self.held.len() >= self.k.saturating_mul(2).saturating_add(SPARE) {
                self.cut_back();
            }
        }
    }

    fn cut_back(&mut self) {
        if self.k > 0 {
            self.last = *self.held.select_nth_unstable_by(self.k - 1, better_first).1;
        }
        self.held.truncate(self.k);
    }

    /// Appends columns and values of the best to `cols` and `values`, by rising column, and returns their number.
    pub fn finish(&mut self, cols: &mut Vec<u32>, values: &mut Vec<f32>) -> usize {
        if self.held.len() > self.k {
            self.cut_back();
        }
        self.packed.clear();
        // Columns are distinct, and whole numbers sort faster than pairs.
        self.packed.extend(self.held.iter().map(|&(value, col)| u64::from(col) << 32 | u64::from((value as f32).to_bits())));
        self.packed.sort_unstable();
        cols.extend(self.packed.iter().map(|&entry| (entry >> 32) as u32));
        values.extend(self.packed.iter().map(|&entry| f32::from_bits(entry as u32)));
        self.held.clear();
        self.last = Self::NONE;
        self.packed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_given_once_however_they_were_kept() {
        for n_terms in [3, 1000] {
            let mut sums = Sums::<f64>::new(100);
            for _ in 0..2 {
                sums.begin(n_terms);
                sums.add(&[7, 3], 1.0);
                sums.add_each(&[3, 50], [-1.0, 2.0].into_iter());
                sums.add(&[3], 0.5);
                let mut found = Vec::new();
                sums.drain(|col, sum| found.push((col, sum)));
                found.sort_by_key(|&(col, _)| col);
                assert_eq!(found, [(3, 0.5), (7, 1.0), (50, 2.0)]);
            }
        }
    }

    #[test]
    fn the_best_are_those_of_a_sort() {
        for k in [0, 1, 10, 3000, 5000] {
            let value = |col: u32| f64::from(col * 7919 % 13) - f64::from(u8::from(col.is_multiple_of(997))) * 20.0;
            let mut sorted: Vec<(f64, u32)> = (0..4000).map(|col| (value(col), col)).collect();
            sorted.sort_by(better_first);
            sorted.truncate(k);
            sorted.sort_by_key(|&(_, col)| col);
            let mut best = Best::new(k);
            for stride in [1, 2749] {
                (0..4000u32).map(|at| at * stride % 4000).for_each(|col| best.offer(value(col), col));
                let (mut cols, mut values) = (Vec::new(), Vec::new());
                assert_eq!(best.finish(&mut cols, &mut values), sorted.len());
                let found: Vec<(f64, u32)> = values.iter().map(|&v| f64::from(v)).zip(cols).collect();
                assert_eq!(found, sorted, "{k}");
            }
        }
    }
}
