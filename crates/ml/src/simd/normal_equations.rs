//! Products with the matrix of a weighted least-squares problem that is never formed:
//! `A = diagonal + Σ_r weight_r · row_r · row_rᵀ`.

use super::lanes::Lanes;
use super::{Kernel, Kernels, Rows};

/// The matrix `A`, by its parts. There is at least one row.
#[derive(Debug, Clone, Copy)]
pub struct NormalEquations<'a> {
    /// The rows.
    pub rows: Rows<'a>,
    /// A weight for each row.
    pub weights: &'a [f32],
    /// Diagonal of `A` beyond the rows.
    pub diagonal: &'a [f32],
}

impl NormalEquations<'_> {
    fn check(&self, p: &[f32], out: &[f32]) {
        let k = self.rows.width();
        assert!(p.len() == k && out.len() == k && self.diagonal.len() == k && self.weights.len() == self.rows.len());
        assert!(!self.weights.is_empty(), "equations without rows");
    }
}

impl Kernels {
    /// Computes `out = A · p` and returns `p · out`.
    pub fn product(self, equations: NormalEquations<'_>, p: &[f32], out: &mut [f32]) -> f32 {
        equations.check(p, out);
        let coefficient = Coefficient { constant: 0.0, linear: 0.0, quadratic: 1.0 };
        // SAFETY: lengths were just checked.
        unsafe { self.run(Pass::<false> { equations, p, out, coefficient }) }
    }

    /// Computes `out = Σ_r (bias + weight_r) · row_r − A · x`: how far `x` is from solving the problem whose targets are 1.
    pub fn residual(self, equations: NormalEquations<'_>, bias: f32, x: &[f32], out: &mut [f32]) {
        equations.check(x, out);
        let coefficient = Coefficient { constant: bias, linear: 1.0, quadratic: -1.0 };
        // SAFETY: lengths were just checked.
        unsafe { self.run(Pass::<true> { equations, p: x, out, coefficient }) };
    }
}

/// A row's coefficient as a function of its weight and product: `constant + weight * (linear + product * quadratic)`.
#[derive(Clone, Copy)]
struct Coefficient {
    constant: f32,
    linear: f32,
    quadratic: f32,
}

/// The kernel of `out = quadratic · diagonal · p + Σ_r coefficient_r row_r`, which returns `p · out`. In the first pass it
/// prefetches rows.
struct Pass<'a, const FIRST: bool> {
    equations: NormalEquations<'a>,
    p: &'a [f32],
    out: &'a mut [f32],
    coefficient: Coefficient,
}

/// Rows that are processed at once.
const GROUP: usize = 4;

impl<const FIRST: bool> Kernel for Pass<'_, FIRST> {
    type Output = f32;
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> f32 {
        // SAFETY: `L` exists here; `NormalEquations::check` and `Rows::new` checked the lengths. `resident` gets the number of
        // vectors in `p`.
        unsafe {
            match self.p.len() / L::N {
                4 if L::MANY_REGISTERS => self.resident::<L, 4>(),
                3 if L::MANY_REGISTERS => self.resident::<L, 3>(),
                2 if L::MANY_REGISTERS => self.resident::<L, 2>(),
                1 if L::MANY_REGISTERS => self.resident::<L, 1>(),
                _ => self.streamed::<L>(),
            }
        }
    }
}

/// The methods rely on lengths that [`NormalEquations::check`] and [`Rows::new`] have checked: there is a row; rows, diagonal, `p`
/// and `out` are equally long, a multiple of 16, which every vector divides; there is a weight for each row.
impl<const FIRST: bool> Pass<'_, FIRST> {
    /// Returns the group of rows from `at`; past the end the last row is repeated.
    ///
    /// # Safety
    /// There must be a row.
    #[inline(always)]
    unsafe fn group(&self, at: usize) -> [*const f32; GROUP] {
        let rows = &self.equations.rows;
        let mut group = [std::ptr::null(); GROUP];
        for r in 0..GROUP {
            // SAFETY: the number is at most that of the last row, and there is one.
            group[r] = unsafe { rows.pointer((at + r).min(rows.len() - 1)) };
            if FIRST {
                rows.ask_ahead(at + r);
            }
        }
        group
    }

    /// Returns the factors of the rows from `at`, given their products; zero past the end.
    ///
    /// # Safety
    /// `L` must exist.
    #[inline(always)]
    unsafe fn factors<L: Lanes>(&self, at: usize, products: [f32; GROUP]) -> [L::V; GROUP] {
        // SAFETY: `L` exists here, and a weight is read only if its number is less than their number.
        unsafe {
            let (c, weights) = (self.coefficient, self.equations.weights);
            let mut factors = [L::zero(); GROUP];
            for r in 0..GROUP {
                if at + r < weights.len() {
                    let factor = c.constant + weights.get_unchecked(at + r) * (c.linear + products[r] * c.quadratic);
                    factors[r] = L::splat(factor);
                }
            }
            factors
        }
    }

    /// Computes the pass for rows of `W` vectors: both vectors and a group of rows stay in registers, so that each row is read
    /// once.
    ///
    /// # Safety
    /// `L` must exist, the lengths must be as checked, and `p` must be `W` vectors long.
    #[inline(always)]
    unsafe fn resident<L: Lanes, const W: usize>(self) -> f32 {
        // SAFETY: `L` exists here; `p`, `out`, the diagonal and each row are `W` vectors long.
        unsafe {
            let n = self.equations.rows.len();
            let (mut p, mut out) = ([L::zero(); W], [L::zero(); W]);
            let scale = L::splat(self.coefficient.quadratic);
            for w in 0..W {
                p[w] = L::load(self.p.as_ptr().add(w * L::N));
                out[w] = L::mul(L::mul(scale, p[w]), L::load(self.equations.diagonal.as_ptr().add(w * L::N)));
            }
            let mut at = 0;
            while at < n {
                let group = self.group(at);
                let (mut rows, mut dots) = ([[L::zero(); W]; GROUP], [L::zero(); GROUP]);
                for r in 0..GROUP {
                    for w in 0..W {
                        rows[r][w] = L::load(group[r].add(w * L::N));
                        dots[r] = if w == 0 { L::mul(rows[r][w], p[w]) } else { L::fma(rows[r][w], p[w], dots[r]) };
                    }
                }
                let factors = self.factors::<L>(at, L::sums(dots));
                for r in 0..GROUP {
                    for w in 0..W {
                        out[w] = L::fma(factors[r], rows[r][w], out[w]);
                    }
                }
                at += GROUP;
            }
            let mut product = L::zero();
            for w in 0..W {
                product = L::fma(p[w], out[w], product);
                L::store(self.out.as_mut_ptr().add(w * L::N), out[w]);
            }
            L::sums([product, L::zero(), L::zero(), L::zero()])[0]
        }
    }

    /// Computes the pass for at least one row, of any length: while one group is added to the result, the products of the next
    /// are computed, so that no step waits for the sums across lanes.
    ///
    /// # Safety
    /// `L` must exist, and the lengths must be as checked.
    #[inline(always)]
    unsafe fn streamed<L: Lanes>(self) -> f32 {
        // SAFETY: `L` exists here; `p`, `out`, the diagonal and each row are `k` long, which every vector divides, and a group
        // begins at a row that there is.
        unsafe {
            let (n, k) = (self.equations.rows.len(), self.p.len());
            let (p, out) = (self.p.as_ptr(), self.out.as_mut_ptr());
            let scale = L::splat(self.coefficient.quadratic);
            let mut next = self.group(0);
            let mut dots = [L::zero(); GROUP];
            for i in (0..k).step_by(L::N) {
                let x = L::load(p.add(i));
                let scaled = L::mul(scale, x);
                L::store(out.add(i), L::mul(scaled, L::load(self.equations.diagonal.as_ptr().add(i))));
                for r in 0..GROUP {
                    dots[r] = L::fma(L::load(next[r].add(i)), x, dots[r]);
                }
            }
            let mut product = L::zero();
            for at in (0..n).step_by(GROUP) {
                let group = next;
                let factors = self.factors::<L>(at, L::sums(dots));
                let last = at + GROUP >= n;
                if !last {
                    next = self.group(at + GROUP);
                    dots = [L::zero(); GROUP];
                }
                for i in (0..k).step_by(L::N) {
                    let (x, mut sum) = (L::load(p.add(i)), L::load(out.add(i)));
                    for r in 0..GROUP {
                        sum = L::fma(factors[r], L::load(group[r].add(i)), sum);
                    }
                    L::store(out.add(i), sum);
                    if last {
                        product = L::fma(x, sum, product);
                    } else {
                        for r in 0..GROUP {
                            dots[r] = L::fma(L::load(next[r].add(i)), x, dots[r]);
                        }
                    }
                }
            }
            L::sums([product, L::zero(), L::zero(), L::zero()])[0]
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
    fn every_instruction_set_agrees_with_plain_loops() {
        for (k, n) in [(16, 3), (16, 1), (32, 5), (48, 8), (64, 11), (80, 3), (256, 6)] {
            let (matrix, weights, diagonal, p) = (numbers(20 * k, 31), numbers(n, 7), numbers(k, 5), numbers(k, 13));
            let picked: Vec<u32> = (0..n as u32).map(|i| i * 7 % 20).collect();
            let rows = Rows::new(&matrix, k, &picked).followed_by(&[3, u32::MAX]);
            let equations = NormalEquations { rows, weights: &weights, diagonal: &diagonal };
            let mut product: Vec<f32> = p.iter().zip(&diagonal).map(|(p, d)| p * d).collect();
            let mut right = vec![0f32; k];
            for (at, weight) in weights.iter().enumerate() {
                let row = &matrix[picked[at] as usize * k..][..k];
                let dot: f32 = row.iter().zip(&p).map(|(a, b)| a * b).sum();
                (0..k).for_each(|i| product[i] += weight * dot * row[i]);
                (0..k).for_each(|i| right[i] += (0.5 + weight) * row[i]);
            }
            let energy: f32 = product.iter().zip(&p).map(|(a, b)| a * b).sum();
            for kernels in Kernels::all() {
                let (mut found, mut rest) = (vec![9f32; k], vec![9f32; k]);
                let found_energy = kernels.product(equations, &p, &mut found);
                kernels.residual(equations, 0.5, &p, &mut rest);
                assert!((found_energy - energy).abs() < 1e-4 * energy.abs().max(1.0), "{kernels:?} {k} {n}");
                for i in 0..k {
                    assert!((found[i] - product[i]).abs() < 1e-3, "{kernels:?} {k} {n} {i}");
                    assert!((rest[i] - right[i] + product[i]).abs() < 1e-3, "{kernels:?} {k} {n} {i}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn rows_that_do_not_exist_cannot_be_picked() {
        Rows::new(&[0.0; 32], 16, &[0, 2]);
    }
}
