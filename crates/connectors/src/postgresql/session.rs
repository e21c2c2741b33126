//! A log-in, and the read-only transaction of one call.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{CancelToken, Client, Config, NoTls};

use super::super::error::ConnectorError;
use super::Postgresql;
use super::faults::{in_words, of_log_in, too_long};
use super::wire::{TooLong, Wire};

/// Time limit for logging in.
const LOG_IN: Duration = Duration::from_secs(15);

/// Time limit of statements that read the catalogue or a few rows.
pub const SHORT: Duration = Duration::from_secs(30);

/// Time limit of statements that may read a table.
pub const LONG: Duration = Duration::from_secs(15 * 60);

/// What a call waits longer than the server's own time limit, which also applies if the server does not keep it.
const GRACE: Duration = Duration::from_secs(10);

/// Time limit for asking the server to stop.
const CANCEL: Duration = Duration::from_secs(5);

/// The name of this program in the server's lists of connections.
const APPLICATION: &str = "recotem";

/// A connection within a read-only transaction. Dropping it closes the connection.
pub struct Session {
    pub client: Client,
    cancel: CancelToken,
    too_long: TooLong,
    work: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // Otherwise it would read the rows that nobody wants to their end.
        self.work.abort();
    }
}

impl Postgresql {
    /// Connects and begins a read-only transaction whose statements have a time limit.
    pub(super) async fn begin(&self, limit: Duration) -> Result<Session, ConnectorError> {
        let stream = self.dial().await?;
        let session = self.log_in(stream).await?;
        session.begin(limit).await?;
        Ok(session)
    }

    /// Logs in on a connection.
    pub(super) async fn log_in(&self, stream: TcpStream) -> Result<Session, ConnectorError> {
        let wire = self.encrypted(stream).await?;
        self.log_in_on(wire).await
    }

    pub(super) async fn log_in_on(&self, wire: Wire) -> Result<Session, ConnectorError> {
        let mut config = Config::new();
        let password = self.password.as_ref().map_or("", |password| password.expose_secret());
        // What encrypts is below; the library is to ask for nothing.
        config.user(&self.settings.username).password(password).dbname(&self.settings.database).ssl_mode(SslMode::Disable);
        config.application_name(APPLICATION);
        let is_too_long = wire.too_long();
        let connected = tokio::time::timeout(LOG_IN, config.connect_raw(wire, NoTls)).await;
        let connected = connected.map_err(|_| ConnectorError::TimedOut(LOG_IN.as_secs()))?;
        let (client, connection) = connected.map_err(|error| of_log_in(&error))?;
        let cancel = client.cancel_token();
        let work = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to a source ended");
            }
        });
        Ok(Session { client, cancel, too_long: is_too_long, work })
    }

    /// Asks the server to stop what a session does. Nothing depends on whether it does: the session's connection is closed next.
    pub(super) async fn cancel(&self, session: &Session) {
        let ask = async {
            let wire = self.encrypted(self.dial().await?).await?;
            session.cancel.cancel_query_raw(wire, NoTls).await.map_err(|error| in_words(&error))
        };
        if let Ok(Err(error)) = tokio::time::timeout(CANCEL, ask).await {
            tracing::debug!(%error, "a source was not told to stop");
        }
    }
}

impl Session {
    pub(super) async fn begin(&self, limit: Duration) -> Result<(), ConnectorError> {
        let sql = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
             SET LOCAL statement_timeout = {};
             SET LOCAL lock_timeout = '10s';
             SET LOCAL TimeZone = 'UTC';
             SET LOCAL DateStyle = 'ISO, YMD';
             SET LOCAL extra_float_digits = 1;
             SET LOCAL standard_conforming_strings = on",
            limit.as_millis()
        );
        self.within(SHORT, self.client.batch_execute(&sql)).await
    }

    /// Waits for an answer of the server a little longer than the server may take.
    pub async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, ConnectorError> {
        match tokio::time::timeout(limit + GRACE, work).await {
            Ok(done) => done.map_err(|error| self.in_words(&error)),
            Err(_) => Err(ConnectorError::TimedOut((limit + GRACE).as_secs())),
        }
    }

    /// Returns the error of a statement.
    pub fn in_words(&self, error: &tokio_postgres::Error) -> ConnectorError {
        if self.too_long.load(Ordering::Relaxed) { too_long() } else { in_words(error) }
    }
}
