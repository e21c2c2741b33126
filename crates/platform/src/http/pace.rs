//! A least speed for clients that read a large answer. The system ends a connection whose client takes nothing, but one byte now
//! and then renews that time; and the server asks for more of an answer only once most of it has been taken. So a timer beside the
//! answer measures the client, and resets the connection of one that is too slow. It goes on after the answer has been handed to
//! the connection, until the client has read the last of it.

use std::cell::RefCell;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::rt::net::TcpStream;
use actix_web::web::Bytes;
use socket2::SockRef;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::config::Settings;

/// Bytes of an answer that the server and the system hold while the client does not read.
const HELD: u64 = 256 << 10;

/// Bytes of an answer that the server asks for before it waits for the client. A smaller answer is not measured.
const AT_ONCE: u64 = 32 << 10;

/// How often the system is asked whether the client has read all of an answer.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The minimum speed of a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Bytes per second.
    least: u64,
    /// Time in addition to that of the bytes.
    grace: Duration,
}

impl Pace {
    /// Returns the configured speed, which is that of request bodies; `None` if there is no minimum.
    pub fn new(settings: &Settings) -> Option<Self> {
        let grace = Duration::from_secs(settings.body_rate_seconds.max(1));
        (settings.body_least_rate > 0).then_some(Self { least: settings.body_least_rate, grace })
    }

    fn time_for(self, bytes: u64) -> Duration {
        Duration::from_millis(bytes.saturating_mul(1_000) / self.least.max(1))
    }
}

/// An answer being read by a client. Time in which the server has nothing to send is excluded.
#[derive(Debug)]
struct Reading {
    pace: Pace,
    /// Deadline by which the client has to have read enough for more to be sent.
    until: Instant,
    /// Start of the time in which the server has nothing to send.
    idle_since: Option<Instant>,
    /// Whether the connection has all of the answer, and only the client does not.
    is_handed_over: bool,
}

impl Reading {
    fn new(pace: Pace, now: Instant) -> Self {
        Self { pace, until: now + pace.grace, idle_since: None, is_handed_over: false }
    }

    /// Records bytes passed to the connection. The client gets time only for bytes that it may not have read yet, and never for
    /// more than those that are held of an answer sent in pieces: a large piece gives no time in proportion to its size.
    fn sent(&mut self, now: Instant, bytes: u64) {
        let with_bytes = self.until(now) + self.pace.time_for(bytes);
        self.until = with_bytes.min(now + self.pace.grace + self.pace.time_for(HELD));
        self.idle_since = None;
    }

    /// Records that there is nothing to send.
    fn idle(&mut self, now: Instant) {
        self.idle_since.get_or_insert(now);
    }

    /// Records that the connection has all of the answer.
    fn hand_over(&mut self, now: Instant) {
        self.until = self.until(now);
        self.idle_since = None;
        self.is_handed_over = true;
    }

    /// Returns when the client is too slow, unless it continues to read.
    fn until(&self, now: Instant) -> Instant {
        self.until + self.idle_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

/// The connection of a request. Cheap to clone; clones share what is measured.
#[derive(Clone)]
pub(super) struct Line {
    socket: RawFd,
    pace: Pace,
    /// The client that reads the end of an answer: no longer measured when the connection ends, or a later answer is measured.
    last: Rc<RefCell<Option<Measured>>>,
}

impl Line {
    pub fn new(stream: &TcpStream, pace: Pace) -> Self {
        // The server may buffer more of an answer only once the client has read most of the buffer.
        #[cfg(target_os = "linux")]
        if let Err(error) = SockRef::from(stream).set_tcp_notsent_lowat(u32::try_from(HELD / 2).unwrap_or(u32::MAX)) {
            tracing::debug!(%error, "a connection may hold much of an answer");
        }
        Self::of(stream.as_raw_fd(), pace)
    }

    fn of(socket: RawFd, pace: Pace) -> Self {
        Self { socket, pace, last: Rc::default() }
    }

    /// Starts to measure the client. Only for the answer that the connection is sending, since the connection is open then.
    fn measure(&self, now: Instant) -> Option<Measured> {
        self.last.take();
        // SAFETY: The connection polls the answer, so it is open.
        let socket = unsafe { BorrowedFd::borrow_raw(self.socket) };
        let socket = socket.try_clone_to_owned().ok()?;
        let reading = Rc::new(RefCell::new(Reading::new(self.pace, now)));
        let timer = actix_web::rt::spawn(end_when_slow(Rc::clone(&reading), socket));
        Some(Measured { reading, _timer: AbortOnDropHandle::new(timer) })
    }
}

/// Measures how fast the client reads an answer that is not small.
pub async fn watch(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    let may_be_large = match response.response().body().size() {
        BodySize::None => false,
        BodySize::Sized(bytes) => bytes > AT_ONCE,
        // Upgraded connections have their own limits.
        BodySize::Stream => response.status() != StatusCode::SWITCHING_PROTOCOLS,
    };
    match response.request().conn_data::<Line>().cloned().filter(|_| may_be_large) {
        Some(line) => Ok(response.map_body(|_, body| Paced { body, line, sent: 0, measured: None }.boxed())),
        None => Ok(response),
    }
}

/// A client being measured, until this is dropped.
struct Measured {
    reading: Rc<RefCell<Reading>>,
    _timer: AbortOnDropHandle<()>,
}

/// A body whose reader is measured from the first bytes for which the server may have to wait.
struct Paced {
    body: BoxBody,
    line: Line,
    sent: u64,
    measured: Option<Measured>,
}

impl Drop for Paced {
    /// Goes on measuring a client that may not have read all.
    fn drop(&mut self) {
        if let Some(measured) = self.measured.take() {
            measured.reading.borrow_mut().hand_over(Instant::now());
            self.line.last.replace(Some(measured));
        }
    }
}

impl MessageBody for Paced {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = &mut *self;
        let piece = Pin::new(&mut this.body).poll_next(context);
        let now = Instant::now();
        if let Some(measured) = &this.measured {
            let mut reading = measured.reading.borrow_mut();
            match &piece {
                Poll::Ready(Some(Ok(piece))) => reading.sent(now, piece.len() as u64),
                Poll::Pending => reading.idle(now),
                Poll::Ready(_) => {}
            }
        } else if let Poll::Ready(Some(Ok(piece))) = &piece {
            this.sent += piece.len() as u64;
            if this.sent >= AT_ONCE {
                this.measured = this.line.measure(now);
                if let Some(measured) = &this.measured {
                    measured.reading.borrow_mut().sent(now, this.sent);
                }
            }
        }
        piece
    }
}

async fn end_when_slow(reading: Rc<RefCell<Reading>>, socket: OwnedFd) {
    loop {
        let now = Instant::now();
        let (until, is_handed_over) = {
            let reading = reading.borrow();
            (reading.until(now), reading.is_handed_over)
        };
        if is_handed_over && is_read(&socket) {
            return;
        }
        if until <= now {
            break;
        }
        tokio::time::sleep_until(until.min(now + LOOK_AGAIN)).await;
    }
    tracing::debug!("a client read its answer too slowly; its connection was reset");
    let socket = SockRef::from(&socket);
    // Data that the client has not read is dropped, instead of staying in the system's buffer.
    let ended = socket.set_linger(Some(Duration::ZERO)).and_then(|()| socket.shutdown(std::net::Shutdown::Both));
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection had ended already");
    }
}

/// Returns whether the system holds nothing that the client has not received. Where it does not tell, this is taken for granted.
fn is_read(socket: &OwnedFd) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::ioctl::{Getter, Opcode, ioctl};
        /// Asks a socket for the bytes in its queue (`SIOCOUTQ`).
        const QUEUED: Opcode = 0x5411;
        // SAFETY: The system answers this request with a number of this type.
        let queued = unsafe { ioctl(socket, Getter::<QUEUED, std::ffi::c_int>::new()) };
        queued.is_ok_and(|bytes| bytes == 0)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    const PACE: Pace = Pace { least: 1_024, grace: Duration::from_secs(60) };

    fn reading() -> (Reading, impl Fn(u64) -> Instant) {
        let start = Instant::now();
        (Reading::new(PACE, start), move |seconds| start + Duration::from_secs(seconds))
    }

    #[test]
    fn a_client_that_reads_steadily_may_take_any_time() {
        let (mut reading, at) = reading();
        for minute in 0..600 {
            assert!(reading.until(at(minute * 60)) > at(minute * 60), "{minute}");
            reading.sent(at(minute * 60), 64 << 10);
        }
    }

    #[test]
    fn a_trickle_ends_an_answer() {
        let (mut reading, at) = reading();
        reading.sent(at(0), 64 << 10);
        assert_eq!(reading.until(at(1)), at(60 + 64));
        reading.sent(at(100), 16 << 10);
        assert_eq!(reading.until(at(100)), at(60 + 64 + 16));
    }

    #[test]
    fn what_was_read_fast_gives_no_time_to_read_the_rest() {
        let (mut reading, at) = reading();
        (0..1_000).for_each(|_| reading.sent(at(10), 64 << 10));
        assert_eq!(reading.until(at(10)), at(10 + 60 + HELD / 1_024));
    }

    #[test]
    fn an_answer_in_one_large_piece_gives_no_more_time_than_one_in_small_pieces() {
        let (mut whole, at) = reading();
        whole.sent(at(0), 600 << 20);
        whole.hand_over(at(0));
        let (mut in_pieces, _) = reading();
        (0..600).for_each(|_| in_pieces.sent(at(0), 1 << 20));
        in_pieces.hand_over(at(0));
        assert_eq!(whole.until(at(1)), at(60 + HELD / 1_024));
        assert_eq!(in_pieces.until(at(1)), whole.until(at(1)));
    }

    #[test]
    fn time_in_which_there_is_nothing_to_send_does_not_count() {
        let (mut reading, at) = reading();
        reading.idle(at(10));
        reading.idle(at(500));
        assert_eq!(reading.until(at(1_000)), at(1_000 + 50));
        reading.sent(at(1_000), 1_024);
        assert_eq!(reading.until(at(2_000)), at(1_000 + 50 + 1));
    }

    #[actix_web::test]
    async fn the_connection_of_a_client_that_is_too_slow_ends() {
        let (server, mut client) = UnixStream::pair().unwrap();
        let body = super::super::in_pieces(Bytes::from_static(&[0; 100_000])).boxed();
        let no_time = Pace { least: u64::MAX, grace: Duration::ZERO };
        let line = Line::of(server.as_raw_fd(), no_time);
        let mut answer = Paced { body, line, sent: 0, measured: None };
        assert_eq!(answer.size(), BodySize::Sized(100_000));
        let piece = std::future::poll_fn(|context| Pin::new(&mut answer).poll_next(context)).await;
        assert_eq!(piece.unwrap().unwrap().len(), 32 << 10);
        let ended = tokio::task::spawn_blocking(move || client.read(&mut [0]).ok()).await.unwrap();
        assert_eq!(ended, Some(0));
        drop((answer, server));
    }

    /// A connection over which 1,000 bytes were sent, after an answer of 100,000 bytes was handed to it.
    async fn handed_over() -> (UnixStream, UnixStream, Line) {
        let (mut server, client) = UnixStream::pair().unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let line = Line::of(server.as_raw_fd(), Pace { least: u64::MAX, grace: Duration::from_millis(50) });
        let body = super::super::in_pieces(Bytes::from_static(&[0; 100_000])).boxed();
        let mut answer = Paced { body, line: line.clone(), sent: 0, measured: None };
        while std::future::poll_fn(|context| Pin::new(&mut answer).poll_next(context)).await.is_some() {}
        server.write_all(&[0; 1_000]).unwrap();
        (server, client, line)
    }

    #[actix_web::test]
    async fn the_connection_of_a_client_that_never_reads_the_end_ends() {
        let (server, mut client, line) = handed_over().await;
        line.last.take().unwrap()._timer.await.unwrap();
        assert_eq!(client.read_to_end(&mut Vec::new()).unwrap(), 1_000);
        drop(server);
    }

    #[actix_web::test]
    async fn a_connection_stays_open_once_its_client_has_read_the_end() {
        let (mut server, mut client, line) = handed_over().await;
        client.read_exact(&mut [0; 1_000]).unwrap();
        line.last.take().unwrap()._timer.await.unwrap();
        server.write_all(b"next").unwrap();
        let mut next = [0; 4];
        client.read_exact(&mut next).unwrap();
        assert_eq!(&next, b"next");
    }
}
