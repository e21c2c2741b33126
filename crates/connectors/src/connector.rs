//! A server of any kind.

use std::io::Write;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use recotem_platform::outbound::Outbound;
use recotem_tabular::Stop;
use secrecy::SecretString;

use super::answers::{Count, Estimate, Listing, PullLimits, Pulled, Sample, TestStep};
use super::delivery::{TableDelivery, refuse_name};
use super::error::ConnectorError;
use super::files::{FileObject, Files, Found, PulledFiles};
use super::mysql::Mysql;
use super::postgresql::Postgresql;
use super::query::{FilesQuery, Query, Source, Table};
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
    Files(Files),
}

/// What of this machine a connector may use.
#[derive(Debug, Clone)]
pub struct Local {
    /// Folders whose files may be read.
    pub folders: Vec<PathBuf>,
    /// The folder for files that are needed only while something is read.
    pub scratch: PathBuf,
}

impl Default for Local {
    fn default() -> Self {
        Self { folders: Vec::new(), scratch: std::env::temp_dir() }
    }
}

impl Connector {
    /// Creates a connector, without a connection yet. The secret is the password or the key.
    pub fn open(settings: &Settings, secret: Option<&SecretString>, outbound: &Outbound) -> Result<Self, ConnectorError> {
        Self::open_with(settings, secret, outbound, &Local::default())
    }

    /// Creates a connector that may use folders of this machine.
    pub fn open_with(
        settings: &Settings,
        secret: Option<&SecretString>,
        outbound: &Outbound,
        local: &Local,
    ) -> Result<Self, ConnectorError> {
        let server = match settings {
            Settings::Files(settings) => {
                Server::Files(Files::open(settings, secret, outbound, (&local.folders, &local.scratch))?)
            }
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
            Server::Files(server) => server.test().await,
        }
    }

    /// Returns the server's clock.
    pub async fn now(&self) -> Result<DateTime<Utc>, ConnectorError> {
        match &self.server {
            Server::Postgresql(server) => server.now().await,
            Server::Mysql(server) => server.now().await,
            Server::Files(_) => Err(has_no_windows()),
        }
    }

    /// Lists what is below a path: the schemas, the tables of a schema, or the columns of a table.
    pub async fn browse(&self, path: &[String]) -> Result<Listing, ConnectorError> {
        match &self.server {
            Server::Postgresql(server) => server.browse(path).await,
            Server::Mysql(server) => server.browse(path).await,
            Server::Files(server) => server.browse(path).await,
        }
    }

    /// Returns the first rows of a query.
    pub async fn sample(&self, query: &Query, rows: u32) -> Result<Sample, ConnectorError> {
        query.check()?;
        match &self.server {
            Server::Postgresql(server) => server.sample(query, rows).await,
            Server::Mysql(server) => server.sample(query, rows).await,
            Server::Files(server) => server.sample(files_of(query)?, &query.columns, rows).await,
        }
    }

    /// Returns the first rows of what is at a path: of a table in a schema, or of a file.
    pub async fn sample_at(&self, path: &[String], rows: u32) -> Result<Sample, ConnectorError> {
        if let Server::Files(server) = &self.server {
            return server.sample_of(&path.join("/"), rows).await;
        }
        let [schema, table] = path else {
            return Err(ConnectorError::BadQuery("Name a table with its schema, such as public/events.".to_owned()));
        };
        self.sample(&Query::of_table(Table { schema: schema.clone(), table: table.clone() }), rows).await
    }

    /// Lists the files that a query reads.
    pub async fn files(&self, query: &Query) -> Result<Found, ConnectorError> {
        query.check()?;
        match &self.server {
            Server::Files(server) => server.found(files_of(query)?).await,
            _ => Err(has_no_files()),
        }
    }

    /// Writes the rows of files, compressed with zstd: as CSV with a header if the query names columns, otherwise as JSON lines.
    /// Versions that have changed meanwhile are replaced by the present ones. As for [`Connector::pull`], what was written must be
    /// discarded after an error.
    pub async fn pull_files(
        &self,
        query: &Query,
        files: &[FileObject],
        into: Box<dyn Write + Send>,
        limits: &PullLimits,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
        stop: &Stop,
    ) -> Result<PulledFiles, ConnectorError> {
        query.check()?;
        let task = Task { limits, progress, stop };
        match &self.server {
            Server::Files(server) => server.pull_objects((files_of(query)?, &query.columns), files, into, &task).await,
            _ => Err(has_no_files()),
        }
    }

    /// Returns the greatest cursor of a query with a cursor of integers; `None` if it has no rows.
    pub async fn newest(&self, query: &Query) -> Result<Option<i64>, ConnectorError> {
        query.check()?;
        match &self.server {
            Server::Postgresql(server) => server.newest(query).await,
            Server::Mysql(server) => server.newest(query).await,
            Server::Files(_) => Err(has_no_windows()),
        }
    }

    /// Returns the server's estimate of what a pull would read.
    pub async fn estimate(&self, query: &Query, window: Option<Window>) -> Result<Estimate, ConnectorError> {
        query.check()?;
        match &self.server {
            Server::Postgresql(server) => server.estimate(query, window).await,
            Server::Mysql(server) => server.estimate(query, window).await,
            Server::Files(server) => {
                let found = server.found(files_of(query)?).await?;
                let bytes: u64 = found.objects.iter().filter_map(|object| object.size).sum();
                Ok(Estimate { rows: None, bytes: i64::try_from(bytes).unwrap_or(i64::MAX) })
            }
        }
    }

    /// Counts the rows of a window before any aggregation, and those without a cursor.
    pub async fn count(&self, query: &Query, window: Option<Window>) -> Result<Count, ConnectorError> {
        query.check()?;
        match &self.server {
            Server::Postgresql(server) => server.count(query, window).await,
            Server::Mysql(server) => server.count(query, window).await,
            Server::Files(_) => Err(has_no_windows()),
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
            Server::Files(server) => Ok(server.pull(files_of(query)?, &query.columns, into, &task).await?.pulled),
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
        refuse_name(&delivery.table).map_err(ConnectorError::BadQuery)?;
        let task = Task { limits, progress, stop };
        match &self.server {
            Server::Postgresql(server) => server.deliver(delivery, &task).await,
            Server::Mysql(server) => server.deliver(delivery, &task).await,
            Server::Files(_) => Err(ConnectorError::BadQuery(
                "Lists are delivered to tables of databases. Choose a connection to a database.".to_owned(),
            )),
        }
    }
}

fn files_of(query: &Query) -> Result<&FilesQuery, ConnectorError> {
    match &query.from {
        Source::Files(files) => Ok(files),
        _ => Err(ConnectorError::BadQuery("This connection leads to files: name them in place of a table.".to_owned())),
    }
}

fn has_no_windows() -> ConnectorError {
    ConnectorError::BadQuery("Files have no windows: choose the mode files.".to_owned())
}

fn has_no_files() -> ConnectorError {
    ConnectorError::BadQuery("This connection leads to a database: name a table.".to_owned())
}
