//! Delivers messages to endpoints. Any number of processes may do so.
//!
//! A process holds an endpoint while it delivers to it (its lane), by a lease that it renews; no other process does so meanwhile.
//! What is due is read from the lane in batches, sent a few at a time, and written in batches, so that a message costs neither a
//! process nor a transaction of its own. If the process is killed, the lease ends, another process takes the endpoint, and
//! messages whose outcome was not written are sent again under the same id.
//!
//! Lanes are independent of each other, so that an endpoint that does not answer delays no other. Organisations get places in turns
//! and each at most half of what the others leave; endpoints whose last delivery failed get at most half of all places. While others
//! wait for a place, a lane gives its own up after some seconds, so that slow answers hold none for long.
//!
//! | file | duty |
//! |---|---|
//! | `turns` | whose endpoints get places |
//! | `lane` | the deliveries to one endpoint |
//! | `sending` | its requests, a few at a time |
//! | `pace` | how many of them a second |
//! | `attempt` | one request, and what its answer means |
//! | `schedule` | when a message is sent again, and how long a failing endpoint is left alone |
//! | `ending` | when an endpoint is switched off, and who is told |

mod attempt;
mod ending;
mod lane;
mod pace;
mod schedule;
mod sending;
mod turns;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::lane::Signals;
use self::turns::Held;
use super::store::CHANNEL;
use super::store::lanes::{self as store, DueEndpoint, Lease};
use crate::platform::db::{Connection, DbError, Notification};
use crate::platform::open_files;
use crate::platform::services::Services;
use crate::platform::vault::{Vault, VaultError};

/// Database connections that lanes use at the same time.
const CONNECTIONS: usize = 4;

/// How long an endpoint is held without a sign of life, and the time between two such signs.
const LEASE: TimeDelta = TimeDelta::seconds(30);
const BEAT: Duration = Duration::from_secs(10);

/// Pause between two polls for due messages that are not announced, such as retries.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a process that ends waits for answers.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// Pause of an endpoint whose deliveries could not be read or written.
const AFTER_FAULT: Duration = Duration::from_secs(5);

/// Delivers messages.
pub struct Deliverer {
    services: Services,
    vault: Vault,
    /// The holder of the leases.
    name: String,
    turns: Semaphore,
}

/// A connection, with its turn.
struct Borrowed<'a> {
    connection: Connection,
    _turn: Option<SemaphorePermit<'a>>,
}

impl std::ops::Deref for Borrowed<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl std::ops::DerefMut for Borrowed<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// The end of a lane: its endpoint, and the number of attempts.
type Ended = Result<(i64, anyhow::Result<usize>), tokio::task::JoinError>;

/// The lanes of a process.
#[derive(Default)]
struct Lanes {
    running: JoinSet<(i64, anyhow::Result<usize>)>,
    held: HashMap<i64, Held>,
}

impl Lanes {
    /// Wakes the lane that an announcement is for, or all of them if some may have been missed.
    fn wake(&self, announced: &Notification) {
        match announced {
            Notification::Connected => self.held.values().for_each(|held| held.signals.wake.notify_one()),
            Notification::Message { payload, .. } => {
                let held = payload.parse().ok().and_then(|endpoint: i64| self.held.get(&endpoint));
                held.into_iter().for_each(|held| held.signals.wake.notify_one());
            }
        }
    }

    /// Returns the lanes that have ended already.
    fn ended(&mut self) -> impl Iterator<Item = Ended> {
        std::iter::from_fn(|| self.running.try_join_next())
    }
}

impl Deliverer {
    /// Creates a deliverer.
    pub fn new(services: &Services) -> Result<Self, VaultError> {
        let name = uuid::Uuid::new_v4().to_string();
        Ok(Self { vault: services.vault()?, services: services.clone(), name, turns: Semaphore::new(CONNECTIONS) })
    }

    /// Delivers messages as they become due until `stop` is cancelled, and then finishes those that are being sent.
    pub async fn run(self, stop: CancellationToken) {
        open_files::raise_limit();
        let (deliverer, mut lanes) = (Arc::new(self), Lanes::default());
        let mut announced = deliverer.services.db.listen(&[CHANNEL]);
        let mut beat = tokio::time::interval(BEAT);
        while !stop.is_cancelled() {
            if let Err(error) = deliverer.start_lanes(&mut lanes, &stop).await {
                tracing::warn!(error = format!("{error:#}"), "messages could not be looked for; trying again");
            }
            let mut ended = Vec::new();
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(PAUSE) => {}
                _ = beat.tick() => deliverer.hold_on(&lanes).await,
                Some(first) = announced.next() => {
                    lanes.wake(&first);
                    while let Some(Some(more)) = announced.next().now_or_never() {
                        lanes.wake(&more);
                    }
                }
                Some(first) = lanes.running.join_next() => ended.push(first),
            }
            ended.extend(lanes.ended());
            deliverer.end_lanes(&mut lanes, ended).await;
        }
        deliverer.finish(lanes).await;
    }

    /// Waits a moment for what is being sent; the rest is sent again by the next process.
    async fn finish(&self, mut lanes: Lanes) {
        let ending = async {
            while let Some(first) = lanes.running.join_next().await {
                let ended = std::iter::once(first).chain(lanes.ended()).collect();
                self.end_lanes(&mut lanes, ended).await;
            }
        };
        if tokio::time::timeout(LAST_ANSWERS, ending).await.is_ok() {
            return;
        }
        lanes.running.shutdown().await;
        self.release(lanes.held.into_keys().collect()).await;
    }

    /// Delivers what is due now, and returns the number of attempts.
    pub async fn deliver_due(self: &Arc<Self>) -> anyhow::Result<usize> {
        let (mut lanes, mut attempts) = (Lanes::default(), 0);
        let stop = CancellationToken::new();
        loop {
            self.start_lanes(&mut lanes, &stop).await?;
            let Some(ended) = lanes.running.join_next().await else { return Ok(attempts) };
            if let Ok((_, Ok(made))) = &ended {
                attempts += made;
            }
            self.end_lanes(&mut lanes, vec![ended]).await;
        }
    }

    /// Starts to deliver to endpoints that have messages which are due. If some have to wait for a place, others give theirs up.
    async fn start_lanes(self: &Arc<Self>, lanes: &mut Lanes, stop: &CancellationToken) -> anyhow::Result<()> {
        let mut connection = self.services.db.conn().await?;
        for is_failing in [false, true] {
            let (room, now) = (turns::room(lanes.held.values(), is_failing), self.services.clock.now());
            // Without room it is asked whether one waits.
            let due = store::due_endpoints(&mut connection, now, is_failing, room.max(1) as i64).await?;
            let chosen = turns::chosen(due, lanes.held.values(), is_failing);
            let ids: Vec<i64> = chosen.endpoints.iter().map(|one| one.id).collect();
            let claimed = if ids.is_empty() { Vec::new() } else { store::claim(&mut connection, self.lease(), &ids).await? };
            for DueEndpoint { id, organisation } in chosen.endpoints.into_iter().filter(|one| claimed.contains(&one.id)) {
                let signals = Signals { stop: stop.child_token(), ..Signals::default() };
                lanes.held.insert(id, Held { organisation, is_failing, since: now, signals: signals.clone() });
                let deliverer = Arc::clone(self);
                lanes.running.spawn(async move { (id, deliverer.run_lane(id, &signals).await) });
            }
            if let Some(fewest) = chosen.fewest {
                turns::outstayed(lanes.held.values(), is_failing, fewest, now).for_each(|held| held.signals.stop.cancel());
            }
        }
        Ok(())
    }

    /// Delivers to an endpoint. After a fault the endpoint is held for a while: what was sent may be sent again.
    async fn run_lane(&self, endpoint: i64, signals: &Signals) -> anyhow::Result<usize> {
        let run = AssertUnwindSafe(lane::run(self, endpoint, signals)).catch_unwind().await;
        let result = run.unwrap_or_else(|_| Err(anyhow::anyhow!("the program panicked")));
        if result.is_err() {
            signals.stop.run_until_cancelled(tokio::time::sleep(AFTER_FAULT)).await;
        }
        result
    }

    /// Lets others deliver to the endpoints of lanes that have ended.
    async fn end_lanes(&self, lanes: &mut Lanes, ended: Vec<Ended>) {
        let mut endpoints = Vec::with_capacity(ended.len());
        for ended in ended {
            match ended {
                Ok((endpoint, result)) => {
                    if let Err(error) = result {
                        tracing::warn!(error = format!("{error:#}"), endpoint, "deliveries were interrupted; they go on soon");
                    }
                    lanes.held.remove(&endpoint);
                    endpoints.push(endpoint);
                }
                // The runtime shuts down.
                Err(error) => tracing::debug!(%error, "deliveries to an endpoint were cancelled"),
            }
        }
        self.release(endpoints).await;
    }

    async fn release(&self, endpoints: Vec<i64>) {
        if endpoints.is_empty() {
            return;
        }
        let released = async { anyhow::Ok(store::release(&mut *self.services.db.conn().await?, &self.name, &endpoints).await?) };
        if let Err(error) = released.await {
            tracing::debug!(%error, "endpoints could not be released; their leases end soon");
        }
    }

    async fn hold_on(&self, lanes: &Lanes) {
        let held: Vec<i64> = lanes.held.keys().copied().collect();
        if held.is_empty() {
            return;
        }
        let renewed = async { anyhow::Ok(store::renew(&mut *self.services.db.conn().await?, self.lease(), &held).await?) };
        if let Err(error) = renewed.await {
            tracing::warn!(%error, "leases of endpoints could not be renewed");
        }
    }

    fn lease(&self) -> Lease<'_> {
        let now = self.services.clock.now();
        Lease { holder: &self.name, now, until: now + LEASE }
    }

    /// Returns a database connection for a lane. Lanes take turns, so that they leave most of the pool to others.
    async fn connection(&self) -> Result<Borrowed<'_>, DbError> {
        let turn = self.turns.acquire().await.ok();
        Ok(Borrowed { connection: self.services.db.conn().await?, _turn: turn })
    }
}

/// Delivers messages until `stop` is cancelled.
pub async fn deliver_until(services: Services, stop: CancellationToken) {
    match Deliverer::new(&services) {
        Ok(deliverer) => deliverer.run(stop).await,
        Err(error) => tracing::error!(%error, "messages cannot be signed"),
    }
}
