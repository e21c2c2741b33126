//! Delivers recorded events to their subscribers.

use std::time::Duration;

use chrono::TimeDelta;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::schema::outbox;
use super::{CHANNEL, Event};
use crate::clock::Clock;
use crate::db::{self, Database, QueryError};

/// Pause between two polls of the table without an announcement.
const PAUSE: Duration = Duration::from_secs(5);
/// Pause before the next poll if events are held back by a transaction in progress, whose end is not announced.
const SHORT_PAUSE: Duration = Duration::from_millis(50);
/// Events delivered in one transaction.
const BATCH: i64 = 100;
/// An arbitrary number that no other lock of the database uses: "outbox" in letters of a telephone's keypad.
const LEADER_LOCK: i64 = 688_269;
/// Longest pause after a failed delivery.
const LONGEST_DELAY: TimeDelta = TimeDelta::minutes(10);

/// Adds the rows and jobs that follow from an event, in the transaction that deletes the event. The transaction may be rolled back, so
/// work outside the database and slow work belong in the job.
pub type Subscriber<C> = for<'a> fn(&'a C, &'a mut AsyncPgConnection, &'a Event) -> BoxFuture<'a, anyhow::Result<()>>;

/// The subscribers of a program. Each gets every event and selects by its topic.
pub type Subscribers<C> = &'static [Subscriber<C>];

/// Delivers events to subscribers until cancelled. Any number of processes may do this; each batch has one courier.
pub struct Courier<C: 'static> {
    pub db: Database,
    pub clock: Clock,
    /// What subscribers are given besides the event.
    pub context: C,
    pub subscribers: Subscribers<C>,
}

/// The result of a round of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// A full batch was delivered, so there may be more.
    More,
    /// Some events are held back by a transaction in progress.
    HeldBack,
    /// No more events are due, as far as this process knows.
    Done,
}

impl<C: Sync + 'static> Courier<C> {
    /// Delivers events as they are announced, until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let mut announced = self.db.listen(&[CHANNEL]);
        while !stop.is_cancelled() {
            let pause = match self.deliver().await {
                Ok(Round::More) => continue,
                Ok(Round::HeldBack) => SHORT_PAUSE,
                Ok(Round::Done) => PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "events could not be handed to their subscribers; trying again");
                    PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
                _ = announced.next() => {}
            }
        }
    }

    /// Delivers one batch, unless another process is doing so.
    pub async fn deliver(&self) -> anyhow::Result<Round> {
        let mut connection = self.db.conn().await?;
        let round = connection
            .transaction(async |connection| {
                if !db::try_to_lead(connection, LEADER_LOCK).await? {
                    return Ok(Round::Done);
                }
                let events = self.due(connection).await?;
                for event in &events {
                    self.hand_over(connection, event).await?;
                }
                if i64::try_from(events.len()).is_ok_and(|found| found == BATCH) {
                    return Ok(Round::More);
                }
                Ok(if is_any_held_back(connection).await? { Round::HeldBack } else { Round::Done })
            })
            .await;
        round.map_err(|error: QueryError| error.into())
    }

    /// Returns the first events that are due, up to the oldest transaction in progress.
    async fn due(&self, connection: &mut AsyncPgConnection) -> QueryResult<Vec<Event>> {
        outbox::table
            .filter(is_settled())
            .filter(outbox::due_at.le(self.clock.now()))
            .order(outbox::id)
            .limit(BATCH)
            .select(Event::as_select())
            .load(connection)
            .await
    }

    /// Delivers one event to all subscribers, or to none of them: after a failure it is due again later, and the others continue.
    async fn hand_over(&self, connection: &mut AsyncPgConnection, event: &Event) -> QueryResult<()> {
        let handed = connection
            .transaction(async |connection| {
                for subscriber in self.subscribers {
                    subscriber(&self.context, connection, event).await?;
                }
                diesel::delete(outbox::table.find(event.id)).execute(connection).await?;
                anyhow::Ok(())
            })
            .await;
        let Err(error) = handed else { return Ok(()) };
        tracing::error!(
            error = format!("{error:#}"),
            event = event.id,
            topic = event.topic,
            "a subscriber failed; the event is kept"
        );
        let later = (outbox::attempts.eq(event.attempts + 1), outbox::due_at.eq(self.clock.now() + delay_after(event.attempts)));
        diesel::update(outbox::table.find(event.id)).set(later).execute(connection).await.map(drop)
    }
}

/// Returns the condition that all transactions that could record an event with a lower number have ended.
fn is_settled() -> diesel::expression::SqlLiteral<Bool> {
    sql::<Bool>("xid < pg_snapshot_xmin(pg_current_snapshot())")
}

async fn is_any_held_back(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(outbox::table.filter(diesel::dsl::not(is_settled())))).get_result(connection).await
}

/// Returns the pause after a failure: a second, doubled with each previous one.
fn delay_after(attempts: i32) -> TimeDelta {
    let doublings = u32::try_from(attempts).unwrap_or_default().min(20);
    TimeDelta::seconds(1_i64 << doublings).min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        assert_eq!([0, 1, 5, 9, i32::MAX].map(|attempts| delay_after(attempts).num_seconds()), [1, 2, 32, 512, 600]);
    }
}
