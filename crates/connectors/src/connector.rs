//! A server of any kind.

use std::io::Write;

use chrono::{DateTime, Utc};
use recotem_platform::outbound::Outbound;
use recotem_tabular::Stop;
use secrecy::SecretString;

use super::answers::{Count, Estimate, Listing, PullLimits, Pulled, Sample, TestStep};
use super::delivery::TableDelivery;
use super::error::ConnectorError;
use super::mysql::Mysql;
use super::postgresql::Postgresql;
use super::query::Query;
use super::rows::Task;
use super::settings::Settings;
use super::window::Window;

/// Reads from one server, and delivers to it. Each call makes a connection of its own.
pub struct Connector {
    server: Server,
}

enum Server {
    Postgresql(Postgresql),
    Mysql(Mysql),
}

impl Connector {
    /// Creates a connector, without a connection yet. The secret is the password.
    pub fn open(settings: &Settings, secret: Option<&SecretString>, outbound: &Outbound) -> Result<Self, ConnectorError> {
        let server = match settings {
            Settings::Postgresql(settings) => Server::Postgresql(Postgresql::open(settings, secret, outbound)?),
            Settings::Mysql(settings) => Server::Mysql(Mysql::open(settings, secret, outbound)?),
        };
        Ok(Self { server })
    }

    /// Tests the connection step by step. The steps after one that failed are skipped.
    pub async fn test(&self) -> Vec<TestStep> {
        match &self.server {
            Server::Postgresql(server) => server.test().await,
            Server::Mysql(server) => server.test().await,
        }
    }

    /// Returns the server's clock.
    pub async fn now(&self) -> Result<DateTime<Utc>, ConnectorError> {
        match &self.server {
            Server::Postgresql(server) => server.now().await,
            Server::Mysql(server) => server.now().await,
        }
    }

    /// Lists what is below a path: the schemas, the tables of a schema, or the columns of a table.
    pub async fn browse(&self, path: &[String]) -> Result<Listing, ConnectorError> {
        match &self.server {
            Server::Postgresql(server) => server.browse(path).await,
            Server::Mysql(server) => server.browse(path).await,
        }
    }

    /// Returns the first rows of a query.
    pub async fn sample(&self, query: &Query, rows: u32) -> Result<Sample, ConnectorError> {
        query.check()?;
        match &self.server {
            Server::Postgresql(server) => server.sample(query, rows).await,
            Server::Mysql(server) => server.sample(query, rows).await,
        }
    }

    /// Returns the greatest cursor of a query with a cursor of integers; `None` if it has no rows.
    pub async fn newest(&self, query: &Query) -> Result<Option<i64>, ConnectorError> {
        query.check()?;
        match &self.server {
            Server::Postgresql(server) => server.newest(query).await,
            Server::Mysql(server) => server.newest(query).await,
        }
    }

    /// Returns the server's estimate of what a pull would read.
    pub async fn estimate(&self, query: &Query, window: Option<Window>) -> Result<Estimate, ConnectorError> {
        query.check()?;
        match &self.server {
            Server::Postgresql(server) => server.estimate(query, window).await,
            Server::Mysql(server) => server.estimate(query, window).await,
        }
    }

    /// Counts the rows of a window before any aggregation, and those without a cursor.
    pub async fn count(&self, query: &Query, window: Option<Window>) -> Result<Count, ConnectorError> {
        query.check()?;
        match &self.server {
            Server::Postgresql(server) => server.count(query, window).await,
            Server::Mysql(server) => server.count(query, window).await,
        }
    }

    /// Writes the rows of a window as CSV with a header, compressed with zstd.
    ///
    /// `progress` is given the rows and bytes read so far. After an error, and if the future is dropped, what was written must be
    /// discarded.
    pub async fn pull(
        &self,
        query: &Query,
        window: Option<Window>,
        into: Box<dyn Write + Send>,
        limits: &PullLimits,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
        stop: &Stop,
    ) -> Result<Pulled, ConnectorError> {
        query.check()?;
        let task = Task { limits, progress, stop };
        match &self.server {
            Server::Postgresql(server) => server.pull(query, window, into, &task).await,
            Server::Mysql(server) => server.pull(query, window, into, &task).await,
        }
    }

    /// Replaces the rows of a table, which is created if it does not exist: others see all old rows or all new ones. Returns the
    /// number of rows.
    ///
    /// `progress` is given the bytes of the rows that are sent. After an error, and if the future is dropped, the old rows stay.
    pub async fn deliver(
        &self,
        delivery: TableDelivery,
        limits: &PullLimits,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
        stop: &Stop,
    ) -> Result<u64, ConnectorError> {
        let task = Task { limits, progress, stop };
        match &self.server {
            Server::Postgresql(server) => server.deliver(delivery, &task).await,
            Server::Mysql(server) => server.deliver(delivery, &task).await,
        }
    }
}
