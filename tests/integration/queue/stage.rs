//! A job that follows the test's instructions, and a queue with a clock that tests move.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use recotem::platform::clock::Clock;
use recotem::platform::db::Database;
use recotem::platform::queue::{
    self, EnqueueOptions, Job, JobContext, JobError, JobId, JobRecord, JobState, Registry, Worker, WorkerOptions,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{TestDatabase, test_clock};

/// The action of the job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Act {
    Succeed,
    Retry {
        times: i32,
    },
    /// Retries, once the gate is open.
    RetryAfterWaiting {
        times: i32,
    },
    Fail,
    Panic,
    /// Snoozes the first time.
    Snooze {
        already_done: bool,
    },
    /// Waits the first time for the jobs of a group.
    WaitForGroup,
    /// Waits for the gate, or for its flag.
    Wait,
    /// Waits for the gate and ignores its flag.
    WaitStubbornly,
    /// Works until the gate opens, and yields to others.
    WorkUntilOthersWait,
}

impl Job for Act {
    const KIND: &'static str = "act";
    const MAX_ATTEMPTS: i32 = 3;
    const TIMEOUT: Duration = Duration::from_secs(60);
    type Context = Means;

    async fn run(self, context: JobContext<Means>) -> Result<(), JobError> {
        let means = &context.app;
        means.say(format!("run {} attempt {}", context.job_id, context.attempt));
        match self {
            Self::Succeed => Ok(()),
            Self::Retry { times } if context.attempt > times => Ok(()),
            Self::Retry { .. } => Err(JobError::Retry { reason: "not yet".into() }),
            Self::RetryAfterWaiting { times } => {
                let _opened = means.gate.acquire().await;
                if context.attempt - context.lost_workers > times {
                    Ok(())
                } else {
                    Err(JobError::Retry { reason: "not yet".into() })
                }
            }
            Self::WorkUntilOthersWait => loop {
                if means.gate.try_acquire().is_ok() {
                    return Ok(());
                }
                let mut connection = means.db.conn().await.unwrap();
                if context.should_yield(&mut connection, means.clock.now()).await.unwrap() {
                    return Err(JobError::Yielded);
                }
                drop(connection);
                tokio::time::sleep(Duration::from_millis(5)).await;
            },
            Self::Fail => Err(JobError::Fail { reason: "never".into() }),
            Self::Panic => panic!("oh no"),
            Self::Snooze { .. } if means.heard("run").len() > 1 => Ok(()),
            Self::Snooze { .. } => Err(JobError::Snooze(Duration::from_secs(3_600))),
            Self::WaitForGroup if means.heard(&format!("run {} ", context.job_id)).len() > 1 => Ok(()),
            Self::WaitForGroup => Err(JobError::WaitFor { group: "others".to_owned(), at_most: Duration::from_secs(3_600) }),
            Self::Wait => tokio::select! {
                () = context.cancel.cancelled() => Err(JobError::Cancelled),
                _ = means.gate.acquire() => Ok(()),
            },
            Self::WaitStubbornly => {
                let _opened = means.gate.acquire().await;
                Ok(())
            }
        }
    }

    async fn failed(self, means: Means, job_id: JobId, reason: String) {
        means.say(format!("failed {job_id}: {reason}"));
    }
}

/// The context of the jobs.
#[derive(Clone)]
pub struct Means {
    said: Arc<Mutex<Vec<String>>>,
    db: Database,
    clock: Clock,
    pub gate: Arc<Semaphore>,
}

impl Means {
    fn say(&self, line: String) {
        self.said.lock().unwrap().push(line);
    }

    /// Returns the lines that begin with `beginning`.
    pub fn heard(&self, beginning: &str) -> Vec<String> {
        let said = self.said.lock().unwrap();
        said.iter().filter(|line| line.starts_with(beginning)).cloned().collect()
    }
}

pub struct Stage {
    pub db: Database,
    pub clock: Clock,
    pub means: Means,
}

/// A worker that runs in the background.
pub struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops the worker as a well-behaved process ends.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }

    /// Kills the worker as kill -9 does: nothing is recorded.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

impl Stage {
    pub async fn new() -> Self {
        Self::on(TestDatabase::new().await.db)
    }

    pub fn on(db: Database) -> Self {
        let clock = test_clock();
        let db = db.with_clock(clock.clone());
        let gate = Arc::new(Semaphore::new(0));
        let means = Means { said: Arc::default(), db: db.clone(), clock: clock.clone(), gate };
        Self { db, clock, means }
    }

    pub async fn add(&self, job: Act) -> JobId {
        self.add_with(job, EnqueueOptions::default()).await
    }

    pub async fn add_with(&self, job: Act, options: EnqueueOptions) -> JobId {
        let mut connection = self.db.conn().await.unwrap();
        queue::enqueue(&mut connection, &job, options).await.unwrap()
    }

    pub fn worker(&self) -> Running {
        self.worker_with(|_| {})
    }

    pub fn worker_with(&self, change: impl FnOnce(&mut WorkerOptions)) -> Running {
        let mut options = WorkerOptions {
            concurrency: 4,
            poll_interval: Duration::from_millis(5),
            finish_within: Duration::ZERO,
            ..WorkerOptions::default()
        };
        options.lease = Duration::from_millis(30); // of the test's clock, which stands still; heartbeats every 10 ms
        change(&mut options);
        let registry = Registry::new().register::<Act>();
        let worker = Worker::new(self.db.clone(), self.clock.clone(), registry, self.means.clone(), options);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(worker.run(shutdown.clone()));
        Running { shutdown, task }
    }

    pub fn pass(&self, time: TimeDelta) {
        self.clock.advance(time);
    }

    pub async fn job(&self, id: JobId) -> JobRecord {
        self.look_up(id).await.unwrap()
    }

    /// Finds a job; `None` also while the database is away.
    async fn look_up(&self, id: JobId) -> Option<JobRecord> {
        let mut connection = self.db.conn().await.ok()?;
        queue::find(&mut connection, id).await.ok()?
    }

    /// Waits until the job is in this state.
    pub async fn until(&self, id: JobId, state: JobState) -> JobRecord {
        let arrived = async {
            loop {
                if let Some(job) = self.look_up(id).await.filter(|job| job.state == state) {
                    return job;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(30), arrived).await {
            Ok(job) => job,
            Err(_) => panic!("never {state:?}: {:?}", self.job(id).await),
        }
    }

    /// Waits until the job has begun `attempt` attempts.
    pub async fn until_running(&self, id: JobId, attempt: i32) {
        self.until_times(&format!("run {id} attempt {attempt}"), 1).await;
    }

    /// Waits until a line has been recorded `times` times.
    pub async fn until_times(&self, line: &str, times: usize) {
        let said = async {
            while self.means.heard(line).len() < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), said).await.expect(line);
    }
}
