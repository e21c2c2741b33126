//! An object that is being written.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};

use super::error::ObjectError;

/// Bytes of a part. A store takes 10,000 parts of an object, so the longest object has 160 GB.
const PART: usize = 16 << 20;

/// Parts that are on their way at once.
const AT_ONCE: usize = 2;

/// An object that is being written in parts. It appears when it is finished; until then an earlier one stays.
pub struct Writing {
    store: Arc<dyn ObjectStore>,
    path: Path,
    key: String,
    /// What has been written before the first part is full.
    small: Vec<u8>,
    parts: Option<WriteMultipart>,
}

impl Writing {
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: Path, key: &str) -> Self {
        Self { store, path, key: key.to_owned(), small: Vec::new(), parts: None }
    }

    /// Adds bytes. Waits while the store is behind.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        if self.parts.is_none() {
            self.small.extend_from_slice(bytes);
            if self.small.len() < PART {
                return Ok(());
            }
            let upload: Box<dyn MultipartUpload> =
                self.store.put_multipart(&self.path).await.map_err(|error| self.error(&error))?;
            let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
            parts.write(&std::mem::take(&mut self.small));
            self.parts = Some(parts);
            return Ok(());
        }
        let (parts, key) = (self.parts.as_mut(), &self.key);
        let Some(parts) = parts else { return Ok(()) };
        parts.wait_for_capacity(AT_ONCE).await.map_err(|error| ObjectError::of_store(&error, key))?;
        parts.write(bytes);
        Ok(())
    }

    /// Ends the object, which appears now. After an error, nothing of it is left.
    pub async fn finish(mut self) -> Result<(), ObjectError> {
        let put = match self.parts.take() {
            Some(parts) => parts.finish().await.map(drop),
            None => self.store.put(&self.path, PutPayload::from(std::mem::take(&mut self.small))).await.map(drop),
        };
        put.map_err(|error| self.error(&error))
    }

    /// Removes what has been written.
    pub async fn abort(mut self) -> Result<(), ObjectError> {
        match self.parts.take() {
            Some(parts) => parts.abort().await.map_err(|error| self.error(&error)),
            None => Ok(()),
        }
    }

    fn error(&self, error: &object_store::Error) -> ObjectError {
        ObjectError::of_store(error, &self.key)
    }
}

impl Drop for Writing {
    /// Removes the parts of an object that was not finished, as far as that is still possible.
    fn drop(&mut self) {
        if let (Some(parts), Ok(runtime)) = (self.parts.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                if let Err(error) = parts.abort().await {
                    tracing::warn!("parts of an unfinished object could not be removed: {error}");
                }
            });
        }
    }
}
