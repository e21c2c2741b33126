//! The only way out of the program: HTTP requests and TCP connections under one policy.
//!
//! Addresses come from users and from the answers of other servers, so a request could target a service that only this machine
//! can reach: the metadata service of a cloud, the database, another service of the operator (server-side request forgery,
//! OWASP). A host is therefore resolved once, every address it resolves to is checked, and the connection goes to a checked
//! address: a name that resolves differently a moment later has no effect. Redirects, proxies of the environment and cookies are
//! not followed.
//!
//! | file | duty |
//! |---|---|
//! | `policy` | which URLs, hosts and addresses may be reached |
//! | `reserved` | what addresses are reserved for |
//!
//!  `resolver`
//!  resolves host names, and rejects addresses that the policy refuses
//!
//! | `client` | HTTP requests, with limits of time and size |
//! | `dialler` | TCP connections, for protocols other than HTTP |

mod client;
mod dialler;
mod error;
mod policy;
mod reserved;
mod resolver;
mod tls;

pub use client::{Answer, Limits, Outbound, Patience, Streamed, StreamedBody};
pub use error::OutboundError;
pub use policy::{Policy, Refusal};
pub use tls::install_cryptography;
