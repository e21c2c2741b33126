//! Whether threads for blocking work are free: without them log-ins, uploads and most predictions would wait.

use std::time::Duration;

/// Longest wait for a free thread.
const LONGEST: Duration = Duration::from_secs(1);

/// Returns whether a thread for blocking work is free, in the calling runtime, which serves the connection.
pub async fn are_free() -> bool {
    tokio::time::timeout(LONGEST, tokio::task::spawn_blocking(|| ())).await.is_ok_and(|done| done.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_thread_is_free_while_all_are_taken() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            assert!(are_free().await);
            let (done, wait) = std::sync::mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || wait.recv());
            assert!(!are_free().await);
            drop(done);
            let _ = busy.await;
            assert!(are_free().await);
        });
    }
}
