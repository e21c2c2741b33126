//! What apps do leaves the memory of a process: numbers every ten seconds, and answered lists every second. If the process is
//! killed, what was not stored yet is lost.

use std::collections::HashMap;
use std::time::Duration;

use diesel_async::AsyncConnection;
use futures_util::{FutureExt, StreamExt};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::content;
use super::store::served::{self, Told};
use super::store::{ENDPOINTS, apps};
use crate::features::api_keys::{Served, Traffic};
use crate::features::projects::Topic;
use crate::platform::disk::WatchedReserve;
use crate::platform::services::Services;

/// The time between two collections of answered lists, and between two writes of numbers.
const COLLECTING: Duration = Duration::from_secs(1);
const COUNTING: Duration = Duration::from_secs(10);

/// The data of a message about answered lists.
#[derive(Serialize)]
struct Answers<'a> {
    project: i64,
    app: i64,
    answers: &'a [Served],
    /// Lists that the endpoint was told of by no message, as there were too many at once or too many messages waited for it.
    dropped: u64,
}

/// Stores what apps do until `stop` is cancelled, and then the rest.
pub async fn keep_storing(services: Services, traffic: Traffic, stop: CancellationToken) {
    let mut endpoints_changed = services.db.listen(&[ENDPOINTS]);
    let disk = reserve(&services);
    let (mut collecting, mut counting) = (interval(COLLECTING), interval(COUNTING));
    for ticks in [&mut collecting, &mut counting] {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    while !stop.is_cancelled() {
        let result = tokio::select! {
            () = stop.cancelled() => Ok(()),
            _ = collecting.tick() => pass_on(&services, &traffic, &disk).await,
            _ = counting.tick() => store_use(&services, &traffic).await,
            _ = endpoints_changed.next() => {
                while endpoints_changed.next().now_or_never().is_some() {}
                refresh_told(&services, &traffic).await
            }
        };
        if let Err(error) = result {
            tracing::warn!(error = format!("{error:#}"), "what apps do could not be stored; trying again");
        }
    }
    if let Err(error) = store_all(&services, &traffic).await {
        tracing::warn!(error = format!("{error:#}"), "the last of what apps did could not be stored");
    }
}

/// Stores everything that waits in memory.
pub async fn store_all(services: &Services, traffic: &Traffic) -> anyhow::Result<()> {
    pass_on(services, traffic, &reserve(services)).await?;
    store_use(services, traffic).await
}

fn reserve(services: &Services) -> WatchedReserve {
    WatchedReserve::new(services.disk(), services.clock.clone(), "messages about answered lists")
}

/// Reads whose answers an endpoint is told of.
pub async fn refresh_told(services: &Services, traffic: &Traffic) -> anyhow::Result<()> {
    let told = served::told_apps(&mut *services.db.conn().await?).await?;
    traffic.set_told(told);
    Ok(())
}

/// Adds the numbers of all apps to those of the day.
async fn store_use(services: &Services, traffic: &Traffic) -> anyhow::Result<()> {
    let used = traffic.take_used();
    if used.is_empty() {
        return Ok(());
    }
    let today = services.clock.now().date_naive();
    let stored = async { anyhow::Ok(apps::add_use(&mut *services.db.conn().await?, today, &used).await?) };
    stored.await.inspect_err(|_| traffic.give_back(&used))
}

/// Turns the lists that wait into messages, those of each app for themselves. Lists that cannot be stored are counted as dropped.
async fn pass_on(services: &Services, traffic: &Traffic, disk: &WatchedReserve) -> anyhow::Result<()> {
    let mut result = Ok(());
    for (app, answers, dropped) in traffic.take_answers() {
        let lost = dropped + answers.len() as u64;
        if !disk.has_room() {
            traffic.note_dropped(app, lost);
            continue;
        }
        let missed = traffic.take_missed(app);
        let (missed, stored) = match store_messages(services, app, answers, dropped, missed.clone()).await {
            Ok(left_out) => (left_out, Ok(())),
            Err(error) => {
                traffic.note_dropped(app, lost);
                (missed, Err(error))
            }
        };
        missed.into_iter().for_each(|(endpoint, lists)| traffic.note_missed(app, endpoint, lists));
        result = result.and(stored);
    }
    result
}

/// Stores a message about the lists of an app for each endpoint that is told of them. `missed` has the further lists that an endpoint
/// was not told of before; returns those that it was not told of yet.
async fn store_messages(
    services: &Services,
    app: i64,
    answers: Vec<Served>,
    dropped: u64,
    missed: HashMap<i64, u64>,
) -> anyhow::Result<HashMap<i64, u64>> {
    let now = services.clock.now();
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            let told = served::told(connection, app).await?;
            let dropped_for = |endpoint: i64| dropped + missed.get(&endpoint).copied().unwrap_or_default();
            let mut messages = Vec::with_capacity(told.len());
            for Told { project_id: project, endpoint_id } in told.iter().copied() {
                let data = Answers { project, app, answers: &answers, dropped: dropped_for(endpoint_id) };
                let body = content::body_of(Topic::RecommendationServed, now, &data)?;
                messages.push((content::id_at(now), endpoint_id, body));
            }
            let stored = served::insert(connection, messages, now).await?;
            let left_out = told.iter().map(|told| told.endpoint_id).filter(|endpoint| !stored.contains(endpoint));
            Ok(left_out.map(|endpoint| (endpoint, dropped_for(endpoint) + answers.len() as u64)).collect())
        })
        .await
}
