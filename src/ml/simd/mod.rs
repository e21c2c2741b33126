//! Kernels over short rows of 32-bit floats, compiled for several instruction sets and chosen at run time.
//!
//! A portable x86-64 binary may use only SSE2 unless it asks the processor; these loops are where asking pays.
//! Row lengths are multiples of [`PAD`]; callers pad with zeros, which change no product.

mod aligned;
mod coordinate_descent;
mod row_sums;
mod run;

pub use aligned::Aligned;
pub use coordinate_descent::Penalty;

/// Rows are padded to a multiple of this many floats.
pub const PAD: usize = 16;

/// A length rounded up to a multiple of [`PAD`].
pub fn padded(len: usize) -> usize {
    len.next_multiple_of(PAD)
}

/// Asks for a row that will be read soon.
pub fn prefetch(row: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks(PAD) {
        // SAFETY: SSE is part of x86-64, and a prefetch reads nothing.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}

/// How a row's coefficient follows from its weight and its product with the vector:
/// `constant + weight * (linear + product * quadratic)`.
#[derive(Debug, Clone, Copy)]
pub struct Coefficient {
    /// Term without weight.
    pub constant: f32,
    /// Factor of the weight.
    pub linear: f32,
    /// Factor of weight times product.
    pub quadratic: f32,
}

impl Coefficient {
    #[inline(always)]
    fn of(self, weight: f32, product: f32) -> f32 {
        self.constant + weight * (self.linear + product * self.quadratic)
    }
}

/// One instruction set. Methods are unsafe because they may only run where it exists.
trait Lanes: Copy {
    type V: Copy;
    const N: usize;
    unsafe fn zero() -> Self::V;
    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    /// `a * b + c`
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// The sum of each of four vectors.
    unsafe fn sums(v: [Self::V; 4]) -> [f32; 4];
}

/// `out += Σ_r coefficient(weights[r], rows[r] · p) rows[r]`.
///
/// # Safety
/// The instruction set must exist; `p` and `out` hold `k` floats, `rows` holds `weights.len() * k`.
#[inline(always)]
unsafe fn rows_pass<L: Lanes>(rows: &[f32], weights: &[f32], p: &[f32], c: Coefficient, out: &mut [f32]) {
    let k = p.len();
    unsafe {
        let mut at = 0;
        while at + 4 <= weights.len() {
            let base = rows.as_ptr().add(at * k);
            let row = [base, base.add(k), base.add(2 * k), base.add(3 * k)];
            let mut dots = [L::zero(); 4];
            let mut i = 0;
            while i < k {
                let pv = L::load(p.as_ptr().add(i));
                for r in 0..4 {
                    dots[r] = L::fma(L::load(row[r].add(i)), pv, dots[r]);
                }
                i += L::N;
            }
            let dots = L::sums(dots);
            let mut factor = [L::zero(); 4];
            for r in 0..4 {
                factor[r] = L::splat(c.of(weights[at + r], dots[r]));
            }
            let mut i = 0;
            while i < k {
                let to = out.as_mut_ptr().add(i);
                let first = L::fma(factor[0], L::load(row[0].add(i)), L::load(to));
                let second = L::fma(factor[1], L::load(row[1].add(i)), first);
                let third = L::fma(factor[2], L::load(row[2].add(i)), second);
                L::store(to, L::fma(factor[3], L::load(row[3].add(i)), third));
                i += L::N;
            }
            at += 4;
        }
        while at < weights.len() {
            let row = rows.as_ptr().add(at * k);
            let mut dot = L::zero();
            let mut i = 0;
            while i < k {
                dot = L::fma(L::load(row.add(i)), L::load(p.as_ptr().add(i)), dot);
                i += L::N;
            }
            let dot = L::sums([dot, L::zero(), L::zero(), L::zero()])[0];
            let factor = L::splat(c.of(weights[at], dot));
            let mut i = 0;
            while i < k {
                let to = out.as_mut_ptr().add(i);
                L::store(to, L::fma(factor, L::load(row.add(i)), L::load(to)));
                i += L::N;
            }
            at += 1;
        }
    }
}

/// `out += scale * matrix · p` for a symmetric `k × k` matrix.
///
/// # Safety
/// The instruction set must exist; `p` and `out` hold `k` floats, `matrix` holds `k * k`.
#[inline(always)]
unsafe fn symmetric<L: Lanes>(matrix: &[f32], p: &[f32], scale: f32, out: &mut [f32]) {
    let k = p.len();
    unsafe {
        let mut start = 0;
        while start < k {
            // Up to four vectors of the output stay in registers, twice over, while all rows pass by.
            let width = (k - start).min(4 * L::N) / L::N;
            match width {
                4 => symmetric_strip::<L, 4>(matrix, p, scale, out, start),
                3 => symmetric_strip::<L, 3>(matrix, p, scale, out, start),
                2 => symmetric_strip::<L, 2>(matrix, p, scale, out, start),
                _ => symmetric_strip::<L, 1>(matrix, p, scale, out, start),
            }
            start += width * L::N;
        }
    }
}

/// # Safety
/// As [`symmetric`]; the strip of `W` vectors from `start` lies within `k`, and `k` is even.
#[inline(always)]
unsafe fn symmetric_strip<L: Lanes, const W: usize>(matrix: &[f32], p: &[f32], scale: f32, out: &mut [f32], start: usize) {
    let k = p.len();
    unsafe {
        let mut even = [L::zero(); W];
        let mut odd = [L::zero(); W];
        let mut r = 0;
        while r < k {
            let (a, b) = (L::splat(p[r]), L::splat(p[r + 1]));
            let row = matrix.as_ptr().add(r * k + start);
            for w in 0..W {
                even[w] = L::fma(a, L::load(row.add(w * L::N)), even[w]);
                odd[w] = L::fma(b, L::load(row.add(k + w * L::N)), odd[w]);
            }
            r += 2;
        }
        let scale = L::splat(scale);
        for w in 0..W {
            let to = out.as_mut_ptr().add(start + w * L::N);
            L::store(to, L::fma(scale, L::add(even[w], odd[w]), L::load(to)));
        }
    }
}

/// Plain arrays: what runs on processors that are not asked.
#[derive(Clone, Copy)]
struct Portable;

impl Lanes for Portable {
    type V = [f32; 4];
    const N: usize = 4;
    #[inline(always)]
    unsafe fn zero() -> Self::V {
        [0.0; 4]
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        unsafe { to.cast::<[f32; 4]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sums(v: [Self::V; 4]) -> [f32; 4] {
        v.map(|x| (x[0] + x[1]) + (x[2] + x[3]))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86;

/// An instruction set this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The kernels for one instruction set.
#[derive(Debug, Clone, Copy)]
pub struct Kernels(Level);

impl Kernels {
    /// The best that this processor offers.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            let wide = is_x86_feature_detected!("avx512f");
            return Kernels(if wide { Level::Avx512 } else { Level::Avx2 });
        }
        Kernels(Level::Portable)
    }

    /// `out += Σ_r coefficient(weights[r], rows[r] · p) rows[r]`.
    pub fn rows_pass(self, rows: &[f32], weights: &[f32], p: &[f32], coefficient: Coefficient, out: &mut [f32]) {
        assert!(p.len() == out.len() && p.len().is_multiple_of(PAD) && rows.len() == weights.len() * p.len());
        // SAFETY: lengths were just checked, and a level exists only where its instructions do.
        unsafe {
            match self.0 {
                Level::Portable => rows_pass::<Portable>(rows, weights, p, coefficient, out),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => x86::rows_pass_avx2(rows, weights, p, coefficient, out),
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => x86::rows_pass_avx512(rows, weights, p, coefficient, out),
            }
        }
    }

    /// `out += scale * matrix · p` for a symmetric matrix.
    pub fn symmetric(self, matrix: &[f32], p: &[f32], scale: f32, out: &mut [f32]) {
        assert!(p.len() == out.len() && p.len().is_multiple_of(PAD) && matrix.len() == p.len() * p.len());
        // SAFETY: lengths were just checked, and a level exists only where its instructions do.
        unsafe {
            match self.0 {
                Level::Portable => symmetric::<Portable>(matrix, p, scale, out),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => x86::symmetric_avx2(matrix, p, scale, out),
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => x86::symmetric_avx512(matrix, p, scale, out),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn levels() -> Vec<Kernels> {
        let mut levels = vec![Kernels(Level::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            let best = Kernels::detect().0;
            if best != Level::Portable {
                levels.push(Kernels(Level::Avx2));
            }
            if best == Level::Avx512 {
                levels.push(Kernels(Level::Avx512));
            }
        }
        levels
    }

    pub(super) fn numbers(n: usize, step: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * step % 97) as f32 - 48.0) / 48.0).collect()
    }

    #[test]
    fn every_instruction_set_agrees_with_plain_loops() {
        let c = Coefficient { constant: 0.5, linear: 1.0, quadratic: -0.25 };
        for (k, n) in [(16, 0), (16, 1), (32, 5), (48, 8), (64, 11), (80, 3), (256, 6)] {
            let (rows, weights, p) = (numbers(n * k, 31), numbers(n, 7), numbers(k, 13));
            let mut wanted = numbers(k, 5);
            for (row, &weight) in rows.chunks(k).zip(&weights) {
                let dot: f32 = row.iter().zip(&p).map(|(a, b)| a * b).sum();
                row.iter().zip(&mut wanted).for_each(|(a, w)| *w += c.of(weight, dot) * a);
            }
            let matrix: Vec<f32> = (0..k * k).map(|i| (((i / k) * (i % k)) % 7) as f32).collect();
            let product = |i: usize| p.iter().enumerate().map(|(j, x)| x * matrix[i * k + j]).sum::<f32>();
            for kernels in levels() {
                let mut out = numbers(k, 5);
                kernels.rows_pass(&rows, &weights, &p, c, &mut out);
                assert!(out.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-3), "{kernels:?} {k} {n}");
                let mut out = vec![1f32; k];
                kernels.symmetric(&matrix, &p, 2.0, &mut out);
                assert!((0..k).all(|i| (out[i] - 1.0 - 2.0 * product(i)).abs() < 1e-2), "{kernels:?} {k}");
            }
        }
    }
}
