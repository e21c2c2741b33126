//! The running jobs of a worker, as its heartbeat sees them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::job::CancellationFlag;
use super::model::JobId;

/// One running job.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub cancel: CancellationFlag,
    requested: AtomicBool,
    lost: AtomicBool,
}

impl Entry {
    /// Marks the job as cancelled by a user (as opposed to timed out, or stopped by a shutdown), and tells it to stop.
    pub fn request_cancel(&self) {
        self.requested.store(true, Ordering::SeqCst);
        self.cancel.cancel();
    }

    /// Marks the job as no longer this worker's, and tells it to stop.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
        self.cancel.cancel();
    }

    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    pub fn cancel_was_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }
}

/// All running jobs of a worker. Clones share one table.
#[derive(Debug, Clone, Default)]
pub(super) struct Running {
    entries: Arc<Mutex<HashMap<JobId, Arc<Entry>>>>,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn add(&self, id: JobId) -> Arc<Entry> {
        let entry = Arc::new(Entry::default());
        self.lock().insert(id, Arc::clone(&entry));
        entry
    }

    /// Removes this entry; a newer one of the same job stays.
    pub fn remove(&self, id: JobId, entry: &Arc<Entry>) {
        let mut entries = self.lock();
        if entries.get(&id).is_some_and(|found| Arc::ptr_eq(found, entry)) {
            entries.remove(&id);
        }
    }

    pub fn get(&self, id: JobId) -> Option<Arc<Entry>> {
        self.lock().get(&id).cloned()
    }

    pub fn all(&self) -> Vec<(JobId, Arc<Entry>)> {
        self.lock().iter().map(|(&id, entry)| (id, Arc::clone(entry))).collect()
    }
}
