//! Connections whose caller goes away while they are at work. A request ends at once when its client disconnects, and a read ends
//! when it takes too long; but the server continues the statement, and the connection answers nothing else until that ends.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel_async::pooled_connection::deadpool::Object;
use diesel_async::{AnsiTransactionManager, AsyncPgConnection, SimpleAsyncConnection, TransactionManager};
use tokio::runtime::Handle;
use tokio_postgres::NoTls;

/// The type of connection that the pool returns.
pub(super) type Lent = Object<AsyncPgConnection>;

/// Longest wait for the answer of a connection whose caller is gone, before its statement is cancelled.
const AT_REST: Duration = Duration::from_millis(20);
/// Longest wait until a statement is cancelled. The connection counts as in use until then, so a server that does not answer must
/// not keep it for long.
const CANCELLING: Duration = Duration::from_secs(3);

tokio::task_local! {
    static LEFT: Left;
}

/// Whether the work that borrowed a connection was dropped before it ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Left(Arc<AtomicBool>);

impl Left {
    /// Returns the mark of the present work, if [`noticed_if_left`] runs it.
    pub fn of_present_work() -> Self {
        LEFT.try_with(Self::clone).unwrap_or_default()
    }

    pub fn is_marked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Sets its mark on drop, unless the work has ended.
struct Marker {
    left: Left,
    has_ended: bool,
}

impl Drop for Marker {
    fn drop(&mut self) {
        self.left.0.store(!self.has_ended, Ordering::Relaxed);
    }
}

/// Runs `work` so that the connections it borrows notice if it is dropped before it ends, even while the rows of an answer arrive.
pub async fn noticed_if_left<T>(work: impl Future<Output = T>) -> T {
    let left = Left::default();
    let mut work = pin!(LEFT.scope(left.clone(), work));
    // What is declared last is dropped first: the mark is set before the work drops its connections.
    let mut marker = Marker { left, has_ended: false };
    let result = work.as_mut().await;
    marker.has_ended = true;
    result
}

/// A connection at work. If it is dropped, its statement is cancelled and the connection is closed.
pub(super) struct AtWork(Option<Lent>);

impl AtWork {
    pub fn new(lent: Lent) -> Self {
        Self(Some(lent))
    }

    pub fn connection(&mut self) -> Option<&mut AsyncPgConnection> {
        self.0.as_deref_mut()
    }

    /// Returns the connection, whose work is done.
    pub fn done(mut self) -> Option<Lent> {
        self.0.take()
    }

    /// Waits for the next answer; returns whether it is that of an empty statement, and so all before it have ended.
    async fn rests(&mut self) -> bool {
        let Some(connection) = self.connection() else { return false };
        connection.batch_execute("").await.is_ok()
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let Some(lent) = self.0.take() else { return };
        let statement = Object::take(lent).cancel_token();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(tokio::time::timeout(CANCELLING, async move { statement.cancel_query(NoTls).await }));
        }
    }
}

/// Returns whether a transaction is open, or was left while it began or ended.
pub(super) fn is_in_transaction(connection: &mut AsyncPgConnection) -> bool {
    AnsiTransactionManager::is_broken_transaction_manager(connection)
}

/// Returns a connection to the pool once it is at rest. A statement that is still in progress is cancelled. A connection with an
/// open transaction is closed, so that the server ends the transaction and releases its locks.
pub(super) async fn leave(lent: Lent) {
    let statement = lent.cancel_token();
    let mut at_work = AtWork::new(lent);
    if !tokio::time::timeout(AT_REST, at_work.rests()).await.unwrap_or(false) {
        let cancelling = async {
            // If it fails, the connection does not come to rest, and is closed.
            let _ = statement.cancel_query(NoTls).await;
            // The first answer may be that of the cancelled statement.
            at_work.rests().await || at_work.rests().await
        };
        if !tokio::time::timeout(CANCELLING, cancelling).await.unwrap_or(false) {
            return;
        }
    }
    if at_work.connection().is_some_and(|connection| !is_in_transaction(connection)) {
        drop(at_work.done());
    }
}
