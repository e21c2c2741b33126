//! LISTEN on a connection that comes back by itself.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures_util::{Stream, StreamExt, stream};

use super::{FIRST_PAUSE, LONGEST_PAUSE};

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// Listening (again); anything sent before may have been missed.
    Connected,
    /// Somebody's `NOTIFY channel, 'payload'`.
    Message { channel: String, payload: String },
}

struct Listener {
    url: Arc<str>,
    statements: Vec<String>,
    connection: Option<AsyncPgConnection>,
    pause: Duration,
}

pub(super) fn listen(url: Arc<str>, channels: &[&str]) -> impl Stream<Item = Notification> + Send + Unpin + 'static {
    let statements = channels.iter().map(|channel| format!("LISTEN \"{}\"", channel.replace('"', "\"\""))).collect();
    let listener = Listener { url, statements, connection: None, pause: FIRST_PAUSE };
    Box::pin(stream::unfold(listener, |mut listener| async {
        let notification = listener.next().await;
        Some((notification, listener))
    }))
}

impl Listener {
    async fn next(&mut self) -> Notification {
        loop {
            let Some(connection) = &mut self.connection else {
                self.connect().await;
                return Notification::Connected;
            };
            let message = pin!(connection.notifications_stream()).next().await;
            if let Some(Ok(message)) = message {
                return Notification::Message { channel: message.channel, payload: message.payload };
            }
            tracing::debug!("the listening connection was lost");
            self.connection = None;
        }
    }

    async fn connect(&mut self) {
        loop {
            match self.try_connect().await {
                Ok(connection) => {
                    self.pause = FIRST_PAUSE;
                    self.connection = Some(connection);
                    return;
                }
                Err(error) => tracing::debug!(%error, "cannot listen to the database yet"),
            }
            tokio::time::sleep(self.pause).await;
            self.pause = LONGEST_PAUSE.min(self.pause * 2);
        }
    }

    async fn try_connect(&self) -> Result<AsyncPgConnection, Box<dyn std::error::Error + Send + Sync>> {
        let mut connection = AsyncPgConnection::establish(&self.url).await?;
        for statement in &self.statements {
            diesel::sql_query(statement).execute(&mut connection).await?;
        }
        Ok(connection)
    }
}
