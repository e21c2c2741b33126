//! A model of factors with items that it was not trained on.

use super::Base;
use crate::algorithms::recommender::{Factors, Recommender, check_items, scores_by_factors};
use crate::error::{MlError, MlResult};
use crate::simd::Kernels;
use crate::tensors::TensorWriter;

/// A model of factors, and factors of more items behind its own.
pub(super) struct ExtendedFactors<'a> {
    base: Base<'a>,
    items: Vec<f32>,
    width: usize,
}

impl<'a> ExtendedFactors<'a> {
    /// Appends the vectors of new items to those of the model; `None` where the model has no factors of this width.
    pub fn new(base: Base<'a>, vectors: &[f32], width: usize) -> Option<Self> {
        let own = base.factors().filter(|own| own.width == width)?.items;
        let items = [own, vectors].concat();
        Some(ExtendedFactors { base, items, width })
    }

    fn as_factors(&self) -> Factors<'_> {
        let users = self.base.factors().map_or(&[][..], |factors| factors.users);
        Factors { users, items: &self.items, width: self.width }
    }

    fn item(&self, item: u32) -> &[f32] {
        &self.items[item as usize * self.width..][..self.width]
    }

    /// Computes the factors of a user with this history. The model folds in items that it was trained on; a new one stands for
    /// the trained item whose factors point most in its direction.
    fn fold_in(&self, items: &[u32]) -> MlResult<Vec<f32>> {
        let known = |&item: &u32| if (item as usize) < self.base.n_items() { item } else { self.nearest(item) };
        let mut history: Vec<u32> = items.iter().map(known).collect();
        history.sort_unstable();
        history.dedup();
        let vector = self.base.user_vector(&history)?;
        vector.ok_or_else(|| MlError::BadInput("the model cannot fold in a user".into()))
    }

    fn nearest(&self, item: u32) -> u32 {
        let mut likenesses = vec![0f32; self.base.n_items()];
        self.cosines(self.item(item), 0, &mut likenesses);
        let best = likenesses.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        best.map_or(0, |(at, _)| at as u32)
    }

    /// Computes the cosines between a vector and the items from one on.
    fn cosines(&self, vector: &[f32], from: usize, out: &mut [f32]) {
        let rows = &self.items[from * self.width..][..out.len() * self.width];
        Kernels::detect().products(rows, vector, out);
        let length = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>().sqrt();
        let own = length(vector);
        for (cosine, row) in out.iter_mut().zip(rows.chunks_exact(self.width)) {
            *cosine /= (own * length(row)).max(f32::MIN_POSITIVE);
        }
    }
}

impl Recommender for ExtendedFactors<'_> {
    scores_by_factors!();

    /// Scores as the model does where both items are its own, all others by the cosine of the factors.
    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        check_items(self, &[item], out)?;
        let n_own = self.base.n_items();
        if (item as usize) < n_own {
            self.base.similar_items(item, &mut out[..n_own])?;
            self.cosines(self.item(item), n_own, &mut out[n_own..]);
        } else {
            self.cosines(self.item(item), 0, out);
        }
        Ok(())
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        self.base.save(out);
    }

    fn heap_bytes(&self) -> u64 {
        self.base.heap_bytes() + self.items.len() as u64 * 4
    }
}
