//! What to recommend in a session without known items.

use crate::error::{MlError, MlResult};
use crate::lists::Admitted;
use crate::tensors::{TensorReader, TensorWriter};

/// Name under which weights are stored in a file.
const WEIGHTS: &str = "popularity";

/// Up to this many items are faster to sort on their own than to look up among all.
const FEW: usize = 4_096;

/// The popularity of each item.
#[derive(Debug)]
pub struct Popularity {
    scores: Vec<f32>,
    /// All items, the most popular first.
    order: Vec<u32>,
    /// Whether the scores are weights instead of numbers of sessions.
    weighed: bool,
}

impl Popularity {
    /// Creates the popularity that counts the sessions with each item.
    pub fn of_counts(counts: &[u32]) -> Self {
        Popularity { weighed: false, ..Self::of_weights(counts.iter().map(|count| *count as f32).collect()) }
    }

    /// Creates the popularity that is the total weight of each item's interactions.
    pub fn of_weights(scores: Vec<f32>) -> Self {
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        order.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]));
        Popularity { scores, order, weighed: true }
    }

    /// Returns the `n` most popular of the admitted items; equal ones by number.
    pub fn best(&self, n: usize, admitted: &Admitted<'_>) -> Vec<(u32, f32)> {
        let scored = |item: u32| (item, self.scores[item as usize]);
        match admitted.only.as_deref().filter(|only| only.len() <= FEW) {
            Some(only) => {
                let mut items: Vec<u32> = only.iter().copied().filter(|item| admitted.has(*item)).collect();
                items.sort_by(|a, b| self.scores[*b as usize].total_cmp(&self.scores[*a as usize]));
                items.into_iter().take(n).map(scored).collect()
            }
            None => self.order.iter().copied().filter(|item| admitted.has(*item)).take(n).map(scored).collect(),
        }
    }

    /// Adds to a container what cannot be computed from the sessions in it.
    pub fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        if self.weighed {
            out.f32s(WEIGHTS, &[self.scores.len()], &self.scores);
        }
    }

    /// Reads it back; `counts` gives the number of sessions with each item.
    pub fn load(input: &TensorReader<'_>, counts: &[u32]) -> MlResult<Self> {
        if !input.has(WEIGHTS) {
            return Ok(Self::of_counts(counts));
        }
        let scores = input.f32s_shaped(WEIGHTS, &[counts.len()])?;
        if scores.iter().any(|score| !score.is_finite()) {
            return Err(MlError::BadArtifact("the popularity of an item is not a number".into()));
        }
        Ok(Self::of_weights(scores))
    }

    /// Returns the bytes held on the heap.
    pub fn heap_bytes(&self) -> u64 {
        (size_of_val(&*self.scores) + size_of_val(&*self.order)) as u64
    }
}
