//! Background jobs in processes of their own: one process for each job that may run at once, restarted when it ends. One of the
//! processes is for the last place of their group, see `Group`.
//!
//! A job that uses up the memory ends its own process and neither the API nor other jobs. The system is told to end worker
//! processes before any other, and ends them when this process dies.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::platform::children::{Watched, pid_of, wait_for_end};
use crate::platform::queue::{self, Group, WorkerOptions};
use crate::platform::services::Services;

/// Name of the subcommand that a worker process runs; the names of the worker and of its group follow.
pub const SUBCOMMAND: &str = "job-worker";

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A process that lived this long did not end because of its start.
const LONG_ENOUGH: TimeDelta = TimeDelta::seconds(30);
/// Time limit for handing a job back, and for the system to end a process.
const STOP_STEPS: [(Signal, Duration); 2] = [(Signal::TERM, Duration::from_secs(25)), (Signal::KILL, Duration::from_secs(5))];

/// A start of this program with the same settings, for another process.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// The options of the command line, as variables: other users of the machine cannot read the environment of a process.
    pub environment: Vec<(&'static str, OsString)>,
}

impl Launch {
    fn spawn(&self, worker: &str, group: &Group, database_url: &str) -> std::io::Result<Child> {
        let mut command = Command::new(program()?);
        command.arg0("recotem").args([SUBCOMMAND, "--name", worker, "--group", group.name()]);
        command.envs(self.environment.iter().cloned());
        command.env("RECOTEM_DATABASE_URL", database_url);
        // Ctrl-C on a terminal reaches only this process; on any system, a worker process learns from the end of its input that
        // this process has ended.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()
    }
}

/// Returns the path of the running program, even after it was replaced by a newer one.
fn program() -> std::io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

#[derive(Default)]
struct State {
    /// Processes whose end has not been seen; only then may the system give their ids to others.
    running: Vec<Pid>,
    stopping: bool,
    /// Threads that have not ended.
    threads: usize,
}

/// Ends all processes, and the threads with them.
fn stop_all(shared: &Watched<State>) {
    shared.update(|state| state.stopping = true);
    for (signal, longest) in STOP_STEPS {
        for pid in &shared.lock().running {
            let _ = kill_process(*pid, signal); // an error means that it has ended
        }
        if shared.wait(longest, |state| state.threads == 0) {
            return;
        }
    }
    tracing::error!("worker processes did not end");
}

/// The state of a thread that keeps one process running. The system ties the lifetime of a process to the thread that started it,
/// hence threads that live as long as the processes should.
struct Keeper {
    launch: Launch,
    group: Group,
    services: Services,
    shared: Arc<Watched<State>>,
    runtime: Handle,
}

/// Runs background jobs in processes of their own until shutdown; then waits for their end.
pub async fn supervise(services: Services, launch: Launch, stop: CancellationToken) {
    if services.settings.database_url.is_none() {
        // A private database has no other workers: jobs marked as running there are left over from a crash.
        give_up_leases(&services, None).await;
    }
    let shared = Arc::new(Watched::<State>::default());
    let group = Group::new(WorkerOptions::fresh_name(), services.settings.worker_concurrency);
    for number in 0..group.most_at_once() {
        let (launch, group, services, shared) = (launch.clone(), group.clone(), services.clone(), Arc::clone(&shared));
        let keeper = Keeper { launch, group, services, shared: Arc::clone(&shared), runtime: Handle::current() };
        shared.update(|state| state.threads += 1);
        let thread = std::thread::Builder::new().name(format!("worker-{number}"));
        if let Err(error) = thread.spawn(move || keeper.keep_one_running()) {
            tracing::error!(%error, "no thread could be started for a worker process");
            shared.update(|state| state.threads -= 1);
        }
    }
    stop.cancelled().await;
    if let Err(error) = tokio::task::spawn_blocking(move || stop_all(&shared)).await {
        tracing::error!(%error, "worker processes may still be running");
    }
}

impl Keeper {
    fn keep_one_running(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let (name, began) = (self.group.fresh_name(), self.services.clock.now());
            let ended = self.run_once(&name);
            if self.shared.lock().stopping {
                break;
            }
            match ended {
                Ok(status) => tracing::error!(%status, "a worker process ended unexpectedly; its job will be tried again"),
                Err(error) => tracing::error!(%error, "a worker process cannot be started"),
            }
            self.runtime.block_on(give_up_leases(&self.services, Some(&name)));
            if self.services.clock.now() - began > LONG_ENOUGH {
                pause = FIRST_PAUSE;
            }
            if self.shared.wait(pause, |state| state.stopping) {
                break;
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        self.shared.update(|state| state.threads -= 1);
    }

    /// Runs a process from its start to its end.
    fn run_once(&self, name: &str) -> std::io::Result<String> {
        let mut state = self.shared.lock();
        if state.stopping {
            return Ok("not started".to_owned());
        }
        let mut child = self.launch.spawn(name, &self.group, self.services.db.url())?;
        let pid = pid_of(&child);
        state.running.extend(pid);
        drop(state);
        pid.into_iter().for_each(wait_for_end);
        self.shared.update(|state| state.running.retain(|running| Some(*running) != pid));
        Ok(child.wait()?.to_string())
    }
}

/// Ends the leases of dead workers, which would otherwise only expire later.
async fn give_up_leases(services: &Services, worker: Option<&str>) {
    let given_up = async {
        let mut connection = services.db.conn().await?;
        anyhow::Ok(queue::give_up_leases(&mut connection, worker).await?)
    };
    if let Err(error) = given_up.await {
        tracing::warn!(%error, "the jobs of a dead worker are rescued only when its lease expires");
    }
}

/// Ties the lifetime of this process, a worker process, to that of the one that started it, and makes it the first that the
/// system ends when memory runs out.
pub fn become_worker_process() {
    /// From -1,000 to 1,000: the system ends processes with higher values first.
    const READINESS_TO_END: &str = "800";
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", READINESS_TO_END) {
        tracing::debug!(%error, "the system may end other processes before this one when memory runs out");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        tracing::debug!(%error, "the end of the program is only detected by its pipe");
    }
    // No data is ever sent: the pipe ends with the program, also if that happened a moment ago.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
}
