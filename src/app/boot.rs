//! Brings up what every role stands on: a PostgreSQL, its schema, the file store, the first user.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::features::accounts;
use crate::platform::blobs::Blobs;
use crate::platform::clock::Clock;
use crate::platform::config::{ConfigError, Settings};
use crate::platform::db::{Database, DbError};
use crate::platform::embedded_postgres::{EmbeddedOptions, EmbeddedPostgres, EmbeddedPostgresError};
use crate::platform::services::Services;

/// How long a start waits for a configured database.
const DATABASE_PATIENCE: Duration = Duration::from_secs(60);

/// Why the program could not start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    EmbeddedPostgres(#[from] EmbeddedPostgresError),
    #[error(transparent)]
    Database(#[from] DbError),
    #[error("The first user could not be created: {0}")]
    FirstUser(#[from] accounts::AccountError),
}

/// The running means of a process. Dropping it stops the private PostgreSQL.
pub struct Boot {
    pub services: Services,
    embedded: Option<EmbeddedPostgres>,
}

impl Boot {
    /// Opens data directory and database, without touching the schema.
    pub async fn connect(settings: Settings) -> Result<Self, BootError> {
        let fault = |cause| ConfigError::DataDir { path: settings.data_dir.clone(), cause };
        std::fs::create_dir_all(&settings.data_dir).map_err(fault)?;
        let secret = settings.secret()?;
        let blobs = Blobs::open(settings.data_dir.join("files")).map_err(fault)?;
        let embedded = match &settings.database_url {
            Some(_) => None,
            None => Some(start_embedded(&settings).await?),
        };
        let url = embedded.as_ref().map(EmbeddedPostgres::database_url).or_else(|| settings.database_url.clone());
        let db = Database::connect_with_retry(&url.unwrap_or_default(), settings.database_pool_size, DATABASE_PATIENCE).await?;
        let services = Services { db, clock: Clock::system(), settings: Arc::new(settings), secret: Arc::new(secret), blobs };
        Ok(Self { services, embedded })
    }

    /// The same with the schema brought up to date and a first user made if there is none.
    pub async fn complete(settings: Settings) -> Result<Self, BootError> {
        let boot = Self::connect(settings).await?;
        let migrated = boot.services.db.migrate().await?;
        tracing::info!(migrations = migrated, "the database schema is up to date");
        if let Some(password) = accounts::ensure_first_user(&boot.services).await? {
            println!("The first user is \"admin\" with the password: {}", password.expose_secret());
            println!("It is shown only now. Change it after logging in.");
        }
        Ok(boot)
    }

    /// Closes the pool and stops the private PostgreSQL.
    pub async fn close(self) {
        self.services.db.close();
        if let Some(embedded) = self.embedded {
            // Stopping waits for the server's own shutdown.
            if let Err(error) = tokio::task::spawn_blocking(move || embedded.stop()).await {
                tracing::warn!(%error, "the private PostgreSQL may still be running");
            }
        }
    }
}

async fn start_embedded(settings: &Settings) -> Result<EmbeddedPostgres, BootError> {
    let options = EmbeddedOptions { data_dir: settings.data_dir.clone(), bin_dir: settings.postgres_bin_dir.clone() };
    let started = tokio::task::spawn_blocking(move || EmbeddedPostgres::start(&options)).await;
    let embedded = started.map_err(|error| DbError::Unavailable(error.to_string()))??;
    tracing::info!("a private PostgreSQL is running in the data directory");
    Ok(embedded)
}
