//! Files that connectors write to.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::features::datasets::{Checked, DataError, Received, blocking};
use crate::platform::services::Services;

/// A file that a connector writes to on a thread of its own. Dropped without [`SharedFile::finish`], it is deleted.
#[derive(Clone)]
pub struct SharedFile(Arc<Mutex<Option<Checked>>>);

impl SharedFile {
    /// Creates an empty file, if the disk has room.
    pub async fn create(services: &Services) -> Result<Self, DataError> {
        services.disk().check()?;
        let blobs = services.blobs.clone();
        let file = blocking(move || Ok(Checked::new(blobs.incoming()?))).await?;
        Ok(Self(Arc::new(Mutex::new(Some(file)))))
    }

    /// Returns the file, which has been written completely.
    pub fn finish(&self) -> Result<Received, DataError> {
        let file = self.with(Option::take);
        file.map(Checked::finish).ok_or_else(|| DataError::Stopped("the file is gone".to_owned()))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Option<Checked>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for SharedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|file| file.as_mut().map_or_else(|| Err(io::ErrorKind::BrokenPipe.into()), |file| file.write(bytes)))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.with(|file| file.as_mut().map_or(Ok(()), Write::flush))
    }
}
