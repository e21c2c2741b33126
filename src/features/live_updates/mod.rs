//! Live updates: WebSockets that tell how a search or a training stands and what it logs, fed by the database's notifications.
//!
//! | file | duty |
//! |---|---|
//! | `routes` | accepts a socket, or answers why not |
//! | `access` | who watches, and whether they may |
//! | `hub` | hears of changes and has each watched thing read once, however many sockets watch it |
//! | `feed` | what is known of one watched thing |
//! | `warden` | heartbeats: pings every socket and ends those whose right has gone |
//! | `sockets` | the life of one socket |
//! | `messages` | what it says |

mod access;
mod feed;
mod hub;
mod messages;
mod routes;
mod sockets;
mod warden;

pub use hub::Hub;
pub use routes::routes;
