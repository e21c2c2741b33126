//! HTTP functions that every route shares: the error envelope, request bodies, pages of results, throttles.

pub mod attachment;
pub mod bodies;
pub mod body;
pub mod caller;
pub mod connections;
pub mod error;
pub mod filters;
mod meter;
mod origin;
pub mod pace;
pub mod pages;
mod parsers;
mod payload;
mod pieces;
pub mod request;
mod resource;
mod room;
pub mod threads;
pub mod throttle;
mod unchanging;
pub mod unread;

pub use attachment::{attachment, checked_attachment};
pub use body::{Body, FieldReader};
pub use caller::{RequestId, client_address, client_network, network_of, request_id, site_of};
pub use error::{ApiError, ApiResult, ConflictBody, Dependent};
pub use filters::Filters;
pub use origin::{is_same_site, origin};
pub use pages::{Page, PageRequest, paginate};
pub use payload::whole;
pub use pieces::{embedded, in_pieces, pieces};
pub use request::{Described, Optional, RequestOf, Write};
pub use unchanging::{Unchanging, UnchangingFiles};

/// A timestamp as the contract writes it: UTC with `Z`, microseconds, no fraction when it is zero.
pub mod timestamp {
    use chrono::{DateTime, SecondsFormat, Timelike, Utc};
    use serde::Serializer;

    /// Writes one timestamp.
    pub fn text(at: &DateTime<Utc>) -> String {
        let format = if at.nanosecond() / 1_000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Micros };
        at.to_rfc3339_opts(format, true)
    }

    /// Serialises a timestamp, for `#[serde(serialize_with)]`.
    pub fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(at))
    }

    /// Timestamps of a column that may be null.
    pub mod option {
        use super::{DateTime, Serializer, Utc, text};

        /// Serialises a timestamp or null, for `#[serde(serialize_with)]`.
        pub fn serialize<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => serializer.serialize_str(&text(at)),
                None => serializer.serialize_none(),
            }
        }
    }
}
