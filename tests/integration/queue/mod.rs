//! The job queue, from outside: its guarantees to callers and operators.

mod attempts;
mod stage;
mod turns;

use std::collections::BTreeSet;
use std::process::Command;

use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use recotem::platform::db::Database;
use recotem::platform::embedded_postgres::EmbeddedPostgres;
use recotem::platform::queue::{self, EnqueueOptions, JobState};

use crate::support::new_cluster;
use stage::{Act, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_job_is_run_by_one_worker_only() {
    let stage = Stage::new().await;
    let workers: Vec<_> = (0..8).map(|_| stage.worker()).collect();
    let mut ids = Vec::new();
    for _ in 0..200 {
        ids.push(stage.add(Act::Succeed).await);
    }
    for &id in &ids {
        stage.until(id, JobState::Completed).await;
    }
    let runs = stage.means.heard("run");
    let different: BTreeSet<_> = runs.iter().collect();
    assert_eq!((runs.len(), different.len()), (200, 200));
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn urgent_jobs_go_first_and_later_ones_wait_for_their_time() {
    let stage = Stage::new().await;
    let later = stage.clock.now() + TimeDelta::hours(1);
    let put_off = EnqueueOptions { run_at: Some(later), priority: 9, ..EnqueueOptions::default() };
    let put_off = stage.add_with(Act::Succeed, put_off).await;
    let usual = stage.add(Act::Succeed).await;
    let urgent = EnqueueOptions { priority: 1, ..EnqueueOptions::default() };
    let urgent = stage.add_with(Act::Succeed, urgent).await;
    let worker = stage.worker_with(|options| options.concurrency = 1);
    stage.until(usual, JobState::Completed).await;
    assert_eq!(stage.job(put_off).await.state, JobState::Available);
    stage.pass(TimeDelta::hours(1));
    stage.until(put_off, JobState::Completed).await;
    let order = [urgent, usual, put_off].map(|id| format!("run {id} attempt 1"));
    assert_eq!(stage.means.heard("run"), order);
    worker.stop().await;
}

#[tokio::test]
async fn a_dead_workers_job_goes_to_another_when_its_lease_is_over() {
    let stage = Stage::new().await;
    let id = stage.add(Act::Wait).await;
    let first = stage.worker();
    stage.until_running(id, 1).await;
    first.kill().await;
    let second = stage.worker();
    let still = stage.job(id).await;
    assert_eq!((still.state, still.attempt), (JobState::Running, 1));
    stage.pass(TimeDelta::seconds(1));
    let rescued = stage.until(id, JobState::Retryable).await;
    assert_eq!(rescued.errors[0]["error"], "The worker that ran it died.");
    stage.pass(TimeDelta::minutes(1));
    stage.until_running(id, 2).await;
    stage.means.gate.add_permits(1);
    stage.until(id, JobState::Completed).await;
    second.stop().await;
}

#[tokio::test]
async fn a_worker_that_is_alone_takes_over_at_once() {
    let stage = Stage::new().await;
    let id = stage.add(Act::Wait).await;
    let first = stage.worker();
    stage.until_running(id, 1).await;
    first.kill().await;
    let second = stage.worker_with(|options| options.alone = true);
    stage.until_running(id, 2).await;
    stage.means.gate.add_permits(1);
    stage.until(id, JobState::Completed).await;
    second.stop().await;
}

#[tokio::test]
async fn a_job_whose_worker_died_twice_is_given_up_and_its_owner_told() {
    let stage = Stage::new().await;
    let id = stage.add(Act::Wait).await;
    for attempt in 1..=2 {
        let worker = stage.worker();
        stage.until_running(id, attempt).await;
        worker.kill().await;
        stage.pass(TimeDelta::seconds(1));
        let rescuer = stage.worker();
        let state = if attempt < 2 { JobState::Retryable } else { JobState::Failed };
        stage.until(id, state).await;
        rescuer.stop().await;
        stage.pass(TimeDelta::hours(1));
    }
    let job = stage.job(id).await;
    assert_eq!(job.errors.as_array().unwrap().len(), 2);
    let words = "The worker that ran it died twice, probably for lack of memory.";
    assert_eq!(stage.means.heard("failed"), [format!("failed {id}: {words}")]);
}

#[tokio::test]
async fn a_worker_that_is_told_to_end_costs_its_job_nothing_however_often() {
    let stage = Stage::new().await;
    let id = stage.add(Act::Wait).await;
    for round in 1..=4 {
        let worker = stage.worker();
        stage.until_times(&format!("run {id} attempt 1"), round).await;
        worker.stop().await;
        assert_eq!(stage.job(id).await.state, JobState::Available);
    }
    let worker = stage.worker();
    stage.means.gate.add_permits(1);
    stage.until(id, JobState::Completed).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_lost_worker_leaves_all_attempts_that_may_fail_by_themselves() {
    let stage = Stage::new().await;
    let id = stage.add(Act::RetryAfterWaiting { times: 2 }).await;
    let first = stage.worker();
    stage.until_running(id, 1).await;
    first.kill().await;
    stage.pass(TimeDelta::seconds(1));
    stage.means.gate.add_permits(10);
    let worker = stage.worker();
    // The second and the third attempt fail on their own, and the fourth is the third of the job's own.
    for attempt in 2..=4 {
        stage.until(id, JobState::Retryable).await;
        stage.pass(TimeDelta::hours(1));
        stage.until_running(id, attempt).await;
    }
    stage.until(id, JobState::Completed).await;
    worker.stop().await;
}

#[tokio::test]
async fn the_jobs_of_a_worker_that_is_known_to_be_dead_are_rescued_at_once() {
    let stage = Stage::new().await;
    let id = stage.add(Act::Wait).await;
    // Its rounds are rare, so that none is under way when it is killed and takes its own job over.
    let first = stage.worker_with(|options| {
        options.name = "first".to_owned();
        options.lease = std::time::Duration::from_secs(3_600);
    });
    stage.until_running(id, 1).await;
    first.kill().await;
    let mut connection = stage.db.conn().await.unwrap();
    assert_eq!(queue::give_up_leases(&mut connection, Some("another")).await.unwrap(), 0);
    assert_eq!(queue::give_up_leases(&mut connection, Some("first")).await.unwrap(), 1);
    let second = stage.worker();
    stage.until(id, JobState::Retryable).await;
    second.stop().await;
}

#[tokio::test]
async fn a_heartbeat_does_not_renew_a_lease_that_was_given_up() {
    let stage = Stage::new().await;
    let id = stage.add(Act::Wait).await;
    let thought_dead = stage.worker_with(|options| options.name = "first".to_owned());
    stage.until_running(id, 1).await;
    let mut connection = stage.db.conn().await.unwrap();
    assert_eq!(queue::give_up_leases(&mut connection, Some("first")).await.unwrap(), 1);
    let second = stage.worker();
    stage.until(id, JobState::Retryable).await;
    thought_dead.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn waiting_and_running_jobs_of_a_group_are_cancelled_together() {
    let stage = Stage::new().await;
    let worker = stage.worker_with(|options| options.concurrency = 1);
    let group = || EnqueueOptions { group_key: Some("tuning:1".into()), ..EnqueueOptions::default() };
    let running = stage.add_with(Act::Wait, group()).await;
    stage.until_running(running, 1).await;
    let waiting = stage.add_with(Act::Wait, group()).await;
    let other = stage.add(Act::Succeed).await;
    let mut connection = stage.db.conn().await.unwrap();
    assert_eq!(queue::cancel_group(&mut connection, "tuning:1").await.unwrap(), 2);
    assert_eq!(stage.job(waiting).await.state, JobState::Cancelled);
    stage.until(running, JobState::Cancelled).await;
    stage.until(other, JobState::Completed).await;
    assert!(!queue::cancel(&mut connection, running).await.unwrap(), "it is over");
    assert!(stage.means.heard("failed").is_empty(), "a cancelled job has not failed");
    worker.stop().await;
}

#[tokio::test]
async fn a_cancelled_job_of_a_dead_worker_is_not_run_again() {
    let stage = Stage::new().await;
    let id = stage.add(Act::Wait).await;
    let first = stage.worker();
    stage.until_running(id, 1).await;
    first.kill().await;
    assert!(queue::cancel(&mut stage.db.conn().await.unwrap(), id).await.unwrap());
    stage.pass(TimeDelta::seconds(1));
    let second = stage.worker();
    stage.until(id, JobState::Cancelled).await;
    second.stop().await;
}

#[tokio::test]
async fn a_unique_key_admits_one_live_job() {
    let stage = Stage::new().await;
    let keyed = || EnqueueOptions { unique_key: Some("nightly".into()), ..EnqueueOptions::default() };
    let first = stage.add_with(Act::Succeed, keyed()).await;
    assert_eq!(stage.add_with(Act::Succeed, keyed()).await, first);
    let worker = stage.worker();
    stage.until(first, JobState::Completed).await;
    assert_ne!(stage.add_with(Act::Succeed, keyed()).await, first);
    worker.stop().await;
}

#[tokio::test]
async fn a_job_exists_only_if_its_transaction_commits() {
    let stage = Stage::new().await;
    let mut connection = stage.db.conn().await.unwrap();
    let rolled_back: Result<(), diesel::result::Error> = connection
        .transaction(async |connection| {
            queue::enqueue(connection, &Act::Succeed, EnqueueOptions::default()).await?;
            Err(diesel::result::Error::RollbackTransaction)
        })
        .await;
    assert!(rolled_back.is_err());
    assert!(queue::unfinished(&mut connection).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_worker_that_ends_hands_back_what_it_cannot_finish() {
    let stage = Stage::new().await;
    let worker = stage.worker_with(|options| options.stop_within = std::time::Duration::from_millis(50));
    let listening = stage.add(Act::Wait).await;
    let stubborn = stage.add(Act::WaitStubbornly).await;
    stage.until_running(listening, 1).await;
    stage.until_running(stubborn, 1).await;
    worker.stop().await;
    for id in [listening, stubborn] {
        let job = stage.job(id).await;
        assert_eq!((job.state, job.attempt), (JobState::Available, 0), "{job:?}");
    }
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_cannot_record_a_result() {
    let stage = Stage::new().await;
    let worker = stage.worker();
    let id = stage.add(Act::WaitStubbornly).await;
    stage.until_running(id, 1).await;
    let mut connection = stage.db.conn().await.unwrap();
    let stolen = "UPDATE jobs SET lease_owner = 'somebody else', lease_until = 'infinity'";
    diesel_async::SimpleAsyncConnection::batch_execute(&mut *connection, stolen).await.unwrap();
    stage.means.gate.add_permits(1);
    worker.stop().await;
    let job = stage.job(id).await;
    assert_eq!((job.state, job.lease_owner.as_deref()), (JobState::Running, Some("somebody else")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_dies_and_returns_costs_no_result() {
    let (_folder, options) = new_cluster();
    let postgres = EmbeddedPostgres::start(&options).unwrap();
    let db = Database::new(&postgres.database_url(), 8).unwrap();
    db.migrate().await.unwrap();
    let stage = Stage::on(db);
    let worker = stage.worker();
    let id = stage.add(Act::WaitStubbornly).await;
    stage.until_running(id, 1).await;
    let pid = postgres.server_pid().unwrap().to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    while postgres.server_pid().is_none_or(|now| now.to_string() == pid) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    stage.means.gate.add_permits(1);
    stage.db.wait(std::time::Duration::from_secs(30)).await.unwrap();
    assert_eq!(stage.until(id, JobState::Completed).await.attempt, 1);
    let next = stage.add(Act::Succeed).await;
    stage.until(next, JobState::Completed).await;
    worker.stop().await;
}
