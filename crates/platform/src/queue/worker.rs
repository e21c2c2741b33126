//! Runs jobs.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::claimer::{Lease, Room, claim};
use super::executor::Executor;
use super::group::Group;
use super::model::ClaimedJob;
use super::outage::{Gate, Rhythm};
use super::registry::Registry;
use super::rescuer::Whose;
use super::running::Running;
use super::{heartbeat, pruner, rescuer, wakener};
use crate::clock::Clock;
use crate::db::Database;

/// Rounds of the rescuer between two of the pruner.
const ROUNDS_PER_PRUNE: u32 = 1_000;
/// Time limit for handing back dropped jobs.
const HAND_BACK: Duration = Duration::from_secs(5);

/// Options of a worker.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Jobs that run at once.
    pub concurrency: usize,
    /// Name that is shown as the owner of running jobs; no other worker has the same.
    pub name: String,
    /// The workers that this one shares its places with; without a group, jobs of any tenant may take all of them.
    pub group: Option<Group>,
    /// Running jobs that one organisation may have, on all workers in total; those of one tenant may have
    /// [`SHARES_OF_TENANT`](super::SHARES_OF_TENANT) times as many.
    pub most_per_organisation: Option<i64>,
    /// Time without a heartbeat after which a worker counts as dead; heartbeats are three times as frequent.
    pub lease: Duration,
    /// Time between two looks at the queue without a notification.
    pub poll_interval: Duration,
    /// Time that jobs get to finish at shutdown before their flag tells them to stop.
    pub finish_within: Duration,
    /// Time that they then get to stop before they are dropped.
    pub stop_within: Duration,
    /// Whether no other worker can be alive (the database is private to this process): at start, every running job is taken over
    /// at once instead of when its lease expires.
    pub alone: bool,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            concurrency: 2,
            name: Self::fresh_name(),
            group: None,
            most_per_organisation: None,
            lease: Duration::from_secs(30),
            poll_interval: Duration::from_secs(1),
            finish_within: Duration::from_secs(5),
            stop_within: Duration::from_secs(10),
            alone: false,
        }
    }
}

impl WorkerOptions {
    /// Returns a name that no other worker has.
    pub fn fresh_name() -> String {
        format!("worker-{}", Uuid::new_v4().simple())
    }
}

/// Claims and runs jobs until shutdown.
pub struct Worker<C> {
    executor: Arc<Executor<C>>,
    registry: Registry<C>,
    options: WorkerOptions,
    wake: Notify,
    /// Fires when all jobs are finished: ends the heartbeat.
    over: CancellationToken,
    gate: Gate,
}

impl<C: Clone + Send + Sync + 'static> Worker<C> {
    pub fn new(db: Database, clock: Clock, registry: Registry<C>, context: C, options: WorkerOptions) -> Self {
        let executor = Executor {
            db,
            clock,
            context,
            owner: options.name.clone(),
            tick: options.poll_interval,
            running: Running::default(),
            shutdown: CancellationToken::new(),
            abandon: CancellationToken::new(),
        };
        let gate = Gate::new(options.lease);
        Self { executor: Arc::new(executor), registry, options, wake: Notify::new(), over: CancellationToken::new(), gate }
    }

    /// Works until `shutdown` fires; then stops claiming, lets running jobs finish for a while, tells the rest to stop, and hands
    /// back what is left. While the database is gone, it waits.
    pub async fn run(self, shutdown: CancellationToken) {
        let worker = Arc::new(self);
        let mut helpers = JoinSet::new();
        helpers.spawn(Arc::clone(&worker).listen());
        helpers.spawn(Arc::clone(&worker).keep_leases());
        helpers.spawn(Arc::clone(&worker).maintain());
        let mut jobs = JoinSet::new();
        worker.work(&mut jobs, &shutdown).await;
        worker.executor.shutdown.cancel();
        worker.drain(&mut jobs).await;
        worker.over.cancel();
        while helpers.join_next().await.is_some() {}
    }

    async fn work(&self, jobs: &mut JoinSet<()>, shutdown: &CancellationToken) {
        let mut available = true;
        while !shutdown.is_cancelled() {
            if jobs.len() < self.options.concurrency {
                match self.claim_into(jobs).await {
                    Ok(()) if !available => {
                        available = true;
                        tracing::info!("the job queue can be reached again");
                    }
                    Err(error) if available => {
                        available = false;
                        tracing::warn!(%error, "the job queue cannot be reached; retrying");
                    }
                    _ => {}
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(self.options.poll_interval) => {}
                Some(_) = jobs.join_next() => {}
            }
        }
    }

    /// Claims as many jobs as there is room for, and starts them.
    async fn claim_into(&self, jobs: &mut JoinSet<()>) -> anyhow::Result<()> {
        let mut connection = self.executor.db.conn().await?;
        while jobs.len() < self.options.concurrency {
            let room = Room::new(i64::try_from(self.options.concurrency - jobs.len())?, self.options.most_per_organisation);
            let claimed = self.claim(&mut connection, room).await?;
            if claimed.is_empty() {
                break;
            }
            for job in claimed {
                if let Some(handler) = self.registry.handler(&job.kind) {
                    let executor = Arc::clone(&self.executor);
                    jobs.spawn(async move { executor.execute(job, handler).await });
                }
            }
        }
        Ok(())
    }

    async fn claim(&self, connection: &mut AsyncPgConnection, room: Room) -> QueryResult<Vec<ClaimedJob>> {
        let (lease, kinds) = (self.lease(), self.registry.kinds());
        let Some(group) = &self.options.group else { return claim(connection, &lease, &kinds, room).await };
        connection
            .transaction(async move |connection| -> QueryResult<Vec<ClaimedJob>> {
                let room = group.limit(connection, room).await?;
                claim(connection, &lease, &kinds, room).await
            })
            .await
    }

    async fn drain(&self, jobs: &mut JoinSet<()>) {
        if ended_within(jobs, self.options.finish_within).await {
            return;
        }
        for (_, entry) in self.executor.running.all() {
            entry.cancel.cancel();
        }
        if ended_within(jobs, self.options.stop_within).await {
            return;
        }
        self.executor.abandon.cancel();
        ended_within(jobs, HAND_BACK).await;
        jobs.shutdown().await;
    }

    fn lease(&self) -> Lease {
        let now = self.executor.clock.now();
        Lease {
            owner: self.executor.owner.clone(),
            now,
            until: now + TimeDelta::from_std(self.options.lease).unwrap_or(TimeDelta::MAX),
        }
    }

    async fn listen(self: Arc<Self>) {
        let listening = wakener::listen(&self.executor.db, &self.wake, &self.executor.running);
        self.over.run_until_cancelled(listening).await;
    }

    async fn keep_leases(self: Arc<Self>) {
        let beat = || async {
            let mut connection = self.executor.db.conn().await?;
            heartbeat::beat(&mut connection, &self.lease(), &self.executor.running).await?;
            anyhow::Ok(())
        };
        let mut rhythm = self.rhythm();
        while !self.over.is_cancelled() {
            self.note_time(&mut rhythm);
            if let Err(error) = beat().await {
                tracing::debug!(%error, "no heartbeat");
                self.gate.close(Instant::now());
            }
            self.note_time(&mut rhythm);
            self.pause(self.options.lease / 3).await;
        }
    }

    fn rhythm(&self) -> Rhythm {
        Rhythm::new(self.options.lease, self.executor.clock.now())
    }

    /// Records a moment of a round that should not be long after the previous one.
    fn note_time(&self, rhythm: &mut Rhythm) {
        if rhythm.is_late(self.executor.clock.now()) {
            self.gate.close(Instant::now());
        }
    }

    /// Returns which running jobs may be rescued now.
    fn whose(&self, alone: bool) -> Whose {
        match alone {
            true => Whose::All,
            false if self.gate.is_open(Instant::now()) => Whose::Expired,
            false => Whose::GivenUp,
        }
    }

    /// Runs the rounds of the rescuer and the pruner; any number of workers may do so at once.
    async fn maintain(self: Arc<Self>) {
        let mut alone = self.options.alone;
        let mut rhythm = self.rhythm();
        for round in 0_u32.. {
            self.note_time(&mut rhythm);
            match self.rescue(alone, &mut rhythm).await {
                Ok(()) => alone = false,
                Err(error) => {
                    tracing::debug!(%error, "no rescue");
                    self.gate.close(Instant::now());
                }
            }
            self.note_time(&mut rhythm);
            if round % ROUNDS_PER_PRUNE == 0
                && let Err(error) = self.prune().await
            {
                tracing::debug!(%error, "no pruning");
            }
            self.pause(self.options.lease / 3).await;
            if self.over.is_cancelled() || self.executor.shutdown.is_cancelled() {
                return;
            }
        }
    }

    async fn rescue(&self, alone: bool, rhythm: &mut Rhythm) -> anyhow::Result<()> {
        let running: Vec<_> = self.executor.running.all().iter().map(|(id, _)| *id).collect();
        let kinds = self.registry.kinds();
        let mut connection = self.executor.db.conn().await?;
        let most_lost = |kind: &str| self.registry.handler(kind).map_or(1, |handler| handler.max_lost_workers);
        // Waiting for the connection may have been the outage.
        self.note_time(rhythm);
        let lost = rescuer::rescue(&mut connection, &self.lease(), &kinds, most_lost, &running, self.whose(alone)).await?;
        drop(connection);
        for (job, reason) in lost {
            if let Some(handler) = self.registry.handler(&job.kind) {
                self.executor.fail(&job, &handler, reason).await;
            }
        }
        self.wake.notify_one();
        Ok(())
    }

    async fn prune(&self) -> anyhow::Result<()> {
        let mut connection = self.executor.db.conn().await?;
        let deleted = pruner::prune(&mut connection, self.executor.clock.now()).await?;
        tracing::debug!(deleted, "pruned finished jobs");
        Ok(())
    }

    async fn pause(&self, time: Duration) {
        self.over.run_until_cancelled(tokio::time::sleep(time)).await;
    }
}

async fn ended_within(jobs: &mut JoinSet<()>, time: Duration) -> bool {
    let all = async { while jobs.join_next().await.is_some() {} };
    tokio::time::timeout(time, all).await.is_ok()
}
