//! What the kinds of fields are encoded into.

use super::words;

/// A column and its value.
pub(super) type Entry = (u32, f64);

/// Buffers of a thread, kept from one cell to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub number: String,
    pub words: words::Scratch,
    pub codes: Vec<u32>,
    pub vector: Vec<f32>,
    /// The entries of the field of one item, in order of their columns.
    pub entries: Vec<Entry>,
}
