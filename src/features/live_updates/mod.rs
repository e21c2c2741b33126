//! Live updates: WebSockets that tell how a job stands and what it logs, fed by the database's notifications.

mod hub;
mod messages;
mod routes;
mod sockets;

pub use hub::Hub;
pub use routes::routes;
