//! Reading the table of a prepared form into memory that has been promised.

use std::fs::File;
use std::io;

use super::table::ItemTable;
use crate::ml::error::{MlError, MlResult};
use crate::platform::blobs::Blobs;
use crate::platform::memory::{Promise, Shortage};

/// Why a table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    #[error(transparent)]
    Memory(#[from] Shortage),
    #[error("the file is gone")]
    Gone,
    #[error(transparent)]
    File(#[from] io::Error),
    /// The reader was told to stop.
    #[error(transparent)]
    Stopped(MlError),
}

/// Reads a table after its memory has been promised. `go_on` is asked before each row, and its error ends the reading.
pub fn read_within(blobs: &Blobs, key: &str, memory: &Promise, go_on: impl FnMut() -> MlResult<()>) -> Result<ItemTable, Unread> {
    let file = blobs.open_file(key).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unread::Gone,
        _ => Unread::File(error),
    })?;
    read_opened(&file, memory, go_on)
}

/// Reads a table from its file as [`read_within`] does.
pub fn read_opened(file: &File, memory: &Promise, mut go_on: impl FnMut() -> MlResult<()>) -> Result<ItemTable, Unread> {
    memory.raise_to(ItemTable::bytes_to_read(file)?)?;
    let read = ItemTable::read(file, || go_on().map_err(io::Error::other));
    read.map_err(|error| error.downcast().map_or_else(Unread::File, Unread::Stopped))
}
