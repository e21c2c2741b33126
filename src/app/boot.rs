//! Starts what every role needs: a PostgreSQL, its schema, the file store, the first user.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use secrecy::ExposeSecret;

use super::first_user::{self, FirstUserError};
use crate::platform::blobs::Blobs;
use crate::platform::clock::Clock;
use crate::platform::config::{ConfigError, Settings};
use crate::platform::db::{Database, DbError};
use crate::platform::embedded_postgres::{EmbeddedOptions, EmbeddedPostgres, EmbeddedPostgresError, PrivatePostgres};
use crate::platform::outbound::{Outbound, OutboundError};
use crate::platform::services::Services;

/// Longest wait of a start for a configured database.
const DATABASE_PATIENCE: Duration = Duration::from_secs(60);

/// Age at which an unfinished file counts as abandoned, where the system does not tell whether its writer is alive.
const BROKEN_OFF: TimeDelta = TimeDelta::hours(1);

/// Why the program could not start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    EmbeddedPostgres(#[from] EmbeddedPostgresError),
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    FirstUser(#[from] FirstUserError),
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

/// The services of a running process. Dropping it stops the private PostgreSQL.
pub struct Boot {
    pub services: Services,
    embedded: Option<EmbeddedPostgres>,
}

impl Boot {
    /// Opens data directory and database, without changing the schema. A private PostgreSQL that another process runs is refused,
    /// since it could end before a long-running process does.
    pub async fn connect(settings: Settings) -> Result<Self, BootError> {
        Self::open(settings, |options| EmbeddedPostgres::start(options).map(PrivatePostgres::Own)).await
    }

    /// Opens both for a single command, which also works on the private PostgreSQL of a running process.
    pub async fn for_command(settings: Settings) -> Result<Self, BootError> {
        Self::open(settings, PrivatePostgres::start_or_join).await
    }

    async fn open(settings: Settings, private: Private) -> Result<Self, BootError> {
        settings.open_data_dir()?;
        let secret = settings.secret()?;
        let blobs = open_files(&settings)?;
        let (url, embedded) = match &settings.database_url {
            Some(url) => (url.expose_secret().to_owned(), None),
            None => open_private(&settings, private).await?,
        };
        let db = Database::connect_with_retry(&url, settings.database_pool_size, DATABASE_PATIENCE).await?;
        let db = db.with_statement_timeout(Duration::from_secs(settings.statement_timeout_seconds));
        let (settings, secret) = (Arc::new(settings), Arc::new(secret));
        let outbound = open_way_out(Arc::clone(&settings)).await?;
        let services = Services { db, clock: Clock::system(), settings, secret, blobs, outbound };
        Ok(Self { services, embedded })
    }

    /// Opens both for a server, with the schema brought up to date and a first user created if there is none.
    pub async fn complete(settings: Settings) -> Result<Self, BootError> {
        if settings.links_follow_the_request() && settings.production {
            tracing::warn!(
                "neither public_url nor allowed_hosts is set: links to reset a password or accept an invitation start with the \
                 host name of the request for them. Set public_url to the address at which users reach this server."
            );
        }
        let boot = Self::connect(settings).await?;
        let migrated = boot.services.db.migrate().await?;
        tracing::info!(migrations = migrated, "the database schema is up to date");
        first_user::ensure(&boot.services).await?;
        Ok(boot)
    }

    /// Closes the pool and stops the private PostgreSQL.
    pub async fn close(self) {
        self.services.db.close();
        if let Some(embedded) = self.embedded {
            // Waits for the server's own shutdown.
            if let Err(error) = tokio::task::spawn_blocking(move || embedded.stop()).await {
                tracing::warn!(%error, "the private PostgreSQL may still be running");
            }
        }
    }
}

/// Opens the file store and removes unfinished files of killed processes.
fn open_files(settings: &Settings) -> Result<Blobs, ConfigError> {
    let fault = |cause| ConfigError::DataDir { path: settings.data_dir.clone(), cause };
    let blobs = Blobs::open(settings.data_dir.join("files")).map_err(fault)?;
    match blobs.sweep_incoming(Clock::system().now() - BROKEN_OFF) {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "removed files that were being written when the program ended"),
        Err(error) => tracing::warn!(%error, "files that were being written when the program ended could not be removed"),
    }
    Ok(blobs)
}

/// Creates the client for other servers, in a thread that may wait for the names of its own addresses.
async fn open_way_out(settings: Arc<Settings>) -> Result<Outbound, OutboundError> {
    let opened = tokio::task::spawn_blocking(move || Outbound::of(&settings)).await;
    opened.unwrap_or_else(|error| Err(OutboundError::Settings(error.to_string())))
}

/// A way to get a private PostgreSQL.
type Private = fn(&EmbeddedOptions) -> Result<PrivatePostgres, EmbeddedPostgresError>;

/// Returns the URL of the private PostgreSQL, and the server itself if this process runs it.
async fn open_private(settings: &Settings, private: Private) -> Result<(String, Option<EmbeddedPostgres>), BootError> {
    let options = EmbeddedOptions { data_dir: settings.data_dir.clone(), bin_dir: settings.postgres_bin_dir.clone() };
    let opened = tokio::task::spawn_blocking(move || private(&options)).await;
    let postgres = opened.map_err(|error| DbError::Unavailable(error.to_string()))??;
    let url = postgres.database_url();
    match postgres {
        PrivatePostgres::Own(embedded) => {
            tracing::info!("a private PostgreSQL is running in the data directory");
            Ok((url, Some(embedded)))
        }
        PrivatePostgres::OfAnother(_) => Ok((url, None)),
    }
}
