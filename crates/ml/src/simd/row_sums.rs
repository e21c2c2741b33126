//! Weighted sums of rows: of a list of rows, and of the rows of a matrix that a sparse vector points to.

use super::{Kernel, Kernels, Lanes, PAD};

impl Kernels {
    /// Computes `out −= Σ factor · row`.
    pub fn subtract_rows(self, rows: &[(&[f32], f32)], out: &mut [f32]) {
        assert!(out.len().is_multiple_of(PAD) && rows.iter().all(|(row, _)| row.len() == out.len()));
        // SAFETY: lengths were just checked.
        unsafe { self.run(SubtractRows { rows, out }) }
    }

    /// Computes `out += Σ values[e] · matrix[indices[e]]`, where the rows of the matrix are as long as `out`.
    pub fn add_rows(self, matrix: &[f32], indices: &[u32], values: &[f32], out: &mut [f32]) {
        let width = out.len();
        let n_rows = matrix.len() / width.max(1);
        assert!(width.is_multiple_of(PAD) && indices.len() == values.len());
        assert!(indices.iter().all(|&index| (index as usize) < n_rows));
        // SAFETY: lengths and indices were just checked.
        unsafe { self.run(AddRows { matrix, indices, values, out }) }
    }
}

struct SubtractRows<'a> {
    rows: &'a [(&'a [f32], f32)],
    out: &'a mut [f32],
}

impl Kernel for SubtractRows<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let (to, len) = (self.out.as_mut_ptr(), self.out.len());
        // SAFETY: `L` exists here; `subtract_rows` checked that all rows are as long as `out`, a multiple of 16, which every vector
        // divides.
        unsafe {
            let mut fours = self.rows.chunks_exact(4);
            for four in &mut fours {
                let row = [four[0].0.as_ptr(), four[1].0.as_ptr(), four[2].0.as_ptr(), four[3].0.as_ptr()];
                let mut factor = [L::zero(); 4];
                for r in 0..4 {
                    factor[r] = L::splat(-four[r].1);
                }
                for i in (0..len).step_by(L::N) {
                    let first = L::fma(factor[0], L::load(row[0].add(i)), L::load(to.add(i)));
                    let second = L::fma(factor[1], L::load(row[1].add(i)), first);
                    let third = L::fma(factor[2], L::load(row[2].add(i)), second);
                    L::store(to.add(i), L::fma(factor[3], L::load(row[3].add(i)), third));
                }
            }
            for &(row, factor) in fours.remainder() {
                let (from, factor) = (row.as_ptr(), L::splat(-factor));
                for i in (0..len).step_by(L::N) {
                    L::store(to.add(i), L::fma(factor, L::load(from.add(i)), L::load(to.add(i))));
                }
            }
        }
    }
}

struct AddRows<'a> {
    matrix: &'a [f32],
    indices: &'a [u32],
    values: &'a [f32],
    out: &'a mut [f32],
}

impl AddRows<'_> {
    /// Sums `W` vectors of the rows from `start` on, in registers, and returns `W`.
    ///
    /// # Safety
    /// `L` must exist, the conditions of [`Kernels::add_rows`] must hold, and the strip must lie within the rows.
    #[inline(always)]
    unsafe fn strip<L: Lanes, const W: usize>(&mut self, start: usize) -> usize {
        let width = self.out.len();
        // SAFETY: `W` vectors from `start` end within `out` and within each row, as the caller guarantees; `add_rows` checked that
        // there is a value and a row for each index.
        unsafe {
            let to = self.out.as_mut_ptr().add(start);
            let mut sums = [L::zero(); W];
            for w in 0..W {
                sums[w] = L::load(to.add(w * L::N));
            }
            for at in 0..self.indices.len() {
                let row = self.matrix.as_ptr().add(*self.indices.get_unchecked(at) as usize * width + start);
                let value = L::splat(*self.values.get_unchecked(at));
                for w in 0..W {
                    sums[w] = L::fma(value, L::load(row.add(w * L::N)), sums[w]);
                }
            }
            for w in 0..W {
                L::store(to.add(w * L::N), sums[w]);
            }
        }
        W
    }
}

impl Kernel for AddRows<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(mut self) {
        let mut start = 0;
        while start < self.out.len() {
            let vectors = (self.out.len() - start) / L::N;
            // SAFETY: `L` exists here; `add_rows` checked lengths and indices. At least one vector is left, since the length is a
            // multiple of 16, and a strip takes no more than are left.
            let taken = unsafe {
                match vectors {
                    16.. if L::MANY_REGISTERS => self.strip::<L, 16>(start),
                    8.. => self.strip::<L, 8>(start),
                    4.. => self.strip::<L, 4>(start),
                    _ => self.strip::<L, 1>(start),
                }
            };
            start += taken * L::N;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, step: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * step % 97) as f32 - 48.0) / 48.0).collect()
    }

    #[test]
    fn every_instruction_set_sums_rows_alike() {
        for (n, width) in [(0, 16), (1, 16), (5, 80), (9, 144)] {
            let (q, factors) = (numbers(n * width, 31), numbers(n, 3));
            let rows: Vec<(&[f32], f32)> = q.chunks_exact(width).zip(factors.iter().copied()).collect();
            let mut wanted = numbers(width, 5);
            rows.iter().for_each(|(row, f)| wanted.iter_mut().zip(*row).for_each(|(w, x)| *w -= f * x));
            for kernels in Kernels::all() {
                let mut out = numbers(width, 5);
                kernels.subtract_rows(&rows, &mut out);
                assert!(out.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-5), "{kernels:?} {n} {width}");
            }
        }
    }

    #[test]
    fn every_instruction_set_adds_indexed_rows_alike() {
        for (entries, width) in [(0, 16), (1, 32), (5, 80), (9, 144), (30, 272)] {
            let (matrix, values) = (numbers(40 * width, 31), numbers(entries, 3));
            let indices: Vec<u32> = (0..entries as u32).map(|e| e * 7 % 40).collect();
            let before = numbers(width, 5);
            let added = |i: usize| -> f32 {
                indices.iter().zip(&values).map(|(&index, value)| value * matrix[index as usize * width + i]).sum()
            };
            for kernels in Kernels::all() {
                let mut out = numbers(width, 5);
                kernels.add_rows(&matrix, &indices, &values, &mut out);
                assert!((0..width).all(|i| (out[i] - before[i] - added(i)).abs() < 1e-4), "{kernels:?} {entries} {width}");
            }
        }
    }
}
