//! Working memory that is kept and used again.

use std::sync::Mutex;

/// Most idle buffers kept: about the number that is usually in use at once.
const MOST_IDLE: usize = 16;

/// Buffers of working memory, each borrowed by one thread at a time.
#[derive(Debug, Default)]
pub struct Idle<T>(Mutex<Vec<T>>);

impl<T: Default> Idle<T> {
    /// Runs `work` with a buffer that no other thread uses meanwhile.
    pub fn lend<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // Nothing panics under this lock; if something did, there would merely be no idle buffer.
        let mut lot = self.0.lock().ok().and_then(|mut idle| idle.pop()).unwrap_or_default();
        let result = work(&mut lot);
        if let Ok(mut idle) = self.0.lock()
            && idle.len() < MOST_IDLE
        {
            idle.push(lot);
        }
        result
    }
}
