//! Thread pools that one computation uses at a time and that are kept for the next.
//!
//! Starting threads for every trial would cost more than a small trial itself. But concurrent computations must not share a pool:
//! two workers with one thread each would then have one thread between them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Idle pools of one size that are kept; more exist only while more computations run at once.
const MOST_IDLE: usize = 16;

/// Idle pools by their number of threads.
type Idle = HashMap<usize, Vec<ThreadPool>>;

fn idle() -> MutexGuard<'static, Idle> {
    static IDLE: OnceLock<Mutex<Idle>> = OnceLock::new();
    IDLE.get_or_init(Mutex::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A pool in exclusive use, returned when dropped.
struct Lent {
    /// `Some` until it is dropped.
    pool: Option<ThreadPool>,
    threads: usize,
}

impl Lent {
    /// Takes an idle pool or starts one; `None` when the system gives no threads.
    fn take(threads: usize) -> Option<Self> {
        let kept = idle().get_mut(&threads).and_then(Vec::pop);
        let start = || ThreadPoolBuilder::new().num_threads(threads).thread_name(move |i| format!("ml-{threads}-{i}")).build();
        let pool = kept.or_else(|| start().ok())?;
        Some(Lent { pool: Some(pool), threads })
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(pool) = self.pool.take() else { return };
        let mut idle = idle();
        let kept = idle.entry(self.threads).or_default();
        if kept.len() < MOST_IDLE {
            kept.push(pool);
        }
    }
}

/// Runs `work` with rayon bounded to this number of threads. Work that already runs inside such a pool stays there.
pub(super) fn run<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    if rayon::current_thread_index().is_some() && rayon::current_num_threads() == threads {
        return work();
    }
    // When the system gives no threads, rayon's global pool (or the caller's) does the work instead.
    let lent = Lent::take(threads);
    match lent.as_ref().and_then(|lent| lent.pool.as_ref()) {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn computations_at_once_have_threads_of_their_own() {
        // Neither passes the barrier while the other holds the only thread.
        let both = Barrier::new(2);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| run(1, || both.wait()));
            }
        });
    }

    #[test]
    fn work_within_work_stays_in_its_pool() {
        let thread = || std::thread::current().id();
        assert!(run(1, || run(1, thread) == thread()));
        assert_eq!(run(3, || run(2, rayon::current_num_threads)), 2);
    }
}
