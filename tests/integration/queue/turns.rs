//! Tenants, their organisations and the lanes of these take turns.

use recotem::platform::queue::{self, EnqueueOptions, Group, JobId, JobState, Turn, WorkerOptions};

use super::stage::{Act, Running, Stage};

/// Returns the turn of a lane of a tenant's only organisation.
fn of(tenant: &str, lane: &str) -> EnqueueOptions {
    of_organisation(tenant, tenant, lane)
}

fn of_organisation(tenant: &str, organisation: &str, lane: &str) -> EnqueueOptions {
    let turn = Turn { tenant: tenant.to_owned(), organisation: organisation.to_owned(), lane: lane.to_owned() };
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
    let of_alpha = of("alpha", "one").turn;
    assert!(queue::count_waiting(&mut connection, &of_alpha).await.unwrap().of_tenant > 990);
    worker.stop().await;
}

#[tokio::test]
async fn an_organisation_has_no_more_running_jobs_than_it_may() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(stage.add_with(Act::Wait, of("alpha", "one")).await);
    }
    let limited = || stage.worker_with(|options| options.most_per_organisation = Some(1));
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

#[tokio::test]
async fn within_a_tenant_its_organisations_take_turns() {
    let stage = Stage::new().await;
    let first = stage.add_with(Act::Wait, of_organisation("alpha", "a", "one")).await;
    let second = stage.add_with(Act::Wait, of_organisation("alpha", "a", "two")).await;
    let other = stage.add_with(Act::Wait, of_organisation("alpha", "b", "three")).await;
    let mut workers = Vec::new();
    for next in [first, other, second] {
        workers.push(stage.worker_with(|options| options.concurrency = 1));
        stage.until_running(next, 1).await;
    }
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn the_organisations_of_a_tenant_run_twice_as_many_jobs_as_one_may() {
    let stage = Stage::new().await;
    for organisation in ["a", "a", "b", "c"] {
        stage.add_with(Act::Wait, of_organisation("alpha", organisation, "one")).await;
    }
    let worker = stage.worker_with(|options| options.most_per_organisation = Some(1));
    stage.until_times("run", 2).await;
    let beta = stage.add_with(Act::Succeed, of("beta", "one")).await;
    stage.until(beta, JobState::Completed).await;
    assert_eq!(stage.means.heard("run").len(), 3, "{:?}", stage.means.heard("run"));
    let mut connection = stage.db.conn().await.unwrap();
    for (organisation, waiting) in [("a", 1), ("b", 0), ("c", 1)] {
        let turn = of_organisation("alpha", organisation, "one").turn;
        let counted = queue::count_waiting(&mut connection, &turn).await.unwrap();
        assert_eq!((counted.of_organisation, counted.of_tenant), (waiting, 2), "{organisation}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_long_job_lets_another_organisation_of_its_tenant_go_first() {
    let stage = Stage::new().await;
    let long = stage.add_with(Act::WorkUntilOthersWait, of_organisation("alpha", "a", "one")).await;
    let worker = stage.worker_with(|options| options.concurrency = 1);
    stage.until_running(long, 1).await;
    let other = stage.add_with(Act::Succeed, of_organisation("alpha", "b", "two")).await;
    stage.until(other, JobState::Completed).await;
    stage.means.gate.add_permits(1);
    stage.until(long, JobState::Completed).await;
    worker.stop().await;
}

/// Starts workers with one place each, as the processes of a program, which share `places`.
fn group(stage: &Stage, places: usize, workers: usize) -> Vec<Running> {
    let group = Group::new(WorkerOptions::fresh_name(), places);
    let start = |_| {
        stage.worker_with(|options| {
            (options.concurrency, options.name, options.group) = (1, group.fresh_name(), Some(group.clone()));
        })
    };
    (0..workers).map(start).collect()
}

async fn add_endless(stage: &Stage, tenant: &str, n: usize) -> Vec<JobId> {
    let mut ids = Vec::new();
    for _ in 0..n {
        ids.push(stage.add_with(Act::Wait, of(tenant, "one")).await);
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn endless_jobs_that_take_all_workers_do_not_hold_up_another_tenant() {
    let stage = Stage::new().await;
    let endless = add_endless(&stage, "alpha", 4).await;
    let workers = group(&stage, 2, 3);
    stage.until_times("run", 2).await;
    for _ in 0..3 {
        let beta = stage.add_with(Act::Succeed, of("beta", "one")).await;
        stage.until(beta, JobState::Completed).await;
    }
    for id in &endless[2..] {
        assert_eq!(stage.job(*id).await.state, JobState::Available, "the last place is not for alpha");
    }
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_worker_of_several_places_keeps_its_last_one_in_the_same_way() {
    let stage = Stage::new().await;
    let endless = add_endless(&stage, "alpha", 4).await;
    let group = Group::new(WorkerOptions::fresh_name(), 2);
    let worker = stage.worker_with(|options| {
        (options.concurrency, options.name) = (group.most_at_once(), group.name().to_owned());
        options.group = Some(group);
    });
    stage.until_times("run", 2).await;
    for _ in 0..3 {
        let beta = stage.add_with(Act::Succeed, of("beta", "one")).await;
        stage.until(beta, JobState::Completed).await;
    }
    assert_eq!(stage.job(endless[2]).await.state, JobState::Available);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_one_job_more_runs_for_any_number_of_tenants() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for tenant in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        ids.extend(add_endless(&stage, tenant, 1).await);
    }
    // More workers than places: each looks for jobs all the time.
    let workers = group(&stage, 2, 6);
    let mut connection = stage.db.conn().await.unwrap();
    for begun in 3..=ids.len() {
        stage.until_times("run", begun).await;
        let live = queue::unfinished(&mut connection).await.unwrap();
        let running: Vec<JobId> = live.iter().filter(|job| job.state == JobState::Running).map(|job| job.id).collect();
        assert_eq!((running.len(), stage.means.heard("run").len()), (3, begun));
        assert!(queue::cancel(&mut connection, running[0]).await.unwrap());
    }
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tenant_that_has_the_last_place_does_not_get_all_the_others_too() {
    let stage = Stage::new().await;
    let beta = add_endless(&stage, "beta", 2).await;
    let workers = group(&stage, 2, 3);
    stage.until_times("run", 2).await;
    let alpha = add_endless(&stage, "alpha", 3).await;
    stage.until_running(alpha[0], 1).await;
    // The jobs that took the other places end.
    let mut connection = stage.db.conn().await.unwrap();
    for id in beta {
        assert!(queue::cancel(&mut connection, id).await.unwrap());
    }
    stage.until_running(alpha[1], 1).await;
    let gamma = stage.add_with(Act::Succeed, of("gamma", "one")).await;
    stage.until(gamma, JobState::Completed).await;
    assert_eq!(stage.job(alpha[2]).await.state, JobState::Available);
    for worker in workers {
        worker.stop().await;
    }
}
