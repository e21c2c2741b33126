//! Learning that one row should have a greater product with a vector than another row.

use super::{Kernels, Level, PAD, dispatched};

/// Products of a vector `p` and two rows `a` and `b` that a step needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairProducts {
    /// `p · (a − b)`
    pub margin: f32,
    /// `‖p‖²`
    pub vector: f32,
    /// `‖a − b‖²`
    pub difference: f32,
}

/// Lengths of a step: `p += pull_p (a − b) − shrink_p p`, `a += pull_a p − shrink_a a`, `b −= pull_b p + shrink_b b`.
#[derive(Debug, Clone, Copy)]
pub struct PairStep {
    /// Pulls of the vector, the greater and the lesser row.
    pub pull: [f32; 3],
    /// Shrinkages in the same order.
    pub shrink: [f32; 3],
}

dispatched! {
    /// Returns the products of a vector and two rows, whose length is a multiple of [`PAD`].
    pair_products(p: &[f32], a: &[f32], b: &[f32]) -> PairProducts, pair_products_plain
}

dispatched! {
    /// Moves a vector and two rows of the same length at once.
    pair_step(p: &mut [f32], a: &mut [f32], b: &mut [f32], step: PairStep), pair_step_plain
}

dispatched! {
    /// Moves only the vector.
    pair_step_of_vector(p: &mut [f32], a: &[f32], b: &[f32], pull: f32, shrink: f32), pair_step_of_vector_plain
}

dispatched! {
    /// Moves only the two rows: `a += pull p`, `b −= pull p`.
    pair_pull(p: &[f32], a: &mut [f32], b: &mut [f32], pull: f32), pair_pull_plain
}

/// Returns the sum of all lanes, by halves: the compiler keeps it in registers.
#[inline(always)]
pub(super) fn total(mut lanes: [f32; PAD]) -> f32 {
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
    }
    lanes[0]
}

#[inline(always)]
fn pair_products_plain(p: &[f32], a: &[f32], b: &[f32]) -> PairProducts {
    let (mut margin, mut vector, mut difference) = ([0f32; PAD], [0f32; PAD], [0f32; PAD]);
    for ((p, a), b) in p.chunks_exact(PAD).zip(a.chunks_exact(PAD)).zip(b.chunks_exact(PAD)) {
        for i in 0..PAD {
            let d = a[i] - b[i];
            margin[i] += p[i] * d;
            vector[i] += p[i] * p[i];
            difference[i] += d * d;
        }
    }
    PairProducts { margin: total(margin), vector: total(vector), difference: total(difference) }
}

#[inline(always)]
fn pair_step_plain(p: &mut [f32], a: &mut [f32], b: &mut [f32], step: PairStep) {
    let n = p.len();
    let (a, b) = (&mut a[..n], &mut b[..n]);
    for i in 0..n {
        let (vector, greater, lesser) = (p[i], a[i], b[i]);
        p[i] += step.pull[0] * (greater - lesser) - step.shrink[0] * vector;
        a[i] += step.pull[1] * vector - step.shrink[1] * greater;
        b[i] -= step.pull[2] * vector + step.shrink[2] * lesser;
    }
}

#[inline(always)]
fn pair_step_of_vector_plain(p: &mut [f32], a: &[f32], b: &[f32], pull: f32, shrink: f32) {
    let n = p.len();
    let (a, b) = (&a[..n], &b[..n]);
    for i in 0..n {
        p[i] += pull * (a[i] - b[i]) - shrink * p[i];
    }
}

#[inline(always)]
fn pair_pull_plain(p: &[f32], a: &mut [f32], b: &mut [f32], pull: f32) {
    let n = p.len();
    let (a, b) = (&mut a[..n], &mut b[..n]);
    for i in 0..n {
        a[i] += pull * p[i];
        b[i] -= pull * p[i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_takes_the_same_step() {
        for n in [16, 32, 144] {
            let numbers = |k: usize| (0..n).map(|i| ((i * k % 23) as f32 - 11.0) / 8.0).collect::<Vec<f32>>();
            let step = PairStep { pull: [0.5, 0.25, 0.125], shrink: [0.01, 0.02, 0.03] };
            let all = |kernels: Kernels| {
                let (mut p, mut a, mut b) = (numbers(7), numbers(5), numbers(3));
                let products = kernels.pair_products(&p, &a, &b);
                let dot = kernels.dot(&p, &a) - kernels.dot(&p, &b);
                assert!((products.margin - dot).abs() < 1e-3, "{products:?} {dot}");
                kernels.pair_step(&mut p, &mut a, &mut b, step);
                let mut alone = numbers(7);
                kernels.pair_step_of_vector(&mut alone, &numbers(5), &numbers(3), step.pull[0], step.shrink[0]);
                assert_eq!(alone, p);
                let (mut greater, mut lesser) = (numbers(5), numbers(3));
                kernels.pair_pull(&numbers(7), &mut greater, &mut lesser, 0.25);
                let near = |x: f32, y: f32| (x - y).abs() < 1e-6;
                assert!((0..n).all(|i| near(greater[i], numbers(5)[i] + 0.25 * numbers(7)[i])));
                assert!((0..n).all(|i| near(lesser[i], numbers(3)[i] - 0.25 * numbers(7)[i])));
                (products, p, a, b)
            };
            let wanted = all(Kernels(Level::Portable));
            assert!((0..n).all(|i| wanted.2[i] == numbers(5)[i] + (0.25 * numbers(7)[i] - 0.02 * numbers(5)[i])));
            assert!(Kernels::all().into_iter().all(|kernels| all(kernels) == wanted), "{n}");
        }
    }
}
