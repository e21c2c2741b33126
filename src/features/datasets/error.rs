//! Errors of uploads.

use actix_web::http::StatusCode;
use serde_json::json;

use crate::features::projects::{TooManyStoredBytes, TooManyWaitingJobs};
use crate::ml::error::MlError;
use crate::platform::compute::Crashed;
use crate::platform::disk::DiskShortage;
use crate::platform::http::ApiError;
use crate::platform::memory::{self, Shortage};
use crate::platform::queue::JobError;
use crate::platform::tabular::TabularError;

/// Seconds after which an upload may have ended, and after which the disk may have room again.
const SOON: u64 = 10;
const LATER: u64 = 60;

/// Why data could not be stored, read or deleted.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file name is invalid.
    #[error("{0}")]
    BadName(String),
    /// The upload has more bytes than allowed.
    #[error("The file is larger than {} MB, which is the limit for uploads. Compress it, or split it.", limit >> 20)]
    UploadTooLarge { limit: u64 },
    /// Too many uploads are in progress.
    #[error("{limit} uploads {of} are under way, which is as many as may be at once. Wait until one has ended.")]
    TooManyUploads { limit: usize, of: &'static str },
    /// All uploads in progress together use the disk space allowed for them.
    #[error("The server is receiving as much as it has room for. Try again in a minute.")]
    NoRoomForUploads,
    /// The uploads in progress of one user use the disk space allowed for them.
    #[error("Uploads of yours that are under way fill the {} MB that they may take at once. Try again once one has ended.", limit >> 20)]
    NoRoomForUploadsOfUser { limit: u64 },
    /// The disk has no free space beyond its reserve.
    #[error(transparent)]
    Disk(#[from] DiskShortage),
    /// The organisation stores as much as it may.
    #[error(transparent)]
    TooManyStoredBytes(#[from] TooManyStoredBytes),
    /// The organisation has as many jobs waiting as it may.
    #[error(transparent)]
    TooManyWaitingJobs(#[from] TooManyWaitingJobs),
    /// The file cannot be imported.
    #[error("{}", sentence(&.0.to_string()))]
    Unreadable(#[source] TabularError),
    /// A small file that would fill the memory when decompressed.
    #[error("The file unpacks to more than {ratio} times its size, which no table of interactions does. Send it uncompressed.")]
    Inflated { ratio: u64 },
    /// The file took too long to read.
    #[error("The file took longer than {seconds} seconds to check. Leave out columns, split it, or send it uncompressed.")]
    TooLong { seconds: u64 },
    /// The item metadata would be too large to stay in memory.
    #[error(
        "This item metadata would take about {} MB of memory, and item_cache_bytes allows {} MB. Leave out columns that no \
         rule and no list needs, or raise item_cache_bytes.",
        size.div_ceil(1 << 20),
        limit >> 20
    )]
    TableTooLarge { size: u64, limit: u64 },
    /// The file is valid but contains no usable interaction.
    #[error("{0}")]
    NothingKept(String),
    /// The data has been deleted, or was never usable.
    #[error("{0}")]
    NotUsable(String),
    /// The prepared form is corrupt.
    #[error("The prepared form of this training data is damaged ({0}). Upload the file again.")]
    Damaged(MlError),
    /// A job in progress depends on it.
    #[error("Something live depends on it: {0}")]
    InUse(ApiError),
    /// It does not fit into memory; nothing was started.
    #[error("{what}: {shortage}.")]
    Memory { what: &'static str, shortage: Shortage, waits_for_others: bool },
    /// The file store failed.
    #[error("The file store failed: {0}")]
    Storage(std::io::Error),
    /// An allocation failed.
    #[error("There is not enough free memory to read this data. Try again when less is running, or give the server more memory.")]
    OutOfMemory,
    /// A blocking task ended without a result.
    #[error("The import stopped unexpectedly: {0}")]
    Stopped(String),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    /// The database could not be reached.
    #[error(transparent)]
    Connection(#[from] crate::platform::db::DbError),
}

impl DataError {
    /// Returns whether a retry may succeed.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Storage(_)
            | Self::OutOfMemory
            | Self::NoRoomForUploads
            | Self::Disk(_)
            | Self::Stopped(_)
            | Self::Database(_)
            | Self::Connection(_) => true,
            Self::Memory { waits_for_others, .. } => *waits_for_others,
            Self::Unreadable(error) => matches!(error, TabularError::Io(_)),
            _ => false,
        }
    }
}

impl From<std::io::Error> for DataError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::OutOfMemory { Self::OutOfMemory } else { Self::Storage(error) }
    }
}

impl From<TabularError> for DataError {
    fn from(error: TabularError) -> Self {
        match error {
            TabularError::Io(cause) if cause.kind() == std::io::ErrorKind::OutOfMemory => Self::OutOfMemory,
            error => Self::Unreadable(error),
        }
    }
}

impl From<DataError> for JobError {
    fn from(error: DataError) -> Self {
        let reason = error.to_string();
        match error {
            DataError::Memory { waits_for_others: true, .. } => Self::Snooze(memory::PAUSE),
            error if error.is_passing() => Self::Retry { reason },
            _ => Self::Fail { reason },
        }
    }
}

impl From<Crashed> for DataError {
    fn from(error: Crashed) -> Self {
        Self::Stopped(error.to_string())
    }
}

impl From<DataError> for ApiError {
    fn from(error: DataError) -> Self {
        let message = error.to_string();
        match error {
            DataError::Unreadable(TabularError::Io(cause)) => Self::unavailable(&cause),
            DataError::BadName(_)
            | DataError::Unreadable(_)
            | DataError::Inflated { .. }
            | DataError::TooLong { .. }
            | DataError::TableTooLarge { .. }
            | DataError::NothingKept(_) => Self::field("file", message),
            DataError::UploadTooLarge { .. } => Self::with_body(StatusCode::PAYLOAD_TOO_LARGE, json!({ "file": [message] })),
            DataError::TooManyUploads { .. } | DataError::NoRoomForUploadsOfUser { .. } => {
                Self::coded(StatusCode::TOO_MANY_REQUESTS, "too_many_uploads", message).retry_after(SOON)
            }
            DataError::NoRoomForUploads => {
                tracing::warn!("uploads are refused: those under way take as much of the disk as max_incoming_bytes allows");
                Self::coded(StatusCode::SERVICE_UNAVAILABLE, "no_room_for_uploads", message).retry_after(LATER)
            }
            DataError::Disk(shortage) => {
                tracing::warn!(%shortage, "uploads are refused");
                shortage.into()
            }
            DataError::TooManyStoredBytes(_) => Self::coded(StatusCode::INSUFFICIENT_STORAGE, "too_many_stored_bytes", message),
            DataError::TooManyWaitingJobs(refusal) => refusal.into(),
            DataError::OutOfMemory => {
                tracing::error!("a request was refused for want of memory");
                Self::coded(StatusCode::SERVICE_UNAVAILABLE, "out_of_memory", message).retry_after(LATER)
            }
            DataError::Memory { .. } => Self::coded(StatusCode::SERVICE_UNAVAILABLE, "not_enough_memory", message),
            DataError::NotUsable(_) | DataError::Damaged(_) => Self::conflict(message),
            DataError::InUse(answer) => answer,
            DataError::Storage(cause) => Self::unavailable(&cause),
            DataError::Stopped(cause) => Self::internal(&cause),
            DataError::Database(error) => error.into(),
            DataError::Connection(error) => error.into(),
        }
    }
}

/// Returns a clause as a sentence: capitalised, with a full stop.
pub fn sentence(clause: &str) -> String {
    let mut characters = clause.chars();
    let start = characters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{start}{}.", characters.as_str().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_memory_is_not_taken_for_a_fault_of_the_file_store() {
        let io = || std::io::Error::from(std::io::ErrorKind::OutOfMemory);
        for error in [DataError::from(io()), DataError::from(TabularError::Io(io()))] {
            let answer = ApiError::from(error);
            assert_eq!((answer.status().as_u16(), answer.body()["code"].as_str()), (503, Some("out_of_memory")));
            assert!(answer.body()["detail"].as_str().unwrap().contains("memory"), "{}", answer.body());
        }
        assert!(!DataError::from(io()).to_string().contains("file store"));
        let JobError::Retry { reason } = JobError::from(DataError::from(TabularError::Io(io()))) else { panic!() };
        assert!(reason.starts_with("There is not enough free memory"), "{reason}");
    }
}
