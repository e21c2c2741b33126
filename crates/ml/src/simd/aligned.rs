//! Buffers that start at a cache line.

use super::PAD;

/// Floats that start at a cache line: a vector load never straddles two.
#[derive(Debug, Clone, Default)]
pub struct Aligned(Vec<Line>);

#[derive(Debug, Clone, Copy, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C, align(64))]
struct Line([f32; PAD]);

impl Aligned {
    /// Creates zeros; `len` is a multiple of [`PAD`].
    pub fn zeros(len: usize) -> Self {
        Aligned(vec![Line([0.0; PAD]); len / PAD])
    }

    /// Makes room for `len` floats whose values do not matter, and returns them.
    pub fn room(&mut self, len: usize) -> &mut [f32] {
        if self.0.len() * PAD < len {
            self.0.resize(len.div_ceil(PAD), Line([0.0; PAD]));
        }
        &mut bytemuck::cast_slice_mut(&mut self.0)[..len]
    }
}

impl std::ops::Deref for Aligned {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        bytemuck::cast_slice(&self.0)
    }
}

impl std::ops::DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}
