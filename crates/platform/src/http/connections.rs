//! The connections of a server: how long a client may leave its answer unread, how many each network may have open, and the peer
//! of the connection that the current task serves, for errors before there is a request.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::rt::net::TcpStream;
use actix_web::{HttpRequest, HttpResponse};
use tokio::task::Id;

use super::caller::{client_key, is_one_of};
use super::error::ApiError;
use super::pace::{Line, Pace};
use crate::config::{Network, Settings};

/// Seconds after which a client that has too many connections may try again.
const COME_BACK: u64 = 5;

thread_local! {
    /// Each connection is served by one task, which stays on its thread.
    static PEERS: RefCell<HashMap<Id, IpAddr>> = RefCell::default();
}

/// A recorded connection; removed when the data of the connection are dropped.
struct Noted(Id);

impl Drop for Noted {
    fn drop(&mut self) {
        // While the thread ends there is nothing left to remove.
        let _ = PEERS.try_with(|peers| peers.borrow_mut().remove(&self.0));
    }
}

/// The open connections of a server. Cheap to clone; clones share the count.
#[derive(Debug, Clone)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    write_idle: Duration,
    pace: Option<Pace>,
    /// The largest number of connections of one network; `None` for no limit.
    most: Option<usize>,
    /// Proxies, whose connections belong to many clients.
    proxies: Vec<Network>,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A counted connection; uncounted when the data of the connection are dropped.
struct Place {
    connections: Connections,
    network: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.give_back(self.network);
    }
}

/// Marks a connection beyond the limit of its network.
struct Excess;

impl Connections {
    /// Creates the configured limits.
    pub fn new(settings: &Settings) -> Self {
        let most = settings.max_connections_per_network;
        Self(Arc::new(Shared {
            write_idle: Duration::from_secs(settings.write_idle_seconds.max(1)),
            pace: Pace::new(settings),
            most: (most > 0).then_some(most),
            proxies: settings.trusted_proxies.clone(),
            open: Mutex::default(),
        }))
    }

    /// Records a connection for as long as it lasts, and limits how long its client may leave an answer unread.
    pub fn note(&self, connection: &dyn Any, data: &mut Extensions) {
        let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
        limit_silence(stream, self.0.write_idle);
        if let Some(pace) = self.0.pace {
            data.insert(Line::new(stream, pace));
        }
        let Ok(peer) = stream.peer_addr() else { return };
        let peer = peer.ip().to_canonical();
        if let Some(task) = tokio::task::try_id() {
            PEERS.with(|peers| peers.borrow_mut().insert(task, peer));
            data.insert(Noted(task));
        }
        let Some(most) = self.0.most.filter(|_| !is_one_of(peer, &self.0.proxies)) else { return };
        let network = client_key(peer);
        if self.take(network, most) {
            data.insert(Place { connections: self.clone(), network });
        } else {
            data.insert(Excess);
        }
    }

    /// Counts a connection of a network; returns false when it has too many.
    fn take(&self, network: IpAddr, most: usize) -> bool {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(network).or_default();
        let has_place = *count < most;
        if has_place {
            *count += 1;
        }
        has_place
    }

    fn give_back(&self, network: IpAddr) {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&network)),
        }
    }
}

/// Makes the system end a connection whose client reads nothing for this long, which neither the framework nor a handler notices.
#[cfg(target_os = "linux")]
fn limit_silence(stream: &TcpStream, longest: Duration) {
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(longest)) {
        tracing::debug!(%error, "a connection may leave its answer unread for any time");
    }
}

#[cfg(not(target_os = "linux"))]
fn limit_silence(_: &TcpStream, _: Duration) {}

/// Returns the last answer of a connection beyond the limit of its network; `None` for any other connection.
pub fn refusal(request: &HttpRequest) -> Option<HttpResponse> {
    request.conn_data::<Excess>()?;
    let refused = ApiError::coded(
        StatusCode::SERVICE_UNAVAILABLE,
        "too_many_connections",
        "Your network has too many connections open to this server. Close some, or use each for more than one request.",
    );
    let mut answer = refused.retry_after(COME_BACK).into_answer();
    answer.head_mut().set_connection_type(ConnectionType::Close);
    Some(answer)
}

/// Returns the peer of the connection that the current task serves.
pub fn peer() -> Option<IpAddr> {
    let task = tokio::task::try_id()?;
    PEERS.try_with(|peers| peers.borrow().get(&task).copied()).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_has_so_many_places_and_gets_them_back() {
        let connections = Connections::new(&Settings::default());
        let (one, other): (IpAddr, IpAddr) = ("203.0.113.9".parse().unwrap(), "203.0.113.10".parse().unwrap());
        assert!(connections.take(one, 2) && connections.take(one, 2));
        assert!(!connections.take(one, 2) && connections.take(other, 2));
        connections.give_back(one);
        assert!(connections.take(one, 2) && !connections.take(one, 2));
        for network in [one, one, other] {
            connections.give_back(network);
        }
        assert!(connections.0.open.lock().unwrap().is_empty());
    }
}
