//! What can go wrong with training data.

use actix_web::http::StatusCode;
use serde_json::json;

use crate::ml::error::MlError;
use crate::platform::http::ApiError;
use crate::platform::tabular::TabularError;

/// Why data could not be stored, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The name of the file will not do.
    #[error("{0}")]
    BadName(String),
    /// More bytes than allowed.
    #[error("The file is larger than {} MB, which is the limit for uploads. Compress it, or split it.", limit >> 20)]
    UploadTooLarge { limit: u64 },
    /// The file cannot be imported.
    #[error("{}", sentence(&.0.to_string()))]
    Unreadable(#[from] TabularError),
    /// A small file that fills the memory when it is unpacked.
    #[error("The file unpacks to more than {ratio} times its size, which no table of interactions does. Send it uncompressed.")]
    Inflated { ratio: u64 },
    /// The file is in order but gives no interaction.
    #[error("{0}")]
    NothingKept(String),
    /// The data has gone, or was never usable.
    #[error("{0}")]
    NotUsable(String),
    /// The prepared form does not hold together.
    #[error("The prepared form of this training data is damaged ({0}). Upload the file again.")]
    Damaged(MlError),
    /// Something live depends on it.
    #[error("Something live depends on it: {0}")]
    InUse(ApiError),
    /// The file store said no.
    #[error("The file store failed: {0}")]
    Storage(#[from] std::io::Error),
    /// Work on another thread ended without a result.
    #[error("The import stopped unexpectedly: {0}")]
    Stopped(String),
    /// The database said no.
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    /// No connection to the database.
    #[error(transparent)]
    Connection(#[from] crate::platform::db::DbError),
}

impl DataError {
    /// Whether the same may succeed later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Storage(_) | Self::Stopped(_) | Self::Database(_) | Self::Connection(_) => true,
            Self::Unreadable(error) => matches!(error, TabularError::Io(_)),
            _ => false,
        }
    }
}

impl From<DataError> for ApiError {
    fn from(error: DataError) -> Self {
        let message = error.to_string();
        match error {
            DataError::Unreadable(TabularError::Io(cause)) => Self::unavailable(&cause),
            DataError::BadName(_) | DataError::Unreadable(_) | DataError::Inflated { .. } | DataError::NothingKept(_) => {
                Self::field("file", message)
            }
            DataError::UploadTooLarge { .. } => Self::with_body(StatusCode::PAYLOAD_TOO_LARGE, json!({ "file": [message] })),
            DataError::NotUsable(_) | DataError::Damaged(_) => Self::conflict(message),
            DataError::InUse(answer) => answer,
            DataError::Storage(cause) => Self::unavailable(&cause),
            DataError::Stopped(cause) => Self::internal(&cause),
            DataError::Database(error) => error.into(),
            DataError::Connection(error) => error.into(),
        }
    }
}

/// A clause as a sentence of its own.
pub fn sentence(clause: &str) -> String {
    let mut characters = clause.chars();
    let start = characters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{start}{}.", characters.as_str().trim_end_matches('.'))
}
