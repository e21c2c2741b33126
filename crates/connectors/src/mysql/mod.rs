//! MySQL and MariaDB.
//!
//! Every call makes one connection and one transaction that is read-only and sees one state of the tables. Rows arrive one by one
//! and are written as CSV. A server that asks for a file of this machine (`LOAD DATA LOCAL`) is refused: nothing here answers it.
//!
//! | file | duty |
//! |---|---|
//! | `faults` | the server's errors in words |
//! | `session` | connects, logs in, begins the transaction, and cancels |
//! | `testing` | the steps of a test |
//! | `browsing` | schemas, tables and columns, from the catalogue |
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

use mysql_async::SslOpts;
use recotem_platform::outbound::{Outbound, install_cryptography};
use secrecy::SecretString;

use super::error::ConnectorError;
use super::settings::{ServerSettings, Tls};

/// The usual port.
const PORT: u16 = 3_306;

/// A MySQL or MariaDB server and an account on it.
pub struct Mysql {
    settings: ServerSettings,
    password: Option<SecretString>,
    outbound: Outbound,
    encryption: Option<SslOpts>,
}

impl Mysql {
    pub fn open(settings: &ServerSettings, password: Option<&SecretString>, outbound: &Outbound) -> Result<Self, ConnectorError> {
        settings.check().map_err(|fault| ConnectorError::InvalidSettings(fault.to_string()))?;
        install_cryptography();
        let encryption = encryption(settings, outbound);
        Ok(Self { settings: settings.clone(), password: password.cloned(), outbound: outbound.clone(), encryption })
    }
}

/// Returns the TLS settings of connections; `None` if they are not encrypted. Certificates of its own replace the public
/// authorities.
fn encryption(settings: &ServerSettings, outbound: &Outbound) -> Option<SslOpts> {
    let options = SslOpts::default();
    match (settings.tls, &settings.ca_certificate) {
        (Tls::Off, _) => None,
        (Tls::Require, _) => Some(options.with_danger_accept_invalid_certs(true)),
        (Tls::VerifyFull, Some(text)) => {
            Some(options.with_disable_built_in_roots(true).with_root_certs(vec![text.clone().into_bytes().into()]))
        }
        (Tls::VerifyFull, None) => {
            let own = outbound.own_authorities().iter().map(|certificate| certificate.to_vec().into());
            Some(options.with_root_certs(own.collect()))
        }
    }
}
