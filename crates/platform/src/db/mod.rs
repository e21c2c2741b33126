//! The database: a pool of connections, the schema's migrations, and notifications.
//!
//! Connections are made without TLS: the private server and most self-hosted ones are reached over a
//! unix socket or a private network. A URL with `sslmode=require` is refused with a clear error
//! rather than silently sent in the clear.

mod abandoned;
mod changes;
mod connection;
mod leading;
mod listen;
mod long_reads;
mod migrate;
mod months;
mod session;

use std::sync::Arc;
use std::time::Duration;

use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use self::abandoned::AtWork;
use super::clock::Clock;
use super::places::Places;

pub(crate) use abandoned::noticed_if_left;
pub use changes::{Change, ChangedRow, announce};
pub use connection::Connection;
pub use leading::try_to_lead;
pub use listen::Notification;
pub use months::{ended_months, make_months};
pub use session::{Session, acting_as, finishing, program_now, without_statement_timeout};

/// Why a statement failed.
pub use diesel::result::Error as QueryError;

/// Returns the message of a failed query, with the cause if a value could not be read.
pub fn in_full(error: &QueryError) -> String {
    let cause = match error {
        QueryError::DeserializationError(of_field) => of_field.source(),
        _ => None,
    };
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// Returns whether a statement was refused because such a row exists already.
pub fn is_duplicate(error: &QueryError) -> bool {
    matches!(error, QueryError::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _))
}

/// Returns whether a statement was stopped because two transactions waited for each other.
pub fn is_deadlock(error: &QueryError) -> bool {
    matches!(error, QueryError::DatabaseError(_, details) if details.message() == "deadlock detected")
}

/// Returns whether a statement was stopped because it exceeded the time limit for requests.
pub fn is_too_long(error: &QueryError) -> bool {
    matches!(error, QueryError::DatabaseError(_, details) if details.message() == "canceling statement due to statement timeout")
}

/// Returns whether a statement was refused because rows refer to what it would remove, or because what it refers to does not
/// exist.
pub fn is_reference_broken(error: &QueryError) -> bool {
    matches!(error, QueryError::DatabaseError(diesel::result::DatabaseErrorKind::ForeignKeyViolation, _))
}

/// Longest wait for a connection before the database counts as unavailable.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait for the answer of one connection, before another one is tried.
const PATIENCE_WITH_ONE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why there is no connection, or no up-to-date schema.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The server cannot be reached, refuses the connection, or all connections are busy.
    #[error("The database is not available: {0}")]
    Unavailable(String),
    /// The maximum number of long reads is in progress.
    #[error("Too many requests read large parts of the database at once. Try again in a few seconds.")]
    Busy,
    /// A migration failed; the schema is as it was before that migration.
    #[error("The database schema could not be brought up to date: {0}")]
    Migration(String),
}

/// Why a read failed. Creating it logs nothing: the caller may have a value in memory instead.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Unavailable(#[from] DbError),
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// The database. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct Database {
    pool: deadpool::Pool<AsyncPgConnection>,
    url: Arc<str>,
    clock: Clock,
    /// Longest time of a statement of a request; `None` for no limit.
    statement_timeout: Option<Duration>,
    long_reads: Arc<Places>,
    listeners: Arc<listen::Listeners>,
}

impl Database {
    /// Creates a pool of at most `connections`, which are opened when first needed.
    pub fn new(url: &str, connections: usize) -> Result<Self, DbError> {
        let mut config = ManagerConfig::default();
        // a closed connection is noticed without a round trip, or when the session is set
        config.recycling_method = RecyclingMethod::Fast;
        let manager = AsyncDieselConnectionManager::new_with_config(url, config);
        let pool = deadpool::Pool::builder(manager)
            .max_size(connections.max(1))
            .build()
            .map_err(|error| DbError::Unavailable(error.to_string()))?;
        Ok(Self {
            pool,
            url: url.into(),
            clock: Clock::system(),
            statement_timeout: None,
            long_reads: Arc::new(Places::new(connections / long_reads::PART_OF_POOL)),
            listeners: Arc::default(),
        })
    }

    /// Sets the clock that dates rows: SQL's `program_now()` follows it if it is pinned.
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Limits the time of each statement of a request; zero sets no limit. Statements of the program itself have none.
    pub fn with_statement_timeout(self, longest: Duration) -> Self {
        Self { statement_timeout: Some(longest).filter(|longest| !longest.is_zero()), ..self }
    }

    /// Creates a pool whose server has answered once, and retries for as long as `patience` allows.
    pub async fn connect_with_retry(url: &str, connections: usize, patience: Duration) -> Result<Self, DbError> {
        let database = Self::new(url, connections)?;
        database.wait(patience).await?;
        Ok(database)
    }

    /// Waits until the server answers; after `patience`, fails with the last error.
    pub async fn wait(&self, patience: Duration) -> Result<(), DbError> {
        let mut last_error = DbError::Unavailable(format!("no answer in {patience:?}"));
        let tries = async {
            let mut pause = FIRST_PAUSE;
            while let Err(error) = self.ping().await {
                tracing::debug!(%error, "waiting for the database");
                last_error = error;
                tokio::time::sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        };
        match tokio::time::timeout(patience, tries).await {
            Ok(()) => Ok(()),
            Err(_) => Err(last_error),
        }
    }

    /// Returns a connection that acts for the caller of the present request, or for the program itself outside a request.
    pub async fn conn(&self) -> Result<Connection, DbError> {
        self.conn_for(session::current().as_deref()).await
    }

    /// Returns a connection that sees every row even within a request. Only for actions that no role allows yet, such as
    /// accepting an invitation; the handler has to check the permission itself.
    pub async fn unrestricted_conn(&self) -> Result<Connection, DbError> {
        self.conn_for(None).await
    }

    /// Returns an unrestricted connection for an action of `user`: the audit log records that user as the actor, for any caller
    /// of the request.
    pub async fn unrestricted_conn_for(&self, user: i64) -> Result<Connection, DbError> {
        let request = session::current().map(|session| Session::clone(&session)).unwrap_or_default();
        self.conn_for(Some(&Session { organisations: None, project: None, user: Some(user), api_key: None, ..request })).await
    }

    async fn conn_for(&self, session: Option<&Session>) -> Result<Connection, DbError> {
        match tokio::time::timeout(PATIENCE, self.told(session)).await {
            Ok(told) => told,
            Err(_) => Err(DbError::Unavailable(format!("no free connection that answers in {PATIENCE:?}"))),
        }
    }

    /// Returns a connection on which the session is set.
    async fn told(&self, session: Option<&Session>) -> Result<Connection, DbError> {
        let mut failed = false;
        loop {
            let mut lent = AtWork::new(self.pool.get().await.map_err(|error| DbError::Unavailable(in_words(&error)))?);
            let gone = || DbError::Unavailable("the connection is gone".to_owned());
            let connection = lent.connection().ok_or_else(gone)?;
            let told = session::tell(connection, session, self.statement_timeout, self.clock.pinned());
            match tokio::time::timeout(PATIENCE_WITH_ONE, told).await {
                Ok(Ok(())) => return lent.done().map(Connection::new).ok_or_else(gone),
                // The connection had died in the pool, as all do when the server restarts; a new one shows whether it is back.
                Ok(Err(_)) if !failed => failed = true,
                Ok(Err(error)) => return Err(DbError::Unavailable(in_words(&error))),
                // It is still busy with the statement of a caller who went away.
                Err(_) => {}
            }
        }
    }

    /// Checks that the server answers: a connection from the pool may have just died.
    pub async fn ping(&self) -> Result<(), DbError> {
        let mut connection = self.conn().await?;
        let answer = diesel::sql_query("SELECT 1").execute(&mut connection).await;
        answer.map(drop).map_err(|error| DbError::Unavailable(error.to_string()))
    }

    /// Brings the schema up to date; processes that start at the same time wait for each other. Returns how many migrations were
    /// run.
    pub async fn migrate(&self) -> Result<usize, DbError> {
        migrate::run_pending(Arc::clone(&self.url)).await
    }

    /// Listens on the channels with a connection that all listeners share, and that is opened again when it is lost. The stream
    /// never ends. Notifications sent while disconnected are lost, so after each (re)connection the stream yields
    /// [`Notification::Connected`], at which the caller reads the tables again.
    pub fn listen(&self, channels: &[&str]) -> impl futures_util::Stream<Item = Notification> + Send + Unpin + 'static {
        self.listeners.listen(&self.url, channels)
    }

    /// Returns the URL, for tools that open their own connection. It holds the password: never log it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the connections in use and their largest number.
    pub fn usage(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size - status.available.min(status.size), status.max_size)
    }

    /// Closes the pool; callers that wait for a connection get an error.
    pub fn close(&self) {
        self.pool.close();
    }
}

/// Returns an error with its causes, which the drivers leave out of their own message.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = error.source();
    }
    words
}
