//! Background jobs in PostgreSQL. A job is claimed by its state, never by an open transaction, so a
//! job may run for days and a dead worker blocks nothing.
//!
//! ```text
//! enqueuer ──► available ──claimer──► running ──worker──► completed
//!                  ▲                   │ │ │
//!                  ├── handed back, ───┘ │ ├── failed for good ──► failed (the dead letters)
//!                  │   yielded, snoozed  │ └── cancelled ────────► cancelled
//!                  └──── claimer ◄── retryable (failed attempt, or rescued from a dead worker)
//! ```
//!
//! | file | duty |
//! |---|---|
//! | [`job`] | what a job is: a serialisable struct with its policy, `run` and `failed` |
//! | [`registry`] | the kinds of jobs that this program can run |
//! | `turn` | names the tenant, organisation and lane of a job, which take turns |
//! | `enqueuer` | adds a job inside the caller's transaction and wakes a worker when that commits; makes snoozed jobs due |
//! | `canceller` | ends waiting jobs, notifies running ones |
//! | `claimer` | takes jobs for a worker, each by one worker only, each tenant in its turn |
//! | `group` | the workers that share places, and the last place, for a tenant that has no running job |
//! | [`worker`] | runs claimed jobs; stops claiming, waits and hands back at shutdown |
//! | `executor` | one job from claim to recorded result: time-out, panic, outcome |
//! | `heartbeat` | renews the leases of running jobs and learns of cancellations |
//! | `rescuer` | takes jobs away from workers whose lease has expired |
//! | `finisher` | records a result, unless the lease was lost meanwhile |
//! | `pruner` | deletes old finished jobs |
//!
//! A job whose worker died twice is given up: its use of memory may be what kills them. So is one that exceeds its time limit. A
//! worker that shuts down hands its jobs back, which costs them no attempt.
//!
//! A job may run twice, when its worker was wrongly believed dead. Its work must be safe to repeat.
//!
//! The table has no row-level security. Whose a job is only its handler knows; a tenant's turn spans organisations, of which a
//! caller may see one; and claiming, which is busy, would look at every row through the policy. Instead, only this module reads
//! the table (`tests/architecture/` compares), and a request reaches it by a key of an object that was loaded for its caller: to
//! add a job, to cancel a group, to show the jobs of a group, or to count those of a tenant.

mod backoff;
mod canceller;
mod claimer;
mod enqueuer;
mod executor;
mod finisher;
mod group;
mod heartbeat;
pub mod job;
mod maintainer;
mod model;
mod outage;
mod pruner;
pub mod registry;
mod rescuer;
mod running;
pub mod schema;
mod turn;
mod wakener;
pub mod worker;

pub use canceller::{cancel, cancel_group};
pub use claimer::SHARES_OF_TENANT;
pub use enqueuer::{EnqueueOptions, enqueue, release_unique_key, wake_snoozed};
pub use group::Group;
pub use job::{CancellationFlag, Job, JobContext, JobError};
pub use maintainer::maintain;
pub use model::{
    GroupedJob, JobId, JobRecord, JobState, Waiting, count_waiting, find, has_live, has_waiting, newest_of_group, newest_payload,
    of_groups, unfinished,
};
pub use registry::Registry;
pub use rescuer::{LOST_TOO_OFTEN, give_up_leases};
pub use turn::Turn;
pub use worker::{Worker, WorkerOptions};

/// Channel that announces jobs to claim.
const CHANNEL_READY: &str = "recotem_jobs";
/// Channel that names a running job to cancel.
const CHANNEL_CANCEL: &str = "recotem_jobs_cancel";
