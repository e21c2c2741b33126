//! Connections for reads of many rows, limited so that other requests always find one.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use diesel_async::AsyncPgConnection;

use tokio::runtime::Handle;

use super::abandoned::leave;
use super::{Connection, Database, DbError, session};
use crate::places::Place;

/// One in this many connections of the pool may be used by such reads.
pub(super) const PART_OF_POOL: usize = 4;
/// How long a read waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// A connection for a read of many rows. Dereferences to [`AsyncPgConnection`]. On drop, a read in progress is cancelled; the
/// connection and its place are returned once it has ended.
pub struct LongRead {
    connection: ManuallyDrop<Connection>,
    place: Option<Place>,
}

impl Deref for LongRead {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.connection
    }
}

impl DerefMut for LongRead {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.connection
    }
}

impl Drop for LongRead {
    fn drop(&mut self) {
        // SAFETY: A value is dropped once, and nothing uses its connection afterwards.
        let connection = unsafe { ManuallyDrop::take(&mut self.connection) };
        let place = self.place.take();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                leave(connection).await;
                drop(place);
            });
        }
    }
}

impl Database {
    /// Returns a connection as [`Database::conn`] does, for a statement that reads many rows. All such reads share a quarter of
    /// the pool, and those of one user half of that; a read that gets no turn within two seconds is refused.
    pub async fn conn_for_long_read(&self) -> Result<LongRead, DbError> {
        let user = session::current().and_then(|session| session.user);
        let place = tokio::time::timeout(PATIENCE, self.long_reads.turn(user)).await.map_err(|_| DbError::Busy)?;
        Ok(LongRead { connection: ManuallyDrop::new(self.conn().await?), place: Some(place) })
    }
}
