//! Servers that tables and files are read from: what they hold, and their rows by window of a cursor, or by file; and tables that
//! are replaced.
//!
//! ```text
//! Settings ──► Connector ──► test, browse, sample, estimate, count, now, newest, pull; deliver
//!                  │
//!                  └─► outbound ─► TLS ─► the server, in read-only transactions
//! ```
//!
//! Every connection goes through [`Outbound`](recotem_platform::outbound::Outbound), which refuses addresses that the operator
//! has not allowed. Nothing is written to a server, except by a delivery, which has
//! a session of its own. Rows are streamed into a compressed file in bounded memory.

mod answers;
mod bounds;
mod certificates;
mod connector;
mod delivery;
mod error;
mod files;
mod kind;
mod mysql;
mod output;
mod pattern;
mod postgresql;
mod prepared;
mod query;
mod rows;
mod settings;
mod statements;
mod testing;
mod tls;
mod window;

pub use answers::{
    Count, Entry, EntryKind, Estimate, Listing, PullLimits, Pulled, Sample, StepState, TestStep, TestStepName, is_usable,
};
pub use connector::{Connector, Local};
pub use delivery::{DeliveredColumn, DeliveredType, TableDelivery, refuse_name};
pub use error::ConnectorError;
pub use files::{FileObject, Found, PulledFiles};
pub use kind::ConnectionKind;
pub use pattern::{FileFormat, Pattern};
pub use query::{Aggregate, Cursor, CursorKind, FilesQuery, Mapped, Query, Source, Table};
pub use recotem_tabular::Stop;
pub use settings::{ServerSettings, Settings, SettingsFault, Tls};
pub use window::Window;
