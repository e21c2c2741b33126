//! The trained network: scoring, folding in, storing.

use super::super::{Model, Recommender, check_block, check_items};
use super::network::{Network, Sizes};
use crate::error::{MlError, MlResult};
use crate::linalg;
use crate::simd::padded;
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// A network and the number of users it was trained on.
pub(super) struct MultVae {
    pub n_users: usize,
    pub network: Network,
}

impl MultVae {
    pub fn is_finite(&self) -> bool {
        self.network.layers().iter().all(|(_, layer)| layer.is_finite())
    }
}

impl Recommender for MultVae {
    fn n_users(&self) -> usize {
        self.n_users
    }

    fn n_items(&self) -> usize {
        self.network.sizes.items
    }

    fn score_users(&self, users: &[u32], seen: &Csr, out: &mut [f32]) -> MlResult<()> {
        check_block(self, users, Some(seen), out)?;
        let histories: Vec<_> = users.iter().map(|&user| seen.row(user as usize)).collect();
        self.network.scores(&histories, out);
        Ok(())
    }

    fn score_history(&self, items: &[u32], out: &mut [f32]) -> MlResult<()> {
        check_items(self, items, out)?;
        self.network.scores(&[(items, &vec![1.0; items.len()])], out);
        Ok(())
    }

    /// Scores by the cosine of the output weights.
    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        check_items(self, &[item], out)?;
        let (weights, width) = (&self.network.output.weights, self.network.output.width);
        let own = &weights[item as usize * width..][..width];
        linalg::times_transposed(own, weights, width, out);
        for (score, row) in out.iter_mut().zip(weights.chunks_exact(width)) {
            *score /= super::network::length(own) * super::network::length(row);
        }
        Ok(())
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        for (name, layer) in self.network.layers() {
            out.f32s(&format!("model.{name}.weights"), &[layer.weights.len() / layer.width, layer.width], &*layer.weights);
            out.f32s(&format!("model.{name}.bias"), &[layer.bias.len()], &*layer.bias);
        }
        // Only whole numbers: this cannot fail.
        out.metadata("model.sizes", &serde_json::to_string(&self.network.sizes).unwrap_or_default());
    }

    fn heap_bytes(&self) -> u64 {
        self.network.sizes.bytes()
    }
}

/// Reads a model back.
pub(super) fn load(input: &TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model> {
    let bad = |what: String| MlError::BadArtifact(what);
    let sizes: Sizes = serde_json::from_str(input.metadata("model.sizes")?).map_err(|e| bad(format!("layer sizes: {e}")))?;
    let widest = sizes.encoder.max(sizes.latent).max(sizes.decoder);
    let thinnest = sizes.encoder.min(sizes.latent).min(sizes.decoder);
    if sizes.items != n_items || thinnest == 0 || widest > 1 << 16 {
        return Err(bad("layer sizes do not fit the model".into()));
    }
    // Nothing is allocated for weights that are missing from the file.
    let (h, z, d) = (padded(sizes.encoder), padded(sizes.latent), padded(sizes.decoder));
    let rows =
        [("input", n_items, h, h), ("latent", 2 * z, h, 2 * z), ("hidden", d, z, d), ("output", n_items, d, padded(n_items))];
    let mut read = Vec::with_capacity(rows.len());
    for (name, rows, width, outputs) in rows {
        let weights = input.f32s_shaped(&format!("model.{name}.weights"), &[rows, width])?;
        read.push((weights, input.f32s_shaped(&format!("model.{name}.bias"), &[outputs])?));
    }
    let mut network = Network::zeros(sizes);
    for ((_, layer), (weights, bias)) in network.layers_mut().into_iter().zip(read) {
        layer.weights.copy_from_slice(&weights);
        layer.bias.copy_from_slice(&bias);
    }
    Ok(Box::new(MultVae { n_users, network }))
}
