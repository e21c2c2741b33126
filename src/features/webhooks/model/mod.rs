//! Rows of apps, endpoints, messages and notifications, and the fields of bodies.

mod app;
mod endpoint;
mod message;
mod notification;

pub use app::{App, AppFields, DayOfUse, NewApp};
pub use endpoint::{DisabledReason, Endpoint, EndpointFields, Lane, NewEndpoint, Target};
pub use message::{Attempt, ErrorCode, Message, MessageState, MessageSummary, NewMessage, ReplayFields, Waiting};
pub use notification::{NewNotification, Notification, ReadFields};
