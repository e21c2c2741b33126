//! PostgreSQL, and servers that speak its protocol.
//!
//! Every call makes one connection and one transaction that is read-only and sees one state of the tables. Rows are read by `COPY`,
//! so that the text of the server is what is stored.
//!
//! | file | duty |
//! |---|---|
//! | `wire` | connects, and refuses messages that do not fit into memory |
//! | `session` | logs in, begins the transaction, and cancels |
//! | `faults` | the server's errors in words |
//! | `testing` | the steps of a test |
//! | `browsing` | schemas, tables and columns, from the catalogue and statistics |
//! | `reading` | samples, counts, estimates |
//! | `pulling` | rows into a file |
//! | `delivering` | rows into a table, which is replaced |

mod browsing;
mod delivering;
mod faults;
mod pulling;
mod reading;
mod session;
mod testing;
mod wire;

use std::sync::Arc;

use recotem_platform::outbound::Outbound;
use rustls::ClientConfig;
use secrecy::SecretString;

use super::error::ConnectorError;
use super::settings::ServerSettings;
use super::tls;

/// The usual port.
const PORT: u16 = 5_432;

/// A PostgreSQL server and a role on it.
pub struct Postgresql {
    settings: ServerSettings,
    password: Option<SecretString>,
    outbound: Outbound,
    encryption: Option<Arc<ClientConfig>>,
}

impl Postgresql {
    pub fn open(settings: &ServerSettings, password: Option<&SecretString>, outbound: &Outbound) -> Result<Self, ConnectorError> {
        settings.check().map_err(|fault| ConnectorError::InvalidSettings(fault.to_string()))?;
        let encryption = tls::client_config(settings, outbound)?;
        Ok(Self { settings: settings.clone(), password: password.cloned(), outbound: outbound.clone(), encryption })
    }
}
