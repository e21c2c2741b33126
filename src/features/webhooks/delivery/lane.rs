//! The deliveries to one endpoint, by the process that holds it: a few at a time.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use futures_util::{StreamExt, stream};
use secrecy::ExposeSecret;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::super::model::{ErrorCode, Lane, MessageState, Target, Waiting};
use super::super::secrets::{self, Kept};
use super::super::signature::SigningKey;
use super::super::store::lanes::{self as store, Health, Made};
use super::Deliverer;
use super::attempt::{self, Outcome};
use super::{ending, schedule};
use crate::platform::outbound::OutboundError;
use crate::platform::vault::VaultError;

/// Messages that an endpoint is sent at the same time.
const AT_ONCE: usize = 4;

/// Messages between two writes of what became of them: as many as take about [`BETWEEN_WRITES`].
const FEWEST: usize = AT_ONCE;
const MOST: usize = 256;
const BETWEEN_WRITES: Duration = Duration::from_millis(200);

/// What is needed to send messages to an endpoint.
struct Sender {
    url: Url,
    keys: Vec<SigningKey>,
}

/// Delivers what is due to an endpoint until nothing is, or it has to be left alone. Returns the number of attempts.
pub async fn run(deliverer: &Deliverer, endpoint: i64, stop: &CancellationToken) -> anyhow::Result<usize> {
    let (mut size, mut attempts) = (FEWEST, 0);
    while !stop.is_cancelled() {
        let begun = deliverer.services.clock.now();
        let Some((target, lane, messages)) = next(deliverer, endpoint, size).await? else { break };
        let start = Instant::now();
        let made = deliver(deliverer, &target, &lane, messages, stop).await;
        let took = start.elapsed();
        attempts += made.len();
        if !finish(deliverer, &target, lane, made, begun).await? {
            break;
        }
        size = if took < BETWEEN_WRITES { (size * 2).min(MOST) } else { (size / 2).max(FEWEST) };
    }
    Ok(attempts)
}

/// Reads the endpoint and what is due; `None` if there is nothing, or the endpoint is no longer held or switched off.
async fn next(deliverer: &Deliverer, endpoint: i64, size: usize) -> anyhow::Result<Option<(Target, Lane, Vec<Waiting>)>> {
    let now = deliverer.services.clock.now();
    let mut connection = deliverer.connection().await?;
    let Some((target, lane)) = store::held_target(&mut connection, &deliverer.name, endpoint).await? else { return Ok(None) };
    let size = match target.rate_per_second {
        // An endpoint that fails is asked by one message whether it works again.
        _ if lane.failures_in_row >= schedule::MOST_FAILURES => 1,
        Some(rate) => size.min(rate.unsigned_abs() as usize),
        None => size,
    };
    let messages = store::due(&mut connection, endpoint, now, size as i64).await?;
    Ok((!messages.is_empty()).then_some((target, lane, messages)))
}

/// Sends messages, a few at a time; after too many failures in a row, no others. Returns those that were sent, in the order in
/// which that ended.
async fn deliver(
    deliverer: &Deliverer,
    target: &Target,
    lane: &Lane,
    messages: Vec<Waiting>,
    stop: &CancellationToken,
) -> Vec<(Waiting, Outcome)> {
    let services = &deliverer.services;
    let sender = match sender_of(deliverer, target) {
        Ok(sender) => sender,
        Err(code) => {
            let now = services.clock.now();
            return messages.into_iter().map(|message| (message, Outcome::unsent(now, code))).collect();
        }
    };
    let is_enough = AtomicBool::new(false);
    let sending = messages.into_iter().take_while(|_| !is_enough.load(Ordering::Relaxed) && !stop.is_cancelled());
    let sending = sending.map(|message| {
        let sender = &sender;
        async move {
            let outcome = attempt::send(&services.outbound, &sender.url, &sender.keys, &message, services.clock.now()).await;
            (message, outcome)
        }
    });
    let mut ended = stream::iter(sending).buffer_unordered(AT_ONCE);
    let (mut made, mut failures) = (Vec::new(), lane.failures_in_row);
    while let Some((message, outcome)) = ended.next().await {
        failures = if outcome.error_code.is_some() { failures + 1 } else { 0 };
        if failures >= schedule::MOST_FAILURES || outcome.asks_for_rest() || outcome.error_code == Some(ErrorCode::Gone) {
            is_enough.store(true, Ordering::Relaxed);
        }
        made.push((message, outcome));
    }
    made
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

/// Writes what became of messages, which were sent from `begun` on. Returns whether more can be sent now.
async fn finish(
    deliverer: &Deliverer,
    target: &Target,
    lane: Lane,
    made: Vec<(Waiting, Outcome)>,
    begun: DateTime<Utc>,
) -> anyhow::Result<bool> {
    let now = deliverer.services.clock.now();
    let mut health = health_of(&lane, &made, now);
    let next = target.rate_per_second.map(|rate| begun + time_of(made.len(), rate)).filter(|next| *next > now);
    health.paused_until = health.paused_until.max(next);
    let ending = ending::of(&health, &made, now);
    let rows: Vec<Made> = made.into_iter().map(|(message, outcome)| row_of(message, outcome, now)).collect();
    let goes_on = ending.is_none() && health.paused_until.is_none();
    let (holder, id) = (deliverer.name.clone(), target.id);
    let mut connection = deliverer.connection().await?;
    connection
        .transaction(async move |connection| {
            store::without_waiting_for_disk(connection).await?;
            store::record(connection, id, &rows).await?;
            store::set_health(connection, &holder, id, &health).await
        })
        .await?;
    drop(connection);
    if let Some(reason) = ending {
        ending::switch_off(&deliverer.services, target, reason).await?;
    }
    Ok(goes_on)
}

/// Returns the time in which so many messages may be sent.
fn time_of(messages: usize, rate_per_second: i32) -> TimeDelta {
    TimeDelta::microseconds(1_000_000 * messages as i64 / i64::from(rate_per_second.max(1)))
}

/// Returns how deliveries go after these attempts.
fn health_of(lane: &Lane, made: &[(Waiting, Outcome)], now: DateTime<Utc>) -> Health {
    let mut health = Health {
        failures_in_row: lane.failures_in_row,
        failing_since: lane.failing_since,
        failed_messages: lane.failed_messages,
        paused_until: None,
        last_attempt_at: lane.last_attempt_at,
        last_status_code: lane.last_status_code,
        last_error_code: lane.last_error_code,
    };
    for (message, outcome) in made {
        health.last_attempt_at = Some(outcome.at);
        health.last_status_code = outcome.status_code;
        health.last_error_code = outcome.error_code;
        match outcome.error_code {
            None => {
                (health.failures_in_row, health.failing_since, health.failed_messages) = (0, None, 0);
                health.paused_until = None;
            }
            Some(_) => {
                health.failures_in_row += 1;
                health.failing_since = health.failing_since.or(Some(outcome.at));
                health.failed_messages += i64::from(message.step == 0);
                let asked = outcome.asked_pause.filter(|_| outcome.asks_for_rest());
                health.paused_until = schedule::rest_after(health.failures_in_row).max(asked).map(|rest| now + rest);
            }
        }
    }
    health
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
