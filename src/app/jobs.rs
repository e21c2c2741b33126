//! Every kind of background job there is.

use crate::platform::queue::Registry;
use crate::platform::services::Services;

/// All jobs a worker can run.
pub fn registry() -> Registry<Services> {
    Registry::new()
}
