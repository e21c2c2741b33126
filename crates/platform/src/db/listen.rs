//! LISTEN: one connection of the process, which reconnects automatically, serves all its listeners.
//!
//! The connection is open while there are listeners. Notifications sent while disconnected are lost, and so are those that a
//! listener leaves unread for too long: it then gets [`Notification::Connected`], and reads the tables.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures_util::{FutureExt, Stream, StreamExt, stream};
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{FIRST_PAUSE, LONGEST_PAUSE, PATIENCE};

/// Notifications that a listener may leave unread.
const MOST_UNREAD: usize = 4_096;
/// Longest silence of a connection before it is checked.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);

/// An event for a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// Listening (again); anything sent before may have been missed.
    Connected,
    /// A `NOTIFY channel, 'payload'` of some process.
    Message { channel: String, payload: String },
}

/// The listeners of a process.
#[derive(Default)]
pub(super) struct Listeners(Mutex<Weak<Ear>>);

/// State shared by the listeners; dropped with the last one.
struct Ear {
    heard: Arc<Heard>,
    _end: DropGuard,
}

struct Heard {
    /// The channels to listen to.
    channels: Mutex<BTreeSet<String>>,
    /// Notified when a listener joins.
    joined: Notify,
    sender: broadcast::Sender<Notification>,
}

impl Listeners {
    /// Listens to channels from now on.
    pub(super) fn listen(&self, url: &Arc<str>, channels: &[&str]) -> impl Stream<Item = Notification> + Send + Unpin + 'static {
        let ear = self.ear(url);
        let mine: BTreeSet<String> = channels.iter().map(ToString::to_string).collect();
        let receiver = ear.heard.sender.subscribe();
        ear.heard.channels.lock().unwrap_or_else(PoisonError::into_inner).extend(mine.iter().cloned());
        ear.heard.joined.notify_one();
        Box::pin(stream::unfold((ear, receiver, mine), |(ear, mut receiver, mine)| async move {
            let next = next_of(&mut receiver, &mine).await;
            Some((next, (ear, receiver, mine)))
        }))
    }

    fn ear(&self, url: &Arc<str>) -> Arc<Ear> {
        let mut present = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ear) = present.upgrade() {
            return ear;
        }
        let (stop, sender) = (CancellationToken::new(), broadcast::Sender::new(MOST_UNREAD));
        let heard = Arc::new(Heard { channels: Mutex::default(), joined: Notify::new(), sender });
        let (listening, stopped) = (hear(Arc::clone(url), Arc::clone(&heard)), stop.clone());
        tokio::spawn(async move { stopped.run_until_cancelled(listening).await });
        let ear = Arc::new(Ear { heard, _end: stop.drop_guard() });
        *present = Arc::downgrade(&ear);
        ear
    }
}

async fn next_of(receiver: &mut broadcast::Receiver<Notification>, channels: &BTreeSet<String>) -> Notification {
    loop {
        match receiver.recv().await {
            Ok(Notification::Message { channel, .. }) if !channels.contains(&channel) => {}
            Ok(notification) => return notification,
            Err(broadcast::error::RecvError::Lagged(_)) => return Notification::Connected,
            // Every listener keeps the sender.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

async fn hear(url: Arc<str>, heard: Arc<Heard>) {
    loop {
        let connection = connect(&url).await;
        if let Err(error) = heard.stay(connection).await {
            tracing::debug!(%error, "the listening connection was lost");
        }
    }
}

/// An event that ends the wait for a message.
enum Event {
    Message(String, String),
    Joined,
    Silence,
    Lost,
}

type Fault = Box<dyn std::error::Error + Send + Sync>;

impl Heard {
    /// Passes on the notifications of a connection until it is lost.
    async fn stay(&self, mut connection: AsyncPgConnection) -> Result<(), Fault> {
        let mut listened = BTreeSet::new();
        loop {
            // The channels of a listener that has joined by now are among those read below.
            let _ = self.joined.notified().now_or_never();
            let channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for channel in channels.difference(&listened) {
                let statement = format!("LISTEN \"{}\"", channel.replace('"', "\"\""));
                tokio::time::timeout(PATIENCE, diesel::sql_query(statement).execute(&mut connection)).await??;
            }
            listened = channels;
            self.pass_on(Notification::Connected);
            self.until_joined(&mut connection).await?;
        }
    }

    async fn until_joined(&self, connection: &mut AsyncPgConnection) -> Result<(), Fault> {
        loop {
            match self.next(connection).await {
                Event::Message(channel, payload) => self.pass_on(Notification::Message { channel, payload }),
                Event::Joined => return Ok(()),
                // A network that drops all packets looks like one without traffic.
                Event::Silence => {
                    tokio::time::timeout(PATIENCE, diesel::sql_query("SELECT 1").execute(connection)).await??;
                }
                Event::Lost => return Err("the stream of notifications has ended".into()),
            }
        }
    }

    async fn next(&self, connection: &mut AsyncPgConnection) -> Event {
        let mut messages = pin!(connection.notifications_stream());
        tokio::select! {
            message = messages.next() => match message {
                Some(Ok(message)) => Event::Message(message.channel, message.payload),
                _ => Event::Lost,
            },
            () = self.joined.notified() => Event::Joined,
            () = tokio::time::sleep(LONGEST_SILENCE) => Event::Silence,
        }
    }

    fn pass_on(&self, notification: Notification) {
        // An error only means that all listeners have just gone.
        let _ = self.sender.send(notification);
    }
}

async fn connect(url: &str) -> AsyncPgConnection {
    let mut pause = FIRST_PAUSE;
    loop {
        match tokio::time::timeout(PATIENCE, AsyncPgConnection::establish(url)).await {
            Ok(Ok(connection)) => return connection,
            Ok(Err(error)) => tracing::debug!(%error, "cannot listen to the database yet"),
            Err(_) => tracing::debug!("cannot listen to the database yet: it does not answer"),
        }
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}
