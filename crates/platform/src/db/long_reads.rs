//! Connections for reads of many rows, limited so that other requests always find one.

use std::time::Duration;

use super::{Connection, Database, DbError, session};

/// One in this many connections of the pool may be used by such reads.
pub(super) const PART_OF_POOL: usize = 4;
/// How long a read waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

impl Database {
    /// Returns a connection as [`Database::conn`] does, for a statement that reads many rows. All such reads share a quarter of
    /// the pool, and those of one user half of that; a read that gets no turn within two seconds is refused. Its place is taken
    /// until its statement has ended.
    pub async fn conn_for_long_read(&self) -> Result<Connection, DbError> {
        let user = session::current().and_then(|session| session.user);
        let place = tokio::time::timeout(PATIENCE, self.long_reads.turn(user)).await.map_err(|_| DbError::Busy)?;
        Ok(self.conn().await?.with_place(place))
    }
}
