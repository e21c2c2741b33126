//! The kinds of jobs this program can run.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::job::{Job, JobContext, JobError};
use super::model::JobId;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Run<C> = dyn Fn(Value, JobContext<C>) -> BoxFuture<Result<(), JobError>> + Send + Sync;
type Failed<C> = dyn Fn(Value, C, JobId, String) -> BoxFuture<()> + Send + Sync;

/// One kind of job, with its type erased.
pub(super) struct Handler<C> {
    pub run: Box<Run<C>>,
    pub failed: Box<Failed<C>>,
    pub max_lost_workers: i32,
}

/// All kinds of jobs that share a context. A worker leaves other kinds to other workers.
pub struct Registry<C> {
    handlers: BTreeMap<&'static str, Arc<Handler<C>>>,
}

impl<C> Default for Registry<C> {
    fn default() -> Self {
        Self { handlers: BTreeMap::new() }
    }
}

impl<C: Clone + Send + Sync + 'static> Registry<C> {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind.
    ///
    /// # Panics
    /// Panics if two jobs have the same `KIND`: a mistake of the program, found at its start.
    #[must_use]
    pub fn register<J: Job<Context = C>>(mut self) -> Self {
        let handler = Handler {
            run: Box::new(|payload, context| Box::pin(run::<J>(payload, context))),
            failed: Box::new(|payload, app, id, reason| Box::pin(failed::<J>(payload, app, id, reason))),
            max_lost_workers: J::MAX_LOST_WORKERS.max(1),
        };
        let before = self.handlers.insert(J::KIND, Arc::new(handler));
        assert!(before.is_none(), "two jobs are called {}", J::KIND);
        self
    }

    /// Returns the names of all kinds, in alphabetical order.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.handlers.keys().copied().collect()
    }

    pub(super) fn handler(&self, kind: &str) -> Option<Arc<Handler<C>>> {
        self.handlers.get(kind).cloned()
    }
}

async fn run<J: Job>(payload: Value, context: JobContext<J::Context>) -> Result<(), JobError> {
    match serde_json::from_value::<J>(payload) {
        Ok(job) => job.run(context).await,
        Err(error) => Err(JobError::Fail { reason: format!("The job's payload is not understood: {error}") }),
    }
}

async fn failed<J: Job>(payload: Value, app: J::Context, id: JobId, reason: String) {
    match serde_json::from_value::<J>(payload) {
        Ok(job) => job.failed(app, id, reason).await,
        Err(error) => tracing::error!(%error, job = id, "the payload of a failed job cannot be read"),
    }
}
