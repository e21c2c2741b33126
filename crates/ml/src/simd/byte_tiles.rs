//! The products of a panel of bytes with several vectors of bytes at once: the panel is read once for all of them, and their sums
//! stay in registers.

#[cfg(target_arch = "x86_64")]
use super::Level;
use super::{BYTE_GROUP, BYTE_PANEL, BYTE_ZERO, Kernels};

/// Vectors of a tile.
pub const BYTE_TILE: usize = 8;

/// Vectors of bytes from −127 to 127.
#[derive(Debug, Clone, Default)]
pub struct ByteTile {
    /// For each group of bytes, that of each vector.
    groups: Vec<[i32; BYTE_TILE]>,
    /// What each sum is too great by, since the bytes of panels count as unsigned.
    excess: [i32; BYTE_TILE],
}

impl ByteTile {
    /// Makes all vectors zero, with this many bytes each: a multiple of [`BYTE_GROUP`].
    pub fn clear(&mut self, len: usize) {
        self.groups.clear();
        self.groups.resize(len / BYTE_GROUP, [0; BYTE_TILE]);
        self.excess = [0; BYTE_TILE];
    }

    /// Sets one vector.
    pub fn set(&mut self, at: usize, vector: &[i8]) {
        for (groups, bytes) in self.groups.iter_mut().zip(bytemuck::cast_slice::<i8, [u8; BYTE_GROUP]>(vector)) {
            groups[at] = i32::from_ne_bytes(*bytes);
        }
        self.excess[at] = vector.iter().map(|&byte| i32::from(byte)).sum::<i32>() * i32::from(BYTE_ZERO);
    }
}

/// The rows of a panel whose products reach what is required.
#[derive(Debug, Clone)]
pub struct NearTile {
    /// For each vector, a bit for each row that does.
    pub rows: [u32; BYTE_TILE],
    /// The scaled products of each vector that has such a row.
    pub products: [[f32; BYTE_PANEL]; BYTE_TILE],
}

impl Default for NearTile {
    fn default() -> Self {
        NearTile { rows: [0; BYTE_TILE], products: [[0.0; BYTE_PANEL]; BYTE_TILE] }
    }
}

impl Kernels {
    /// Returns whether multiplying by tiles is faster than by single vectors.
    pub fn has_byte_tiles(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        if self.0 == Level::Avx512 {
            return is_x86_feature_detected!("avx512vnni");
        }
        false
    }

    /// Multiplies a panel, in the layout of [`super::BytePanels`], with each vector, and finds the rows whose product, times their
    /// scale, is at least what the vector requires.
    pub fn near_tile(
        self,
        panel: &[u8],
        scales: &[f32; BYTE_PANEL],
        tile: &ByteTile,
        least: &[f32; BYTE_TILE],
        near: &mut NearTile,
    ) {
        assert_eq!(panel.len(), tile.groups.len() * BYTE_GROUP * BYTE_PANEL);
        #[cfg(target_arch = "x86_64")]
        if self.has_byte_tiles() {
            // SAFETY: the length was just checked, and AVX-512F and VNNI were just found.
            return unsafe { x86::near_tile(panel, scales, tile, least, near) };
        }
        near_tile(panel, scales, tile, least, near);
    }
}

fn near_tile(panel: &[u8], scales: &[f32; BYTE_PANEL], tile: &ByteTile, least: &[f32; BYTE_TILE], near: &mut NearTile) {
    let mut sums = [[0i32; BYTE_PANEL]; BYTE_TILE];
    for (rows, groups) in panel.chunks_exact(BYTE_GROUP * BYTE_PANEL).zip(&tile.groups) {
        for (sums, group) in sums.iter_mut().zip(groups) {
            let group = group.to_ne_bytes().map(|byte| i32::from(byte as i8));
            for (sum, row) in sums.iter_mut().zip(rows.chunks_exact(BYTE_GROUP)) {
                *sum += row.iter().zip(group).map(|(&byte, other)| i32::from(byte) * other).sum::<i32>();
            }
        }
    }
    for t in 0..BYTE_TILE {
        near.rows[t] = 0;
        for row in 0..BYTE_PANEL {
            let product = (sums[t][row] - tile.excess[t]) as f32 * scales[row];
            near.products[t][row] = product;
            near.rows[t] |= u32::from(product >= least[t]) << row;
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{BYTE_PANEL, BYTE_TILE, ByteTile, NearTile};

    /// Does what [`super::near_tile`] does.
    ///
    /// # Safety
    /// The processor must have AVX-512F and VNNI, and the panel a group of each row for each group of the tile.
    #[target_feature(enable = "avx512f,avx512vnni,avx2,fma")]
    pub unsafe fn near_tile(
        panel: &[u8],
        scales: &[f32; BYTE_PANEL],
        tile: &ByteTile,
        least: &[f32; BYTE_TILE],
        near: &mut NearTile,
    ) {
        // SAFETY: the instructions exist here; each group of the tile has 128 bytes of the panel, the scales and the products of a
        // vector are 32 floats each, and all loads and stores are at any alignment.
        unsafe {
            let mut sums = [[_mm512_setzero_si512(); 2]; BYTE_TILE];
            for t in 0..BYTE_TILE {
                sums[t] = [_mm512_set1_epi32(-tile.excess[t]); 2];
            }
            let mut rows = panel.as_ptr();
            for groups in &tile.groups {
                let (first, second) = (_mm512_loadu_si512(rows.cast()), _mm512_loadu_si512(rows.add(64).cast()));
                for t in 0..BYTE_TILE {
                    let group = _mm512_set1_epi32(groups[t]);
                    sums[t][0] = _mm512_dpbusd_epi32(sums[t][0], first, group);
                    sums[t][1] = _mm512_dpbusd_epi32(sums[t][1], second, group);
                }
                rows = rows.wrapping_add(128);
            }
            let scales = [_mm512_loadu_ps(scales.as_ptr()), _mm512_loadu_ps(scales.as_ptr().add(16))];
            for t in 0..BYTE_TILE {
                let least = _mm512_set1_ps(least[t]);
                let first = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[t][0]), scales[0]);
                let second = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[t][1]), scales[1]);
                let low = u32::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(first, least));
                let high = u32::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(second, least));
                near.rows[t] = low | high << 16;
                if near.rows[t] != 0 {
                    let to = near.products[t].as_mut_ptr();
                    _mm512_storeu_ps(to, first);
                    _mm512_storeu_ps(to.add(16), second);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_finds_the_same_rows() {
        for groups in [1, 4, 16, 36] {
            let panel: Vec<u8> = (0..groups * BYTE_GROUP * BYTE_PANEL).map(|i| (i * 31 % 255 + 1) as u8).collect();
            let scales: [f32; BYTE_PANEL] = std::array::from_fn(|row| 1.0 + (row % 5) as f32);
            let vector = |t: usize| -> Vec<i8> {
                (0..groups * BYTE_GROUP).map(|i| if t == 3 { -127 } else { ((i * 37 + t * 11) % 255) as i8 }.max(-127)).collect()
            };
            let mut tile = ByteTile::default();
            tile.clear(groups * BYTE_GROUP);
            (0..BYTE_TILE - 1).for_each(|t| tile.set(t, &vector(t)));
            let product = |t: usize, row: usize| {
                let byte = |i: usize| i32::from(panel[(i / 4 * BYTE_PANEL + row) * BYTE_GROUP + i % 4]) - 128;
                vector(t).iter().enumerate().map(|(i, &other)| byte(i) * i32::from(other)).sum::<i32>() as f32 * scales[row]
            };
            let least: [f32; BYTE_TILE] = std::array::from_fn(|t| if t == 7 { f32::INFINITY } else { product(t, t) });
            for kernels in Kernels::all() {
                let mut near = NearTile::default();
                kernels.near_tile(&panel, &scales, &tile, &least, &mut near);
                for t in 0..BYTE_TILE - 1 {
                    for row in 0..BYTE_PANEL {
                        assert_eq!(near.products[t][row], product(t, row), "{kernels:?} {groups} {t} {row}");
                        assert_eq!(near.rows[t] >> row & 1 == 1, product(t, row) >= least[t]);
                    }
                }
                assert_eq!(near.rows[BYTE_TILE - 1], 0);
            }
        }
    }
}
