//! Rows of a matrix, picked by number.

use super::PAD;

/// Some rows of a matrix, in any order, repeats allowed.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    matrix: &'a [f32],
    width: usize,
    picked: &'a [u32],
    upcoming: &'a [u32],
}

impl<'a> Rows<'a> {
    /// Picks rows of a matrix that are `width` long.
    ///
    /// # Panics
    /// When a number is out of range or `width` is not a multiple of [`PAD`]: kernels rely on both.
    pub fn new(matrix: &'a [f32], width: usize, picked: &'a [u32]) -> Self {
        let n = matrix.len() / width.max(1);
        let largest = picked.iter().fold(0, |largest, &row| largest.max(row));
        assert!(width > 0 && width.is_multiple_of(PAD) && (picked.is_empty() || (largest as usize) < n), "rows out of range");
        Rows { matrix, width, picked, upcoming: &[] }
    }

    /// Sets the rows that will be picked after these, so that kernels can prefetch them. Any numbers are valid.
    pub fn followed_by(self, upcoming: &'a [u32]) -> Self {
        Rows { upcoming, ..self }
    }

    /// Returns the length of a row.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Returns the number of picked rows.
    pub(super) fn len(&self) -> usize {
        self.picked.len()
    }

    /// Returns where a picked row starts.
    ///
    /// # Safety
    /// `at` must be less than [`Rows::len`].
    #[inline(always)]
    pub(super) unsafe fn pointer(&self, at: usize) -> *const f32 {
        // SAFETY: numbers were checked when the rows were picked.
        unsafe { self.matrix.as_ptr().add(*self.picked.get_unchecked(at) as usize * self.width) }
    }
}

/// Floats ahead of the work that are prefetched.
const AHEAD: usize = 512;

impl Rows<'_> {
    /// Prefetches the row that will be needed a little after the one at `at`.
    #[inline(always)]
    pub(super) fn ask_ahead(&self, at: usize) {
        let soon = at + (AHEAD / self.width).max(1);
        let row = match self.picked.get(soon) {
            Some(&row) => row,
            None => match self.upcoming.get(soon - self.picked.len()) {
                Some(&row) => row,
                None => return,
            },
        };
        // A prefetch of an invalid address does nothing.
        prefetch(self.matrix.as_ptr().wrapping_add(row as usize * self.width), self.width);
    }
}

/// Prefetches memory that will be read soon.
#[inline(always)]
pub(super) fn prefetch(row: *const f32, floats: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..floats / PAD {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: SSE is part of x86-64, and a prefetch reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(line * PAD).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (row, floats);
}
