//! The deliveries to one endpoint, by the process that holds it, in rounds: read what is due, send a few at a time, write what became
//! of them. A request that is not answered yet goes on through later rounds, so that it delays no other message.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use futures_util::FutureExt;
use secrecy::ExposeSecret;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::model::{ErrorCode, Lane, MessageState, Target, Waiting};
use super::super::secrets::{self, Kept};
use super::super::signature::SigningKey;
use super::super::store::lanes::{self as store, Health, Made};
use super::Deliverer;
use super::attempt::{self, Outcome};
use super::pace::Pace;
use super::sending::{AT_ONCE, Sender, Sending};
use super::{ending, schedule};
use crate::platform::outbound::OutboundError;
use crate::platform::vault::VaultError;

/// Messages of a round: as many as take about [`BETWEEN_WRITES`].
const FEWEST: usize = AT_ONCE;
const MOST: usize = 256;
const BETWEEN_WRITES: Duration = Duration::from_millis(200);

/// The time until messages are looked for again, if no other is known and none is announced.
const LOOK: Duration = Duration::from_secs(4);
const SHORTEST_LOOK: Duration = Duration::from_millis(10);

/// What a lane is told by its process.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// It gives its place up as soon as its requests are answered.
    pub stop: CancellationToken,
    /// There may be messages.
    pub wake: Arc<Notify>,
}

/// What a round begins with.
struct Round {
    target: Target,
    lane: Lane,
    messages: Vec<Waiting>,
    /// Without messages: how long to wait for some; `None` if the lane has no reason to.
    wait: Option<Duration>,
}

/// Delivers to an endpoint until no message is due and no request open, it is paused, or its place is needed. Returns the number of
/// attempts.
pub async fn run(deliverer: &Deliverer, endpoint: i64, signals: &Signals) -> anyhow::Result<usize> {
    let (mut sending, mut pace, mut attempts, mut size) = (Sending::default(), Pace::default(), 0, FEWEST);
    loop {
        let most = if signals.stop.is_cancelled() { 0 } else { size };
        let Some(round) = next(deliverer, endpoint, sending.ids(), &pace, most).await? else {
            // It was switched off or deleted: what becomes of its last requests is not known.
            return Ok(attempts);
        };
        let made = match round.wait {
            _ if !round.messages.is_empty() => {
                let begun = Instant::now();
                let made = deliver(deliverer, &round, &mut sending, &mut pace, &signals.stop).await;
                let is_quick = begun.elapsed() < BETWEEN_WRITES;
                size = if is_quick { (size * 2).min(MOST) } else { (size / 2).max(FEWEST) };
                made
            }
            Some(wait) => answered(&mut sending, &signals.wake, wait).await,
            None => return Ok(attempts),
        };
        attempts += made.len();
        if !made.is_empty() {
            finish(deliverer, round, made).await?;
        }
    }
}

/// Reads the endpoint, and at most so many messages that may be sent now, without those being sent; `None` if it is no longer held,
/// or is switched off.
async fn next(
    deliverer: &Deliverer,
    endpoint: i64,
    being_sent: Vec<Uuid>,
    pace: &Pace,
    most: usize,
) -> anyhow::Result<Option<Round>> {
    let now = deliverer.services.clock.now();
    let mut connection = deliverer.connection().await?;
    let Some((target, lane)) = store::held_target(&mut connection, &deliverer.name, endpoint).await? else { return Ok(None) };
    let open = being_sent.len();
    let pause = lane.paused_until.filter(|until| *until > now).max(pace.next(target.rate_per_second, now));
    let most = match target.rate_per_second {
        _ if pause.is_some() || open >= AT_ONCE => 0,
        // An endpoint that fails is asked by one message whether it works again.
        _ if lane.failures_in_row >= schedule::MOST_FAILURES => most.min(usize::from(open == 0)),
        Some(rate) => most.min(rate.unsigned_abs() as usize),
        None => most,
    };
    let messages = match most {
        0 => Vec::new(),
        most => store::due(&mut connection, endpoint, now, most as i64, being_sent).await?,
    };
    let end = pace.end(now);
    let wait = if messages.is_empty() && (open > 0 || end.is_some()) {
        let next = if most > 0 { store::next_due(&mut connection, endpoint, now).await? } else { pause };
        let at = next.into_iter().chain(end).min();
        Some(at.map_or(LOOK, |at| (at - now).to_std().unwrap_or_default().clamp(SHORTEST_LOOK, LOOK)))
    } else {
        None
    };
    Ok(Some(Round { target, lane, messages, wait }))
}

/// Waits some time for answers, or until there may be messages. Returns what was answered.
async fn answered(sending: &mut Sending<'_>, wake: &Notify, wait: Duration) -> Vec<(Waiting, Outcome)> {
    let first = tokio::select! {
        ended = sending.next() => ended,
        () = wake.notified() => return Vec::new(),
        () = tokio::time::sleep(wait) => return Vec::new(),
    };
    let more = std::iter::from_fn(|| sending.next().now_or_never());
    std::iter::once(first).chain(more).collect()
}

/// Sends the messages of a round for some time, no faster than the endpoint allows, and none any more after too many failures in a
/// row. Returns those that ended, in their order.
async fn deliver<'d>(
    deliverer: &'d Deliverer,
    round: &Round,
    sending: &mut Sending<'d>,
    pace: &mut Pace,
    stop: &CancellationToken,
) -> Vec<(Waiting, Outcome)> {
    let (services, rate) = (&deliverer.services, round.target.rate_per_second);
    let sender = match sender_of(deliverer, &round.target) {
        Ok(sender) => Arc::new(sender),
        Err(code) => {
            let now = services.clock.now();
            return round.messages.iter().map(|message| (message.clone(), Outcome::unsent(now, code))).collect();
        }
    };
    let until = Instant::now() + BETWEEN_WRITES;
    let older: HashSet<Uuid> = sending.ids().into_iter().collect();
    let (mut queue, mut open, mut made) = (round.messages.iter().peekable(), 0, Vec::new());
    let (mut failures, mut is_enough) = (round.lane.failures_in_row, false);
    loop {
        is_enough |= stop.is_cancelled();
        let mut look = until;
        while !is_enough && sending.len() < AT_ONCE && queue.peek().is_some() {
            let now = services.clock.now();
            if let Some(at) = pace.next(rate, now) {
                look = until.min(Instant::now() + (at - now).to_std().unwrap_or_default());
                break;
            }
            if rate.is_some() {
                pace.note(now);
            }
            if let Some(message) = queue.next() {
                sending.start(services, Arc::clone(&sender), message.clone());
                open += 1;
            }
        }
        if open == 0 && (is_enough || queue.peek().is_none()) {
            return made;
        }
        match tokio::time::timeout_at(look, sending.next()).await {
            Ok((message, outcome)) => {
                open -= usize::from(!older.contains(&message.id));
                failures = if outcome.error_code.is_some() { failures + 1 } else { 0 };
                is_enough |=
                    failures >= schedule::MOST_FAILURES || outcome.asks_for_rest() || outcome.error_code == Some(ErrorCode::Gone);
                made.push((message, outcome));
            }
            Err(_) if Instant::now() >= until => return made,
            Err(_) => {}
        }
    }
}

/// Returns the address and the keys of an endpoint.
fn sender_of(deliverer: &Deliverer, target: &Target) -> Result<Sender, ErrorCode> {
    let url = deliverer.services.outbound.policy().read_url(&target.url);
    let url = url.map_err(|refusal| attempt::code_of(&OutboundError::Refused(refusal)))?;
    let open = |sealed: &[u8], kept| {
        let secret = secrets::open(&deliverer.vault, sealed, kept, target.id, target.project_id)?;
        SigningKey::read(secret.expose_secret()).map_err(|_| VaultError::Damaged)
    };
    let mut keys = vec![open(&target.secret_sealed, Kept::Present).map_err(|_| ErrorCode::SecretUnreadable)?];
    let overlaps = target.previous_until.is_some_and(|until| until > deliverer.services.clock.now());
    if let Some(sealed) = target.previous_secret_sealed.as_ref().filter(|_| overlaps) {
        keys.extend(open(sealed, Kept::Previous));
    }
    Ok(Sender { url, keys })
}

/// Writes what became of messages.
async fn finish(deliverer: &Deliverer, round: Round, made: Vec<(Waiting, Outcome)>) -> anyhow::Result<()> {
    let (Round { target, lane, .. }, now) = (round, deliverer.services.clock.now());
    let (health, pause) = health_of(&lane, &made, now);
    let ending = ending::of(&health, &made, now);
    let rows: Vec<Made> = made.into_iter().map(|(message, outcome)| row_of(message, outcome, now)).collect();
    let (holder, id) = (deliverer.name.clone(), target.id);
    let mut connection = deliverer.connection().await?;
    connection
        .transaction(async move |connection| {
            store::without_waiting_for_disk(connection).await?;
            store::record(connection, id, &rows).await?;
            store::set_health(connection, &holder, id, &health, pause).await
        })
        .await?;
    drop(connection);
    if let Some(reason) = ending {
        ending::switch_off(&deliverer.services, &target, reason).await?;
    }
    Ok(())
}

/// Returns how deliveries go after these attempts, and until when the endpoint is left alone because of them.
fn health_of(lane: &Lane, made: &[(Waiting, Outcome)], now: DateTime<Utc>) -> (Health, Option<DateTime<Utc>>) {
    let mut health = Health {
        failures_in_row: lane.failures_in_row,
        failing_since: lane.failing_since,
        failed_messages: lane.failed_messages,
        last_attempt_at: lane.last_attempt_at,
        last_status_code: lane.last_status_code,
        last_error_code: lane.last_error_code,
    };
    let (mut rest, mut asked) = (None, None);
    for (message, outcome) in made {
        health.last_attempt_at = Some(outcome.at);
        health.last_status_code = outcome.status_code;
        health.last_error_code = outcome.error_code;
        if outcome.error_code.is_none() {
            (health.failures_in_row, health.failing_since, health.failed_messages, rest) = (0, None, 0, None);
            continue;
        }
        health.failures_in_row += 1;
        health.failing_since = health.failing_since.or(Some(outcome.at));
        health.failed_messages += i64::from(message.step == 0);
        rest = schedule::rest_after(health.failures_in_row);
        asked = asked.max(outcome.asked_pause.filter(|_| outcome.asks_for_rest()));
    }
    (health, rest.max(asked).map(|pause| now + pause))
}

/// Returns the row of an attempt.
fn row_of(message: Waiting, outcome: Outcome, now: DateTime<Utc>) -> Made {
    let pause = schedule::pause_after(message.step, message.id).map(|pause| pause.max(outcome.asked_pause.unwrap_or_default()));
    let (state, due_at) = match (outcome.error_code, pause) {
        (None, _) => (MessageState::Delivered, now),
        (Some(ErrorCode::Gone), _) | (Some(_), None) => (MessageState::Failed, now),
        (Some(_), Some(pause)) => (MessageState::Waiting, now + pause),
    };
    Made {
        message: message.id,
        number: message.attempts + 1,
        step: message.step + 1,
        state,
        due_at,
        at: outcome.at,
        status_code: outcome.status_code,
        error_code: outcome.error_code,
        duration_ms: outcome.duration_ms,
        response_head: outcome.response_head,
    }
}
