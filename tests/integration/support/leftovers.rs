//! Jobs that a test leaves behind: because a worker is stuck, or none was started for them, so that the test may not have seen
//! what it is about.

use std::time::Duration;

use recotem::platform::db::Database;
use recotem::platform::queue::{self, JobRecord};

use super::waiting::pauses;

/// Whether a test that leaves jobs behind fails.
const IS_CHECKED: bool = true;

/// The time that a worker gets to end the jobs of a test.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the unfinished jobs of a database, after a worker had time to end them. Returns none while a test is failing already,
/// and none if the test stopped the database.
///
/// Blocks its thread: it is called by a destructor, which cannot await. The worker continues on the threads of the test's
/// runtime.
pub fn find(url: &str, has_worker: bool) -> Vec<JobRecord> {
    if !IS_CHECKED || std::thread::panicking() {
        return Vec::new();
    }
    let url = url.to_owned();
    let looking = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(find_in(&url, has_worker)).unwrap_or_default()
    });
    looking.join().expect("it looks at the queue")
}

async fn find_in(url: &str, has_worker: bool) -> Option<Vec<JobRecord>> {
    let mut connection = Database::new(url, 1).ok()?.conn().await.ok()?;
    let patience = if has_worker { PATIENCE } else { Duration::ZERO };
    for pause in pauses(patience) {
        if queue::unfinished(&mut connection).await.ok()?.is_empty() {
            return None;
        }
        queue::wake_snoozed(&mut connection).await.ok()?;
        tokio::time::sleep(pause).await;
    }
    queue::unfinished(&mut connection).await.ok()
}

/// Returns the kinds and states of jobs, with their errors, for the message of a failing test.
pub fn describe(jobs: &[JobRecord]) -> String {
    let one = |job: &JobRecord| {
        let error = job.last_error.as_deref().map(|error| format!(" ({error})")).unwrap_or_default();
        format!("{} {}{error}", job.state.wire(), job.kind)
    };
    jobs.iter().map(one).collect::<Vec<_>>().join(", ")
}

mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use recotem::features::datasets::PrepareData;
    use recotem::platform::queue::{EnqueueOptions, Job, enqueue};

    use crate::support::TestApp;

    async fn with_a_job() -> TestApp {
        let app = TestApp::start().await;
        let mut connection = app.services.db.conn().await.expect("a connection");
        let job = PrepareData { training_data_id: 1 };
        enqueue(&mut connection, &job, EnqueueOptions::default()).await.expect("it is added");
        app
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_test_that_leaves_a_job_behind_fails_and_says_which() {
        let app = with_a_job().await;
        let failed = catch_unwind(AssertUnwindSafe(|| drop(app))).expect_err("it fails");
        let message = failed.downcast_ref::<String>().expect("a message");
        assert!(message.ends_with(&format!("jobs behind: available {}", PrepareData::KIND)), "{message}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_test_may_leave_jobs_behind_if_it_says_so_or_a_worker_ends_them() {
        with_a_job().await.leaves_jobs_behind("this test is about them");
        with_a_job().await.work();
    }
}
