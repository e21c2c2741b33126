//! A shutdown that drops no request.
//!
//! At shutdown the framework closes connections that it has not begun to read, and closing a listening socket resets the
//! connections that wait to be accepted. So before that:
//! 1. New connections are held back: a filter on the listening sockets drops the first packet of each, so that the client's
//!    TCP stack retries and gets a reset once the socket is closed. Established connections stay open.
//! 2. Requests on them are answered with `Connection: close`, so that clients do not use them again. A body that stops
//!    arriving is soon aborted.
//! 3. When no request has come for a moment, the server stops.

use std::io;
use std::net::{TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use actix_web::{Error, web};
use tokio_util::sync::CancellationToken;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;
/// Time without a new or running request before the server stops.
const QUIET: Duration = Duration::from_millis(250);
/// Longest delay of the shutdown by clients that keep sending on old connections.
const LONGEST: Duration = Duration::from_secs(3);

/// The running requests of a server. Cheap to clone; clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Drain(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    ending: CancellationToken,
    /// Whether the token is cancelled; asking the token itself takes a lock that all requests share.
    is_ending: AtomicBool,
    begun: AtomicU64,
    ended: AtomicU64,
}

/// Counts the end of a request, also when the client disconnected and the work was dropped.
struct UnderWay<'a>(&'a Counts);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::AcqRel);
    }
}

/// Counts each request; during shutdown, each response is the last of its connection.
pub async fn count(request: ServiceRequest, next: Next<impl MessageBody>) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(drain) = request.app_data::<web::Data<Drain>>().cloned() else { return next.call(request).await };
    drain.0.begun.fetch_add(1, Ordering::AcqRel);
    let under_way = UnderWay(&drain.0);
    let mut response = next.call(request).await?;
    drop(under_way);
    if drain.0.is_ending.load(Ordering::Acquire) && response.status() != actix_web::http::StatusCode::SWITCHING_PROTOCOLS {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

impl Drain {
    /// Returns a token that is cancelled when the shutdown begins.
    pub fn begun(&self) -> CancellationToken {
        self.0.ending.clone()
    }

    /// Answers connected clients until no more requests come. The sockets must not be those that the server listens with, but
    /// clones of them; they are closed here.
    pub async fn run(&self, listeners: Vec<TcpListener>) {
        self.0.is_ending.store(true, Ordering::Release);
        self.0.ending.cancel();
        for listener in listeners {
            if let Err(error) = keep_out(&listener) {
                tracing::debug!(%error, "new connections cannot be held back; the latest may be reset");
            }
        }
        if tokio::time::timeout(LONGEST, self.quiet()).await.is_err() {
            tracing::warn!("clients still send requests on old connections; stopping anyway");
        }
    }

    async fn quiet(&self) {
        loop {
            let begun = self.0.begun.load(Ordering::Acquire);
            tokio::time::sleep(QUIET).await;
            if begun == self.0.begun.load(Ordering::Acquire) && begun == self.0.ended.load(Ordering::Acquire) {
                return;
            }
        }
    }
}

/// Drops every packet that would open a connection.
#[cfg(target_os = "linux")]
fn keep_out(listener: &TcpListener) -> io::Result<()> {
    use socket2::SockFilter;
    /// Offset of the flags in a TCP header, and the flag that opens a connection.
    const FLAGS: u32 = 13;
    const SYN: u32 = 2;
    let program = [
        SockFilter::new(0x30, 0, 0, FLAGS),    // load that byte
        SockFilter::new(0x45, 0, 1, SYN),      // if the flag is set, go on, else skip one
        SockFilter::new(0x06, 0, 0, 0),        // drop
        SockFilter::new(0x06, 0, 0, u32::MAX), // accept
    ];
    socket2::SockRef::from(listener).attach_filter(&program)
}

#[cfg(not(target_os = "linux"))]
fn keep_out(_: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Opens sockets that listen on every address that `bind` resolves to; fails if there is none.
pub fn listeners(bind: &str) -> io::Result<Vec<TcpListener>> {
    let mut sockets = Vec::new();
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "this is no address");
    for address in bind.to_socket_addrs()? {
        match listener(address) {
            Ok(socket) => sockets.push(socket),
            Err(error) => last = error,
        }
    }
    if sockets.is_empty() { Err(last) } else { Ok(sockets) }
}

fn listener(address: std::net::SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // The port can be used at once by the next start.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
