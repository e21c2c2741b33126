//! Ending the reading of a file before its end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::TabularError;

/// Tells readers whether their result is still wanted. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

/// Stops readers when it is dropped.
#[derive(Debug)]
pub struct StopOnDrop(Stop);

/// Marks an I/O error as ours.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the reading was stopped")]
pub(super) struct Stopped;

impl Stop {
    /// Stops those who read with this or a clone of it: each ends with an error before it reads more of its file.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns a guard that stops them as soon as it is dropped, for example with the future that waits for them.
    pub fn on_drop(&self) -> StopOnDrop {
        StopOnDrop(self.clone())
    }

    /// Returns whether the reading is to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails if the reading is to stop.
    pub fn check(&self) -> Result<(), TabularError> {
        if self.is_stopped() { Err(TabularError::Stopped) } else { Ok(()) }
    }

    /// Fails as reading from a stream does.
    pub(super) fn check_stream(&self) -> io::Result<()> {
        if self.is_stopped() { Err(io::Error::other(Stopped)) } else { Ok(()) }
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}
