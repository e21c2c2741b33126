//! Opening prepared forms, and reading their table into memory that has been promised.

use std::fs::File;
use std::io;

use diesel_async::AsyncPgConnection;

use super::lookup::Rows;
use super::model::{ItemMetaData, Subject};
use super::store;
use super::table::ItemTable;
use crate::features::datasets::{DataError, blocking};
use crate::ml::error::{MlError, MlResult};
use crate::platform::blobs::Blobs;
use crate::platform::memory::{Promise, Shortage};

/// How often the form in use is looked up whose file is replaced meanwhile.
const TRIES: usize = 3;

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

/// Opens the prepared form in use of a project about a subject; `None` if there is none. It can be read even if it is replaced
/// meanwhile.
pub async fn open_newest(
    connection: &mut AsyncPgConnection,
    blobs: &Blobs,
    project: i64,
    subject: Subject,
) -> Result<Option<File>, DataError> {
    for _ in 0..TRIES {
        let Some(key) = store::newest(connection, project, subject).await? else { return Ok(None) };
        let blobs = blobs.clone();
        match blocking(move || Ok(blobs.open_file(&key)?)).await {
            Err(DataError::Storage(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
            opened => return opened.map(Some),
        }
    }
    Ok(None)
}

/// Opens the prepared form of metadata to look up rows. Blocks.
pub fn rows(blobs: &Blobs, metadata: &ItemMetaData) -> Result<Rows, DataError> {
    let gone = || DataError::NotUsable(metadata.problem());
    let key = metadata.prepared_key.as_deref().ok_or_else(gone)?;
    blobs.open_file(key).and_then(Rows::open).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => gone(),
        _ => error.into(),
    })
}
