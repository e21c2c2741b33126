//! The documented objective, computed over all pairs in 64-bit floats.

use crate::sparse::Csr;

/// Parameters of the objective.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    pub alpha0: f64,
    pub reg: f64,
    pub nu: f64,
    /// α0 when observed pairs weigh that much more (ORIGINAL), else 0.
    pub bias: f64,
    /// Epsilon of the logarithmic scaling; `None` without it.
    pub epsilon: Option<f64>,
}

impl Loss {
    /// Returns weight and target of each pair: `½ weight (score − target)²` is its part of the objective, up to a constant.
    fn pair(&self, value: Option<f32>) -> (f64, f64) {
        let confidence = value.map_or(0.0, |v| self.epsilon.map_or(f64::from(v), |e| (f64::from(v) / e).ln_1p()));
        let pull = if value.is_some() { confidence + self.bias } else { 0.0 };
        // ½ c (s − 1)² + ½ α0 s² for IALSPP, ½ (c + α0) (s − 1)² for ORIGINAL: both are ½ (c + α0) s² − pull · s.
        (confidence + self.alpha0, pull)
    }

    pub fn penalty(&self, count: usize, others: usize) -> f64 {
        self.reg * (self.alpha0 * others as f64 + count as f64).powf(self.nu)
    }

    /// Computes the objective of users and items of `k` components, up to a constant.
    pub fn value(&self, train: &Csr, users: &[f32], items: &[f32], k: usize) -> f64 {
        let counts = train.column_counts();
        let mut sum = 0.0;
        for (user, p) in users.chunks_exact(k).enumerate() {
            sum += self.penalty(train.row_len(user), train.n_cols) * dot(p, p) / 2.0;
            for (item, q) in items.chunks_exact(k).enumerate() {
                let (weight, pull) = self.pair(value(train, user, item));
                let score = dot(p, q);
                sum += weight * score * score / 2.0 - pull * score;
            }
        }
        let penalties = items.chunks_exact(k).zip(&counts);
        sum + penalties.map(|(q, &n)| self.penalty(n as usize, train.n_rows) * dot(q, q) / 2.0).sum::<f64>()
    }

    /// Returns the largest entry of the objective's gradient by the rows of `train`, whose factors are `rows`.
    pub fn steepest(&self, train: &Csr, rows: &[f32], others: &[f32], k: usize) -> f64 {
        self.steepest_from(&vec![0f32; rows.len()], train, rows, others, k)
    }

    /// Returns the same where the penalty pulls rows to `priors` instead of zero.
    pub fn steepest_from(&self, priors: &[f32], train: &Csr, rows: &[f32], others: &[f32], k: usize) -> f64 {
        let mut worst = 0f64;
        for (row, (p, prior)) in rows.chunks_exact(k).zip(priors.chunks_exact(k)).enumerate() {
            let penalty = self.penalty(train.row_len(row), train.n_cols);
            let mut gradient: Vec<f64> = p.iter().zip(prior).map(|(&v, &m)| penalty * (f64::from(v) - f64::from(m))).collect();
            for (other, q) in others.chunks_exact(k).enumerate() {
                let (weight, pull) = self.pair(value(train, row, other));
                let slope = weight * dot(p, q) - pull;
                gradient.iter_mut().zip(q).for_each(|(g, &v)| *g += slope * f64::from(v));
            }
            worst = gradient.iter().fold(worst, |worst, g| worst.max(g.abs()));
        }
        worst
    }
}

fn value(train: &Csr, row: usize, column: usize) -> Option<f32> {
    let (columns, values) = train.row(row);
    columns.iter().position(|&c| c as usize == column).map(|at| values[at])
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
