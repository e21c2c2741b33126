//! The peer of the connection that the current task serves: for errors before there is a request.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use tokio::task::Id;

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

/// Records the peer of a connection for as long as it lasts.
pub fn note(connection: &dyn Any, data: &mut Extensions) {
    let peer = connection.downcast_ref::<TcpStream>().and_then(|stream| stream.peer_addr().ok());
    if let (Some(peer), Some(task)) = (peer, tokio::task::try_id()) {
        PEERS.with(|peers| peers.borrow_mut().insert(task, peer.ip().to_canonical()));
        data.insert(Noted(task));
    }
}

/// Returns the peer of the connection that the current task serves.
pub fn peer() -> Option<IpAddr> {
    let task = tokio::task::try_id()?;
    PEERS.try_with(|peers| peers.borrow().get(&task).copied()).ok().flatten()
}
