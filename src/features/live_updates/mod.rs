//! Live updates: WebSockets that report the state and the log of a search or a training, fed by notifications of the database.
//!
//! | file | duty |
//! |---|---|
//! | `routes` | accepts a socket, or refuses the handshake |
//! | `access` | authorises subscribers |
//! | `hub` | listens for changes and has each watched object read once, for any number of sockets |
//! | `feed` | the state of one watched object |
//! | `warden` | heartbeats: pings every socket and closes those whose access was revoked |
//! | `sockets` | the life of one socket |
//! | `messages` | the messages of a socket |

mod access;
mod feed;
mod hub;
mod messages;
mod routes;
mod sockets;
mod warden;

pub use hub::Hub;
pub use routes::routes;
