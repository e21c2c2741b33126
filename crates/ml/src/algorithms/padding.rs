//! Rows of factors as the kernels read them, padded with zeros, and as files hold them.

use std::borrow::Cow;

/// Pads rows of `k` numbers with zeros to `width`.
pub(super) fn pad(rows: &[f32], k: usize, width: usize) -> Vec<f32> {
    let mut wide = vec![0f32; rows.len() / k * width];
    wide.chunks_exact_mut(width).zip(rows.chunks_exact(k)).for_each(|(to, from)| to[..k].copy_from_slice(from));
    wide
}

/// Returns the first `k` numbers of rows of `width`; borrowed where these are all.
pub(super) fn compact(rows: &[f32], k: usize, width: usize) -> Cow<'_, [f32]> {
    match width == k {
        true => rows.into(),
        false => rows.chunks_exact(width).flat_map(|row| &row[..k]).copied().collect(),
    }
}
