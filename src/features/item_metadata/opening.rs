//! Reading the table of a prepared form into memory that has been promised.

use std::io;

use super::table::ItemTable;
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
}

/// Reads a table after its memory has been promised.
pub fn read_within(blobs: &Blobs, key: &str, memory: &Promise) -> Result<ItemTable, Unread> {
    let file = blobs.open_file(key).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unread::Gone,
        _ => Unread::File(error),
    })?;
    memory.raise_to(ItemTable::bytes_to_read(&file)?)?;
    Ok(ItemTable::read(&file)?)
}
