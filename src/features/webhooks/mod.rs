//! Other programs: apps with a key, whose use is counted, and endpoints that are told, signed and retried, what happens in a
//! project. People are told by notifications.

mod app_use;
mod content;
mod delivery;
mod error;
mod model;
mod resealing;
mod retention;
mod routes;
mod secrets;
mod service;
mod signature;
mod store;
mod subscriber;

pub use app_use::{keep_storing, refresh_told, store_all};
pub use delivery::{Deliverer, deliver_until};
pub use model::{DisabledReason, MessageState};
pub use resealing::{Resealed, reseal};
pub use retention::{keep_tidy, tidy};
pub use routes::{Docs, routes};
pub use service::apps::{UsedApp, apps_of, create_told as create_app};
pub use service::endpoints::MOST_ENDPOINTS;
pub use signature::{SignatureError, SigningKey, sign, verify};
pub use subscriber::tell;
