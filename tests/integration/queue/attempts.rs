//! The ends of attempts: failed, given up, timed out, snoozed.

use chrono::TimeDelta;
use recotem::platform::queue::{self, EnqueueOptions, JobState};

use super::stage::{Act, Stage};

#[tokio::test]
async fn failed_attempts_are_repeated_after_growing_pauses() {
    let stage = Stage::new().await;
    let worker = stage.worker();
    let id = stage.add(Act::Retry { times: 2 }).await;
    let first = stage.until(id, JobState::Retryable).await.run_at.unwrap() - stage.clock.now();
    stage.pass(first - TimeDelta::milliseconds(1));
    assert_eq!(stage.job(id).await.attempt, 1);
    stage.pass(TimeDelta::milliseconds(1));
    stage.until_running(id, 2).await;
    let second = stage.until(id, JobState::Retryable).await.run_at.unwrap() - stage.clock.now();
    assert!(second > first, "{second} after {first}");
    stage.pass(second);
    let done = stage.until(id, JobState::Completed).await;
    assert_eq!(done.errors[1]["attempt"], 2);
    assert_eq!(done.last_error.as_deref(), Some("not yet"));
    worker.stop().await;
}

#[tokio::test]
async fn a_job_out_of_attempts_is_kept_as_failed() {
    let stage = Stage::new().await;
    let worker = stage.worker();
    let id = stage.add(Act::Retry { times: 9 }).await;
    for attempt in 1..3 {
        stage.until_running(id, attempt).await;
        stage.until(id, JobState::Retryable).await;
        stage.pass(TimeDelta::minutes(1));
    }
    let job = stage.until(id, JobState::Failed).await;
    assert_eq!((job.attempt, job.last_error.as_deref()), (3, Some("not yet")));
    assert_eq!(stage.means.heard("failed"), [format!("failed {id}: not yet")]);
    worker.stop().await;
}

#[tokio::test]
async fn a_job_may_refuse_to_be_repeated() {
    let stage = Stage::new().await;
    let worker = stage.worker();
    let id = stage.add(Act::Fail).await;
    assert_eq!(stage.until(id, JobState::Failed).await.attempt, 1);
    assert_eq!(stage.means.heard("failed"), [format!("failed {id}: never")]);
    worker.stop().await;
}

#[tokio::test]
async fn a_panic_is_a_failed_attempt_and_the_worker_goes_on() {
    let stage = Stage::new().await;
    let worker = stage.worker();
    let crashing = stage.add(Act::Panic).await;
    let job = stage.until(crashing, JobState::Retryable).await;
    assert_eq!(job.last_error.as_deref(), Some("It crashed: oh no"));
    let next = stage.add(Act::Succeed).await;
    stage.until(next, JobState::Completed).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_told_to_stop_and_not_repeated() {
    let stage = Stage::new().await;
    let worker = stage.worker_with(|options| options.lease = std::time::Duration::from_secs(600));
    let id = stage.add(Act::Wait).await;
    stage.until_running(id, 1).await;
    stage.pass(TimeDelta::seconds(60));
    let job = stage.until(id, JobState::Failed).await;
    assert_eq!((job.attempt, job.last_error.as_deref()), (1, Some("It took longer than 60 s.")));
    assert_eq!(stage.means.heard("failed"), [format!("failed {id}: It took longer than 60 s.")]);
    worker.stop().await;
}

#[tokio::test]
async fn a_snoozed_job_keeps_its_attempts() {
    let stage = Stage::new().await;
    let worker = stage.worker();
    let id = stage.add(Act::Snooze { already_done: false }).await;
    stage.until_running(id, 1).await;
    let job = stage.until(id, JobState::Available).await;
    assert_eq!((job.attempt, job.run_at), (0, Some(stage.clock.now() + TimeDelta::hours(1))));
    stage.pass(TimeDelta::hours(1));
    assert_eq!(stage.until(id, JobState::Completed).await.attempt, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_job_that_waits_for_a_group_goes_on_once_the_last_of_it_is_over() {
    let stage = Stage::new().await;
    let worker = stage.worker();
    let of_group = || EnqueueOptions { group_key: Some("others".to_owned()), ..EnqueueOptions::default() };
    let others = [stage.add_with(Act::Wait, of_group()).await, stage.add_with(Act::Wait, of_group()).await];
    let id = stage.add(Act::WaitForGroup).await;
    stage.until_running(id, 1).await;
    let job = stage.until(id, JobState::Available).await;
    assert_eq!((job.attempt, job.run_at), (0, Some(stage.clock.now() + TimeDelta::hours(1))));
    let mut connection = stage.db.conn().await.unwrap();
    queue::cancel(&mut connection, others[0]).await.unwrap();
    stage.until(others[0], JobState::Cancelled).await;
    assert_eq!(stage.job(id).await.state, JobState::Available, "one of the group still runs");
    stage.means.gate.add_permits(1);
    stage.until(id, JobState::Completed).await;
    // The group is over already.
    let late = stage.add(Act::WaitForGroup).await;
    assert_eq!(stage.until(late, JobState::Completed).await.attempt, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_snoozed_job_can_be_woken_before_its_time() {
    let stage = Stage::new().await;
    let worker = stage.worker();
    let id = stage.add(Act::Snooze { already_done: false }).await;
    stage.until_running(id, 1).await;
    stage.until(id, JobState::Available).await;
    let mut connection = stage.db.conn().await.unwrap();
    assert_eq!(queue::unfinished(&mut connection).await.unwrap()[0].id, id);
    assert_eq!(queue::wake_snoozed(&mut connection).await.unwrap(), 1);
    stage.until(id, JobState::Completed).await;
    assert_eq!(queue::wake_snoozed(&mut connection).await.unwrap(), 0);
    assert!(queue::unfinished(&mut connection).await.unwrap().is_empty());
    worker.stop().await;
}
