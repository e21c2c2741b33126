//! Runs the migrations embedded from the folder `migrations/`.

use std::sync::Arc;

use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::DbError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");
/// An arbitrary number, the same in every version of Recotem.
const ADVISORY_LOCK: i64 = 0x7265_636f_7465_6d01;

/// Runs the pending migrations. The harness blocks and requires a multi-threaded runtime, so it gets one of its own, and the
/// caller may be on any.
pub(super) async fn run_pending(url: Arc<str>) -> Result<usize, DbError> {
    tokio::task::spawn_blocking(move || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| DbError::Migration(error.to_string()))?
            .block_on(run_under_lock(&url))
    })
    .await
    .map_err(|error| DbError::Migration(error.to_string()))?
}

async fn run_under_lock(url: &str) -> Result<usize, DbError> {
    let mut connection = AsyncPgConnection::establish(url).await.map_err(|error| DbError::Unavailable(error.to_string()))?;
    // the lock belongs to the connection and ends with it, also after a crash
    diesel::sql_query(format!("SELECT pg_advisory_lock({ADVISORY_LOCK})"))
        .execute(&mut connection)
        .await
        .map_err(|error| DbError::Migration(error.to_string()))?;
    let mut harness = AsyncMigrationHarness::new(connection);
    harness
        .run_pending_migrations(MIGRATIONS)
        .map(|versions| versions.len())
        .map_err(|error| DbError::Migration(error.to_string()))
}

#[cfg(test)]
mod tests {
    use diesel::migration::{Migration, MigrationSource};
    use diesel::pg::Pg;

    use super::*;

    #[test]
    fn each_migration_has_a_number_of_its_own() {
        let all: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS.migrations().unwrap();
        let names: Vec<String> = all.iter().map(|one| one.name().to_string()).collect();
        let mut numbers: Vec<String> = all.iter().map(|one| one.name().version().to_string()).collect();
        let n_all = numbers.len();
        numbers.sort();
        numbers.dedup();
        // The harness runs one of two with the same number, and never the other.
        assert_eq!(numbers.len(), n_all, "two of {names:?} have the same number");
    }
}
