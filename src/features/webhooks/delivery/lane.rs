//! The deliveries to one endpoint, by the process that holds it, in rounds: read what is due, send a few at a time, write what became
//! of them. A request that is not answered yet goes on through later rounds, so that it delays no other message.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use secrecy::ExposeSecret;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::model::{ErrorCode, Lane, MessageState, Target, Waiting};
use super::super::secrets::{self, Kept};
use super::super::signature::SigningKey;
use super::super::store::lanes::{self as store, Health, Made};
use super::Deliverer;
use super::attempt::{self, Outcome};
use super::sending::{AT_ONCE, Sender, Sending};
use super::{ending, schedule};
use crate::platform::outbound::OutboundError;
use crate::platform::vault::VaultError;

/// Messages of a round: as many as take about [`BETWEEN_WRITES`].
const FEWEST: usize = AT_ONCE;
const MOST: usize = 256;
const BETWEEN_WRITES: Duration = Duration::from_millis(200);

/// How often it is looked for messages while others are not answered: after the first pause, and then ever more seldom.
const FIRST_LOOK: Duration = Duration::from_millis(500);
const LAST_LOOK: Duration = Duration::from_secs(4);

/// How long an endpoint keeps its place. It gets another one in its turn.
const SLICE: Duration = Duration::from_secs(10);

/// What a round begins with.
struct Round {
    target: Target,
    lane: Lane,
    messages: Vec<Waiting>,
    begun: DateTime<Utc>,
}

/// Delivers what is due to an endpoint until nothing is, it has to be left alone, or its time is over. Returns the number of
/// attempts.
pub async fn run(deliverer: &Deliverer, endpoint: i64, stop: &CancellationToken) -> anyhow::Result<usize> {
    let (start, mut sending, mut goes_on, mut attempts) = (Instant::now(), Sending::default(), true, 0);
    let (mut size, mut pause) = (FEWEST, FIRST_LOOK);
    loop {
        goes_on = goes_on && !stop.is_cancelled() && start.elapsed() < SLICE;
        let Some(round) = next(deliverer, endpoint, sending.ids(), if goes_on { size } else { 0 }).await? else {
            // It was switched off or deleted: what becomes of its last requests is not known.
            return Ok(attempts);
        };
        if round.messages.is_empty() && sending.len() == 0 {
            return Ok(attempts);
        }
        let (wait, is_idle) = if round.messages.is_empty() { (pause, true) } else { (BETWEEN_WRITES, false) };
        pause = if is_idle { (pause * 2).min(LAST_LOOK) } else { FIRST_LOOK };
        let begun = Instant::now();
        let (made, started) = deliver(deliverer, &round, &mut sending, wait, stop).await;
        let took = begun.elapsed();
        attempts += made.len();
        goes_on &= finish(deliverer, round, made, started).await?;
        if !is_idle {
            size = if took < BETWEEN_WRITES { (size * 2).min(MOST) } else { (size / 2).max(FEWEST) };
        }
    }
}

/// Reads the endpoint, and at most so many messages that are due, without those being sent; `None` if it is no longer held, or is
/// switched off.
async fn next(deliverer: &Deliverer, endpoint: i64, being_sent: Vec<Uuid>, most: usize) -> anyhow::Result<Option<Round>> {
    let now = deliverer.services.clock.now();
    let mut connection = deliverer.connection().await?;
    let Some((target, lane)) = store::held_target(&mut connection, &deliverer.name, endpoint).await? else { return Ok(None) };
    let most = match target.rate_per_second {
        // An endpoint that fails is asked by one message whether it works again.
        _ if lane.failures_in_row >= schedule::MOST_FAILURES => most.min(usize::from(being_sent.is_empty())),
        Some(rate) => most.min(rate.unsigned_abs() as usize),
        None => most,
    };
    let messages = match most {
        0 => Vec::new(),
        _ if being_sent.len() >= AT_ONCE => Vec::new(),
        most => store::due(&mut connection, endpoint, now, most as i64, being_sent).await?,
    };
    Ok(Some(Round { target, lane, messages, begun: now }))
}

/// Sends the messages of a round for some time, and none any more after too many failures in a row. Returns those that ended, in
/// their order, and the number of those that were begun.
async fn deliver<'d>(
    deliverer: &'d Deliverer,
    round: &Round,
    sending: &mut Sending<'d>,
    wait: Duration,
    stop: &CancellationToken,
) -> (Vec<(Waiting, Outcome)>, usize) {
    let sender = match sender_of(deliverer, &round.target) {
        Ok(sender) => Some(Arc::new(sender)),
        Err(_) if round.messages.is_empty() => None,
        Err(code) => {
            let now = deliverer.services.clock.now();
            let unsent: Vec<_> = round.messages.iter().map(|message| (message.clone(), Outcome::unsent(now, code))).collect();
            return (unsent, 0);
        }
    };
    let (until, mut queue) = (Instant::now() + wait, round.messages.iter());
    let (mut made, mut started, mut failures, mut is_enough) = (Vec::new(), 0, round.lane.failures_in_row, false);
    loop {
        while !is_enough && !stop.is_cancelled() && sending.len() < AT_ONCE {
            let Some((sender, message)) = sender.as_ref().zip(queue.next()) else { break };
            sending.start(&deliverer.services, Arc::clone(sender), message.clone());
            started += 1;
        }
        let Ok(Some((message, outcome))) = tokio::time::timeout_at(until, sending.next()).await else {
            return (made, started);
        };
        failures = if outcome.error_code.is_some() { failures + 1 } else { 0 };
        is_enough |=
            failures >= schedule::MOST_FAILURES || outcome.asks_for_rest() || outcome.error_code == Some(ErrorCode::Gone);
        made.push((message, outcome));
        if round.messages.is_empty() {
            return (made, started);
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

/// Writes what became of messages in a round that began to send so many. Returns whether more can be sent now.
async fn finish(deliverer: &Deliverer, round: Round, made: Vec<(Waiting, Outcome)>, started: usize) -> anyhow::Result<bool> {
    let (Round { target, lane, begun, .. }, now) = (round, deliverer.services.clock.now());
    let next = target.rate_per_second.map(|rate| begun + time_of(started, rate)).filter(|next| *next > now);
    if made.is_empty() && next.is_none() {
        return Ok(true);
    }
    let mut health = health_of(&lane, &made, now);
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
        ending::switch_off(&deliverer.services, &target, reason).await?;
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
