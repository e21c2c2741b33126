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
use super::model::NewMessage;
use super::store::served::{self, Told};
use super::store::{ENDPOINTS, apps, messages};
use crate::features::api_keys::{Served, Traffic};
use crate::features::projects::Topic;
use crate::platform::services::Services;

/// The time between two collections of answered lists, and between two writes of numbers.
const COLLECTING: Duration = Duration::from_secs(1);
const COUNTING: Duration = Duration::from_secs(10);

/// Bytes of answered lists from which on they are sent in a further message, as receivers limit what they read.
const BYTES_OF_MESSAGE: usize = 256 << 10;

/// The data of a message about answered lists.
#[derive(Serialize)]
struct Answers<'a> {
    project: i64,
    app: i64,
    answers: &'a [Served],
    /// Lists that are not in any message, as there were too many at once.
    dropped: u64,
}

/// Stores what apps do until `stop` is cancelled, and then the rest.
pub async fn keep_storing(services: Services, traffic: Traffic, stop: CancellationToken) {
    let mut endpoints_changed = services.db.listen(&[ENDPOINTS]);
    let (mut collecting, mut counting) = (interval(COLLECTING), interval(COUNTING));
    for ticks in [&mut collecting, &mut counting] {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    while !stop.is_cancelled() {
        let result = tokio::select! {
            () = stop.cancelled() => Ok(()),
            _ = collecting.tick() => pass_on(&services, &traffic).await,
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
    pass_on(services, traffic).await?;
    store_use(services, traffic).await
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

/// Turns the lists that wait into messages.
async fn pass_on(services: &Services, traffic: &Traffic) -> anyhow::Result<()> {
    let taken = traffic.take_answers();
    if taken.is_empty() {
        return Ok(());
    }
    let stored = store_messages(services, &taken).await;
    stored.inspect_err(|_| {
        taken.iter().for_each(|(app, answers, dropped)| traffic.note_dropped(*app, *dropped + answers.len() as u64))
    })
}

async fn store_messages(services: &Services, taken: &[(i64, Vec<Served>, u64)]) -> anyhow::Result<()> {
    let (now, ids) = (services.clock.now(), taken.iter().map(|(app, ..)| *app).collect::<Vec<_>>());
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            let mut endpoints: HashMap<i64, Vec<Told>> = HashMap::new();
            for told in served::told(connection, &ids).await? {
                endpoints.entry(told.app_id).or_default().push(told);
            }
            let mut rows = Vec::new();
            for (app, answers, dropped) in taken {
                let told = endpoints.remove(app).unwrap_or_default();
                for (at, answers) in parts(answers)?.into_iter().enumerate() {
                    let dropped = if at == 0 { *dropped } else { 0 };
                    for told in &told {
                        let data = serde_json::to_value(Answers { project: told.project_id, app: *app, answers, dropped })?;
                        rows.push(NewMessage {
                            id: content::id_at(now),
                            endpoint_id: told.endpoint_id,
                            topic: Topic::RecommendationServed,
                            body: content::body_of(Topic::RecommendationServed, now, &data)?,
                            due_at: now,
                            ins_datetime: now,
                        });
                    }
                }
            }
            Ok(messages::insert(connection, &rows).await?)
        })
        .await
}

/// Divides lists among messages, each of which ends before the list that would make it too large.
fn parts(answers: &[Served]) -> serde_json::Result<Vec<&[Served]>> {
    let (mut parts, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, answer) in answers.iter().enumerate() {
        let size = serde_json::to_string(answer)?.len();
        if at > from && bytes + size > BYTES_OF_MESSAGE {
            parts.push(&answers[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += size;
    }
    parts.push(&answers[from..]);
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(letters: usize) -> Served {
        Served {
            request_id: uuid::Uuid::nil(),
            kind: "predict",
            model: 1,
            slot: None,
            user_id: None,
            strategy: None,
            items: vec!["i".repeat(letters)],
            at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn large_lists_are_divided_among_messages_and_none_is_lost() {
        let lengths = |answers: &[Served]| parts(answers).unwrap().iter().map(|part| part.len()).collect::<Vec<_>>();
        assert_eq!(lengths(&vec![served(10); 500]), [500]);
        let half = served(BYTES_OF_MESSAGE / 2 - 1_000);
        assert_eq!(lengths(&vec![half; 5]), [2, 2, 1]);
        assert_eq!(lengths(&[served(1), served(BYTES_OF_MESSAGE), served(1)]), [1, 1, 1]);
        assert_eq!(lengths(&[]), [0], "what was dropped is said without a list as well");
    }
}
