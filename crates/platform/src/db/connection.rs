//! A connection of the pool, and what becomes of it when its user is done with it or goes away.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::InstrumentationEvent;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use tokio::runtime::Handle;

use super::abandoned::{Left, Lent, is_in_transaction, leave};
use crate::places::Place;

/// A connection borrowed from the pool. Dereferences to [`AsyncPgConnection`]. On drop it returns to the pool: at once if it is at
/// rest, otherwise after its statement has been cancelled. One that is dropped within a transaction is closed.
pub struct Connection {
    lent: ManuallyDrop<Lent>,
    /// Statements that have begun and have not been answered. Those left so by a dropped future never are.
    in_progress: Arc<AtomicUsize>,
    /// A statement counts as answered with its first rows. If the work that borrowed the connection was left, more may follow.
    left: Left,
    /// The place of a long read.
    place: Option<Place>,
}

impl Connection {
    pub(super) fn new(mut lent: Lent) -> Self {
        let in_progress = Arc::new(AtomicUsize::new(0));
        let statements = Arc::clone(&in_progress);
        AsyncPgConnection::set_instrumentation(&mut lent, move |event: InstrumentationEvent<'_>| match event {
            InstrumentationEvent::StartQuery { .. } => {
                statements.fetch_add(1, Ordering::Relaxed);
            }
            InstrumentationEvent::FinishQuery { .. } => {
                statements.fetch_sub(1, Ordering::Relaxed);
            }
            _ => {}
        });
        Self { lent: ManuallyDrop::new(lent), in_progress, left: Left::of_present_work(), place: None }
    }

    /// Keeps a place until the connection is at rest.
    pub(super) fn with_place(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }
}

impl Deref for Connection {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.lent
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.lent
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: A value is dropped once, and nothing uses its connection afterwards.
        let mut lent = unsafe { ManuallyDrop::take(&mut self.lent) };
        let place = self.place.take();
        let may_be_at_work = self.left.is_marked() || self.in_progress.load(Ordering::Relaxed) > 0;
        if !may_be_at_work && !is_in_transaction(&mut lent) {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                leave(lent).await;
                drop(place);
            });
        }
    }
}
