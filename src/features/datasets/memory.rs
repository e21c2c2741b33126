//! Memory for what is read from uploads.

use super::error::DataError;
use crate::platform::memory::Promise;

/// Asks for memory before it is taken.
pub fn ask_for(memory: &Promise, what: &'static str, needed: u64) -> Result<(), DataError> {
    let refused = |shortage| DataError::Memory { what, shortage, waits_for_others: memory.waits_for_others() };
    memory.raise_to(needed).map_err(refused)
}
