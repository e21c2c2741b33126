//! Settings of the connections that the program opens to other servers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::network::Network;

/// What may be reached besides public addresses over TLS.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutboundSettings {
    /// Private addresses and networks that may be reached.
    pub allow_networks: Vec<Network>,
    /// Whether URLs may begin with `http://`.
    pub allow_http: bool,
    /// File of certificates (PEM) that are trusted besides those of public authorities.
    pub ca_file: Option<PathBuf>,
}
