//! Tenants and their lanes take turns.

use recotem::platform::queue::{self, EnqueueOptions, JobState, Turn};

use super::stage::{Act, Stage};

fn of(tenant: &str, lane: &str) -> EnqueueOptions {
    let turn = Turn { tenant: tenant.to_owned(), lane: lane.to_owned() };
    EnqueueOptions { turn, ..EnqueueOptions::default() }
}

#[tokio::test]
async fn tenants_take_turns_and_within_a_tenant_its_lanes() {
    let stage = Stage::new().await;
    let mut alpha = Vec::new();
    for _ in 0..4 {
        alpha.push(stage.add_with(Act::Wait, of("alpha", "one")).await);
    }
    let other_lane = stage.add_with(Act::Wait, of("alpha", "two")).await;
    let beta = stage.add_with(Act::Wait, of("beta", "one")).await;
    // All stay running: each next worker sees what the others have.
    let mut workers = Vec::new();
    for next in [alpha[0], beta, other_lane, alpha[1]] {
        workers.push(stage.worker_with(|options| options.concurrency = 1));
        stage.until_running(next, 1).await;
    }
    assert_eq!(stage.job(alpha[3]).await.state, JobState::Available);
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_thousand_waiting_jobs_of_one_tenant_hold_up_nobody_elses() {
    let stage = Stage::new().await;
    let busy = stage.add_with(Act::Wait, of("alpha", "one")).await;
    let worker = stage.worker_with(|options| options.concurrency = 2);
    stage.until_running(busy, 1).await;
    let sql = "INSERT INTO jobs (kind, payload, max_attempts, timeout_seconds, tenant_key, lane_key) \
        SELECT 'act', '\"Wait\"', 3, 60, 'alpha', 'one' FROM generate_series(1, 1000)";
    let mut connection = stage.db.conn().await.unwrap();
    diesel_async::SimpleAsyncConnection::batch_execute(&mut *connection, sql).await.unwrap();
    let beta = stage.add_with(Act::Succeed, of("beta", "one")).await;
    // The second slot may have gone to alpha already; one of its jobs ends, and beta is next.
    assert!(queue::cancel(&mut connection, busy).await.unwrap());
    stage.until(beta, JobState::Completed).await;
    assert!(queue::count_waiting(&mut connection, "alpha").await.unwrap() > 990);
    worker.stop().await;
}

#[tokio::test]
async fn a_tenant_has_no_more_running_jobs_than_it_may() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(stage.add_with(Act::Wait, of("alpha", "one")).await);
    }
    let limited = || stage.worker_with(|options| options.most_per_tenant = Some(1));
    let workers = [limited(), limited()];
    stage.until_running(ids[0], 1).await;
    let beta = stage.add_with(Act::Succeed, of("beta", "one")).await;
    stage.until(beta, JobState::Completed).await;
    assert_eq!(stage.means.heard("run").len(), 2, "{:?}", stage.means.heard("run"));
    stage.means.gate.add_permits(3);
    for id in ids {
        stage.until(id, JobState::Completed).await;
    }
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_long_job_lets_others_go_first_and_goes_on_when_they_are_done() {
    let stage = Stage::new().await;
    let long = stage.add_with(Act::WorkUntilOthersWait, of("alpha", "one")).await;
    let worker = stage.worker_with(|options| options.concurrency = 1);
    stage.until_running(long, 1).await;
    let own = stage.add_with(Act::Succeed, of("alpha", "two")).await;
    let other = stage.add_with(Act::Succeed, of("beta", "one")).await;
    stage.until(other, JobState::Completed).await;
    // It yields only to those of other tenants, and that costs no attempt.
    stage.means.gate.add_permits(1);
    assert_eq!(stage.until(long, JobState::Completed).await.attempt, 1);
    stage.until(own, JobState::Completed).await;
    worker.stop().await;
}
