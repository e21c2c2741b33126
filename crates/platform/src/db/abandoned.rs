//! Connections whose caller goes away while they are at work. A request ends at once when its client disconnects, and a read ends
//! when it takes too long; but the server continues the statement, and the connection answers nothing else until that ends.

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use diesel_async::SimpleAsyncConnection;
use diesel_async::pooled_connection::deadpool::Object;
use tokio::runtime::Handle;
use tokio_postgres::NoTls;

use super::Connection;

/// Longest wait for the answer of a connection whose caller is gone, before its statement is cancelled.
const AT_REST: Duration = Duration::from_millis(20);
/// Longest wait for the server to cancel a statement.
const CANCELLING: Duration = Duration::from_secs(5);

/// A connection at work. If it is dropped, its statement is cancelled and the connection is closed.
pub(super) struct AtWork(Option<Connection>);

impl AtWork {
    pub fn new(connection: Connection) -> Self {
        Self(Some(connection))
    }

    pub fn connection(&mut self) -> Option<&mut AsyncPgConnection> {
        self.0.as_deref_mut()
    }

    /// Returns the connection, whose work is done.
    pub fn done(mut self) -> Option<Connection> {
        self.0.take()
    }

    async fn rests_within(&mut self, time: Duration) -> bool {
        let Some(connection) = self.connection() else { return false };
        tokio::time::timeout(time, connection.batch_execute("")).await.is_ok_and(|answer| answer.is_ok())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let Some(connection) = self.0.take() else { return };
        let statement = Object::take(connection).cancel_token();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(tokio::time::timeout(CANCELLING, async move { statement.cancel_query(NoTls).await }));
        }
    }
}

/// Returns a connection to the pool once it is at rest. A statement that is still in progress is cancelled.
pub(super) async fn leave(connection: Connection) {
    let statement = connection.cancel_token();
    let mut connection = AtWork::new(connection);
    if !connection.rests_within(AT_REST).await {
        let cancelling = async {
            // If it fails, the connection does not come to rest, and is closed.
            let _ = statement.cancel_query(NoTls).await;
        };
        let _ = tokio::time::timeout(CANCELLING, cancelling).await;
        // The first answer may be that of the cancelled statement.
        if !connection.rests_within(CANCELLING).await && !connection.rests_within(AT_REST).await {
            return;
        }
    }
    drop(connection.done());
}
