//! All subscribers to what happens in the program.

use crate::features::{destinations, webhooks};
use crate::platform::outbox::Subscribers;
use crate::platform::services::Services;

/// The subscribers to recorded events. Each gets every event and selects by its topic.
pub const SUBSCRIBERS: Subscribers<Services> = &[webhooks::tell, destinations::follow_retraining];
