//! How long a request body may take to arrive, and how much of all bodies may be in memory at once. Both hold for every body and
//! every reader: a client that stalls or trickles occupies a connection for a while, and nothing else.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::{ConnectionType, Method, StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web::{self, Bytes};
use actix_web::{Error, HttpMessage, HttpRequest};
use futures_util::Stream;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::caller::client_network;
use super::error::ApiError;
use super::meter::{Meter, Patience};
use super::payload::{LARGEST, LargestBody};
use super::room::{Buffered, Sender};
use crate::config::Settings;

/// Limits during shutdown: a client that sends nothing for this long, or almost nothing, is not waited for.
const WHILE_ENDING: Patience = Patience { idle: Duration::from_secs(2), window: Duration::from_secs(2), least: 2_048 };

/// Bodies up to this size are not counted: a server has room for one on each connection.
const UNCOUNTED: usize = 16 << 10;

/// A compressed body is counted as this multiple of its size, up to the largest body.
const UNPACKED: usize = 100;

/// Largest body that is read before its sender is authenticated.
const LARGEST_OF_STRANGER: usize = 64 << 10;

/// One in this many bytes of the room for all bodies is the room of unauthenticated callers, in addition to it.
const PART_OF_STRANGERS: usize = 8;

/// One in this many bytes of a room may be used by one client network.
const PART_OF_NETWORK: usize = 2;

/// A body is counted as this multiple of its size: values parsed from JSON take more memory than their text.
const VALUES: usize = 4;

/// Seconds after which a body that found no room may be sent again.
const COME_BACK: u64 = 2;

/// A server's limits for request bodies. Cheap to clone; clones share the count of bytes in memory.
#[derive(Debug, Clone)]
pub struct BodyLimits {
    patience: Patience,
    /// Waiting time within which a body that stays in memory has to arrive.
    whole: Duration,
    rooms: Arc<Rooms>,
    ending: CancellationToken,
}

impl BodyLimits {
    /// Creates the configured limits. `ending` fires at shutdown.
    pub fn new(settings: &Settings, ending: CancellationToken) -> Self {
        let window = Duration::from_secs(settings.body_rate_seconds.max(1));
        let least = settings.body_least_rate.saturating_mul(window.as_secs());
        let patience = Patience { idle: Duration::from_secs(settings.body_idle_seconds.max(1)), window, least };
        let most = usize::try_from(settings.max_buffered_bytes).unwrap_or(usize::MAX);
        let room = |most| Buffered::new(most, PART_OF_NETWORK);
        let rooms = Rooms { of_callers: room(most), of_strangers: room(most / PART_OF_STRANGERS) };
        let whole = Duration::from_secs(settings.body_whole_seconds.max(1));
        Self { patience, whole, rooms: Arc::new(rooms), ending }
    }
}

/// Separate rooms, so that unauthenticated callers cannot use up that of the others.
#[derive(Debug)]
struct Rooms {
    of_callers: Buffered,
    of_strangers: Buffered,
}

/// Why a body was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    TooSlow,
    Ending,
    NoRoom,
}

impl Refusal {
    fn answer(self) -> ApiError {
        match self {
            Self::TooSlow => ApiError::coded(
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                "The body of the request stopped arriving, or arrived too slowly. Check the connection and send it again.",
            ),
            Self::Ending => ApiError::coded(
                StatusCode::REQUEST_TIMEOUT,
                "server_ending",
                "The server is stopping and the body of the request had stopped arriving. Send it again in a few seconds.",
            )
            .retry_after(COME_BACK),
            Self::NoRoom => ApiError::coded(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_bodies",
                "The server is receiving too many large requests at once. Send this one again in a few seconds.",
            )
            .retry_after(COME_BACK),
        }
    }
}

/// A request's share of the memory for bodies, and the state of its body.
struct Account {
    rooms: Arc<Rooms>,
    /// Whether the caller may be unauthenticated.
    of_stranger: Cell<bool>,
    /// Network of the client; `None` for a body that is too small to be counted.
    network: Option<String>,
    /// User that the body is counted under, besides the network.
    caller: Cell<Option<i64>>,
    /// Bytes that arrived.
    arrived: Cell<usize>,
    /// Bytes of these that count.
    counted: Cell<usize>,
    unpacked: usize,
    /// Whether the body stays in memory.
    stays: Cell<bool>,
    /// Bytes that may still arrive of a body that does not stay in memory. The readers of others limit them.
    left: Cell<u64>,
    refusal: Cell<Option<Refusal>>,
}

impl Account {
    fn open(request: &ServiceRequest, rooms: &Arc<Rooms>) -> Self {
        let headers = request.headers();
        let is_packed = headers.contains_key(header::CONTENT_ENCODING);
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let is_small = !is_packed && length.is_some_and(|length| length <= UNCOUNTED);
        Self {
            rooms: Arc::clone(rooms),
            of_stranger: Cell::default(),
            network: (!is_small).then(|| client_network(request.request())),
            caller: Cell::default(),
            arrived: Cell::default(),
            counted: Cell::default(),
            unpacked: if is_packed { UNPACKED } else { 1 },
            stays: Cell::new(true),
            left: Cell::new(u64::MAX),
            refusal: Cell::default(),
        }
    }

    fn room(&self) -> &Buffered {
        if self.of_stranger.get() { &self.rooms.of_strangers } else { &self.rooms.of_callers }
    }

    /// Returns whether the body takes room while it arrives.
    fn takes_room(&self) -> bool {
        self.stays.get() && self.network.is_some()
    }

    /// Counts a piece; returns false when there is no room for it.
    fn add(&self, bytes: usize) -> bool {
        let Some(network) = self.network.as_deref().filter(|_| self.stays.get()) else { return true };
        self.arrived.set(self.arrived.get().saturating_add(bytes));
        let takes = self.arrived.get().saturating_mul(self.unpacked);
        let takes = if self.unpacked == 1 { takes } else { takes.min(LARGEST) };
        if takes <= UNCOUNTED {
            return true;
        }
        let counted = self.counted.get();
        let more = takes.saturating_mul(VALUES).saturating_sub(counted);
        let has_room = self.room().add(self.sender(network), counted, more);
        if has_room {
            self.counted.set(counted + more);
        }
        has_room
    }

    /// Counts a piece against the largest size of a body that does not stay in memory; returns false when that is exceeded.
    fn admits(&self, bytes: usize) -> bool {
        let left = self.left.get().checked_sub(bytes as u64);
        self.left.set(left.unwrap_or_default());
        left.is_some()
    }

    fn sender<'a>(&self, network: &'a str) -> Sender<'a> {
        Sender { network, caller: self.caller.get() }
    }

    /// Releases the counted bytes, and stops counting.
    fn close(&self) {
        self.stays.set(false);
        if let (Some(network), counted @ 1..) = (&self.network, self.counted.take()) {
            self.room().give_back(self.sender(network), counted);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.close();
    }
}

/// The account of a request, for the reader of its body.
#[derive(Clone)]
struct OfRequest(Rc<Account>);

/// Marks the body of a request as not kept in memory, so that it is not counted there. Its reader gets [`PayloadError::Overflow`]
/// after `most` bytes. Must be called before any of the body is read.
pub fn streams(request: &HttpRequest, most: u64) {
    if let Some(OfRequest(account)) = request.extensions().get::<OfRequest>() {
        account.close();
        account.left.set(most);
    }
}

/// Marks the caller of a request as possibly unauthenticated: its body has to be small, and takes no room from those of other
/// callers. Must be called before any of the body is read.
pub fn comes_from_stranger(request: &HttpRequest) {
    if let Some(OfRequest(account)) = request.extensions().get::<OfRequest>() {
        account.of_stranger.set(true);
    }
    request.extensions_mut().insert(LargestBody(LARGEST_OF_STRANGER));
}

/// Counts the body of a request under its user, for all keys and log-ins, besides its network. Must be called before any of the
/// body is read.
pub fn comes_from(request: &HttpRequest, user_id: i64) {
    if let Some(OfRequest(account)) = request.extensions().get::<OfRequest>() {
        account.caller.set(Some(user_id));
    }
}

/// Sets the largest size of the body of a request, below that of all. Must be called before any of the body is read.
pub fn limit(request: &HttpRequest, bytes: usize) {
    request.extensions_mut().insert(LargestBody(bytes.min(LARGEST)));
}

/// Watches the body of each request, and answers in place of the handler when the body has to be aborted.
pub async fn watch(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let limits = request.app_data::<web::Data<BodyLimits>>().cloned();
    let Some(limits) = limits.filter(|_| has_body(&request)) else { return Ok(next.call(request).await?.map_into_boxed_body()) };
    let account = Rc::new(Account::open(&request, &limits.rooms));
    request.extensions_mut().insert(OfRequest(Rc::clone(&account)));
    let arriving = Arriving {
        body: request.take_payload(),
        account: Rc::clone(&account),
        meter: Meter::new(limits.patience),
        limits,
        has_waited: false,
        timer: None,
        ending: Ending::NotAwaited,
    };
    request.set_payload(Payload::Stream { payload: Box::pin(arriving) });
    let answered = next.call(request).await;
    account.close();
    let Some(refusal) = account.refusal.get() else { return Ok(answered?.map_into_boxed_body()) };
    let Ok(answered) = answered else { return Err(refusal.answer().into()) };
    let mut answer = refusal.answer().into_answer();
    answer.head_mut().set_connection_type(ConnectionType::Close);
    Ok(ServiceResponse::new(answered.into_parts().0, answer))
}

/// Returns whether a request has a body. A socket stays open after its request and may be silent for any time.
fn has_body(request: &ServiceRequest) -> bool {
    let is_socket = request.method() == Method::GET && request.headers().contains_key(header::UPGRADE);
    !is_socket && !matches!(request.parts().1, Payload::None)
}

/// A request body that is arriving.
struct Arriving {
    body: Payload,
    account: Rc<Account>,
    meter: Meter,
    limits: web::Data<BodyLimits>,
    /// Whether it had not arrived when it was first polled.
    has_waited: bool,
    timer: Option<Pin<Box<Sleep>>>,
    ending: Ending,
}

/// Whether the server is shutting down.
enum Ending {
    /// Not polled yet: waiting for the token takes a lock that all requests share.
    NotAwaited,
    Awaited(Pin<Box<WaitForCancellationFutureOwned>>),
    Begun,
}

impl Arriving {
    fn give_up(&self, refusal: Refusal) -> Poll<Option<Result<Bytes, PayloadError>>> {
        self.account.refusal.set(Some(refusal));
        Poll::Ready(Some(Err(PayloadError::Io(std::io::ErrorKind::TimedOut.into()))))
    }

    /// Returns whether the shutdown has begun since the last call.
    fn has_begun_to_end(&mut self, cx: &mut Context<'_>) -> bool {
        if matches!(self.ending, Ending::NotAwaited) {
            self.ending = Ending::Awaited(Box::pin(self.limits.ending.clone().cancelled_owned()));
        }
        let begun = match &mut self.ending {
            Ending::Awaited(ending) => ending.as_mut().poll(cx).is_ready(),
            _ => false,
        };
        if begun {
            self.ending = Ending::Begun;
        }
        begun
    }

    /// Returns until when to wait for the client; `None` when it has been waited for long enough. A body that stays in memory
    /// must not keep its room for long by arriving just fast enough not to be aborted.
    fn deadline(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let deadline = self.meter.wait(now)?;
        if !self.account.takes_room() {
            return Some(deadline);
        }
        let left = self.limits.whole.saturating_sub(self.meter.waited_in_all());
        (!left.is_zero()).then(|| deadline.min(now + left))
    }

    /// Sleeps until the client's deadline; returns false when it has passed already.
    fn waits(&mut self, cx: &mut Context<'_>, until: Instant) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        timer.as_mut().reset(until);
        timer.as_mut().poll(cx).is_pending()
    }
}

impl Stream for Arriving {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(refusal) = this.account.refusal.get() {
            return this.give_up(refusal);
        }
        match Pin::new(&mut this.body).poll_next(cx) {
            Poll::Ready(Some(Ok(piece))) => {
                this.meter.arrived(Instant::now(), piece.len());
                if !this.account.admits(piece.len()) {
                    return Poll::Ready(Some(Err(PayloadError::Overflow)));
                }
                if this.account.add(piece.len()) { Poll::Ready(Some(Ok(piece))) } else { this.give_up(Refusal::NoRoom) }
            }
            Poll::Ready(end) => Poll::Ready(end),
            // The server passes a request on before its body, even when both arrived together: such a body is there at the next
            // poll, and needs neither a timer nor a place among those that the shutdown wakes.
            Poll::Pending if !this.has_waited => {
                this.has_waited = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => loop {
                if this.has_begun_to_end(cx) {
                    this.meter.hurry(Instant::now(), WHILE_ENDING);
                }
                match this.deadline() {
                    Some(until) if this.waits(cx, until) => return Poll::Pending,
                    Some(_) => {}
                    None if matches!(this.ending, Ending::Begun) => return this.give_up(Refusal::Ending),
                    None => return this.give_up(Refusal::TooSlow),
                }
            },
        }
    }
}
