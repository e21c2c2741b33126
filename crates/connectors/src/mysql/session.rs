//! A log-in, and the read-only transaction of one call.

use std::future::Future;
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder};
use secrecy::ExposeSecret;

use super::super::error::ConnectorError;
use super::faults::{LONGEST_PACKET, in_words, of_log_in};
use super::{Mysql, PORT};

/// Time limit for connecting and logging in.
const LOG_IN: Duration = Duration::from_secs(20);

/// Time limit of statements that read the catalogue or a few rows.
pub const SHORT: Duration = Duration::from_secs(30);

/// Time limit of statements that may read a table.
pub const LONG: Duration = Duration::from_secs(15 * 60);

/// What a call waits longer than the server's own time limit, which also applies if the server does not keep it.
const GRACE: Duration = Duration::from_secs(10);

/// Time limit for asking the server to stop.
const CANCEL: Duration = Duration::from_secs(5);

/// After how many seconds the server closes a connection that is silent, as the library is to assume. It would ask otherwise.
const IDLE: usize = 28_800;

/// How long the server waits for us to take rows, and a silent connection may be before the system asks whether the other side
/// still exists.
const PATIENCE: (u32, Duration) = (600, Duration::from_secs(30));

/// A connection within a read-only transaction. Dropping it closes the connection.
pub struct Session {
    /// `None` only while it is dropped.
    connection: Option<Conn>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // On its own, the library would read the rest of the rows before it closes the connection.
        if let (Some(connection), Ok(runtime)) = (self.connection.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(connection.disconnect());
        }
    }
}

impl Mysql {
    /// Connects to an allowed address and logs in.
    pub(super) async fn log_in(&self) -> Result<Session, ConnectorError> {
        let settings = &self.settings;
        let port = settings.port.unwrap_or(PORT);
        let addresses = self.outbound.addresses(&settings.host, port).await?;
        let options = OptsBuilder::default()
            .ip_or_hostname(settings.host.trim_matches(['[', ']']))
            .resolved_ips(Some(addresses))
            .tcp_port(port)
            .user(Some(&settings.username))
            .pass(self.password.as_ref().map(|password| password.expose_secret()))
            .db_name(Some(&settings.database))
            .prefer_socket(false)
            .max_allowed_packet(Some(LONGEST_PACKET))
            .wait_timeout(Some(IDLE))
            .tcp_keepalive(Some(PATIENCE.1))
            .ssl_opts(self.encryption.clone());
        match tokio::time::timeout(LOG_IN, Conn::new(options)).await {
            Ok(connected) => Ok(Session { connection: Some(connected.map_err(|error| of_log_in(&error))?) }),
            Err(_) => Err(ConnectorError::TimedOut(LOG_IN.as_secs())),
        }
    }

    /// Connects and begins a read-only transaction whose statements have a time limit.
    pub(super) async fn begin(&self, limit: Duration) -> Result<Session, ConnectorError> {
        let mut session = self.log_in().await?;
        session.begin(limit).await?;
        Ok(session)
    }

    /// Asks the server to stop what a session does. Nothing depends on whether it does: the session's connection is closed next.
    pub(super) async fn cancel(&self, id: u32) {
        let ask = async {
            let mut session = self.log_in().await?;
            let killed = session.connection()?.query_drop(format!("KILL QUERY {id}")).await;
            killed.map_err(|error| in_words(&error))
        };
        if let Ok(Err(error)) = tokio::time::timeout(CANCEL, ask).await {
            tracing::debug!(%error, "a source was not told to stop");
        }
    }
}

impl Session {
    /// Returns the connection.
    pub fn connection(&mut self) -> Result<&mut Conn, ConnectorError> {
        self.connection.as_mut().ok_or_else(|| ConnectorError::Interrupted("it is closed".to_owned()))
    }

    pub(super) async fn begin(&mut self, limit: Duration) -> Result<(), ConnectorError> {
        let version: Option<String> = self.first("SELECT VERSION()", SHORT).await?;
        // The unit differs: seconds and milliseconds.
        let time_limit = match version.is_some_and(|version| version.contains("MariaDB")) {
            true => format!("max_statement_time = {}", limit.as_secs_f64()),
            false => format!("max_execution_time = {}", limit.as_millis()),
        };
        let (patience, _) = PATIENCE;
        for sql in [
            &format!(
                "SET SESSION time_zone = '+00:00', {time_limit}, lock_wait_timeout = 10, net_write_timeout = {patience}, \
                 net_read_timeout = {patience}"
            ),
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        ] {
            let connection = self.connection()?;
            within(SHORT, connection.query_drop(sql)).await?;
        }
        Ok(())
    }

    /// Returns the first value that a statement reads; `None` if it is null or there is none.
    pub async fn first<T>(&mut self, sql: &str, limit: Duration) -> Result<Option<T>, ConnectorError>
    where
        T: mysql_async::prelude::FromValue + Send + 'static,
    {
        let connection = self.connection()?;
        let found: Option<Option<T>> = within(limit, connection.query_first(sql)).await?;
        Ok(found.flatten())
    }
}

/// Waits for an answer of the server a little longer than the server may take.
pub async fn within<T>(limit: Duration, work: impl Future<Output = mysql_async::Result<T>>) -> Result<T, ConnectorError> {
    match tokio::time::timeout(limit + GRACE, work).await {
        Ok(done) => done.map_err(|error| in_words(&error)),
        Err(_) => Err(ConnectorError::TimedOut((limit + GRACE).as_secs())),
    }
}
