//! HTTP plumbing every route shares: the error envelope, request bodies, pages of results, throttles.

pub mod attachment;
pub mod body;
pub mod caller;
pub mod error;
pub mod filters;
pub mod pages;
mod parsers;
pub mod throttle;

pub use attachment::attachment;
pub use body::{Body, FieldReader, Missing};
pub use caller::{RequestId, client_address, origin, request_id};
pub use error::{ApiError, ApiResult, ConflictBody, Dependent};
pub use filters::Filters;
pub use pages::{Page, PageRequest};

/// A timestamp as the contract writes it: UTC with `Z`, microseconds, no fraction when it is zero.
pub mod timestamp {
    use chrono::{DateTime, SecondsFormat, Timelike, Utc};
    use serde::Serializer;

    /// Writes one timestamp.
    pub fn text(at: &DateTime<Utc>) -> String {
        let format = if at.nanosecond() / 1_000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Micros };
        at.to_rfc3339_opts(format, true)
    }

    /// For `#[serde(serialize_with)]`.
    pub fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(at))
    }

    /// The same for a column that may be null.
    pub mod option {
        use super::{DateTime, Serializer, Utc, text};

        /// For `#[serde(serialize_with)]`.
        pub fn serialize<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => serializer.serialize_str(&text(at)),
                None => serializer.serialize_none(),
            }
        }
    }
}
