//! Memory for reading uploads.

use super::error::DataError;
use crate::platform::memory::Promise;

/// Reserves memory before it is allocated.
pub fn ask_for(memory: &Promise, what: &'static str, needed: u64) -> Result<(), DataError> {
    let refused = |shortage| DataError::Memory { what, shortage, waits_for_others: memory.waits_for_others() };
    memory.raise_to(needed).map_err(refused)
}
