//! Working memory that is used again by whoever comes next.

use std::sync::Mutex;

/// Most that is kept for work to come: as much as is usually done at once.
const MOST_IDLE: usize = 16;

/// Lots of working memory, each lent to one thread at a time.
#[derive(Debug, Default)]
pub struct Idle<T>(Mutex<Vec<T>>);

impl<T: Default> Idle<T> {
    /// Lends a lot, one to each thread that asks.
    pub fn lend<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // Nothing panics under this lock; if something did, there would merely be nothing idle.
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
