//! The thread that owns the server process: starts it, restarts it when it dies, stops it.
//!
//! The kernel ties the server's lifetime to the thread that spawned it, hence a separate thread that lives as long as the server
//! should.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::error::EmbeddedPostgresError;
use super::server::Server;
use crate::children::{Watched, pid_of, wait_for_end};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Longest time for each way of stopping: fast, immediate, kill.
const STOP_STEPS: [(Signal, Duration); 3] =
    [(Signal::INT, Duration::from_secs(30)), (Signal::QUIT, Duration::from_secs(5)), (Signal::KILL, Duration::from_secs(5))];

type StartResult = Result<(), EmbeddedPostgresError>;

#[derive(Default)]
struct State {
    /// The server, until its end has been seen; only then may the system give its pid to another.
    running: Option<Pid>,
    stopping: bool,
    finished: bool,
}

/// Handle of the supervising thread.
pub(super) struct Supervisor {
    shared: Arc<Watched<State>>,
}

impl Supervisor {
    /// Returns when the server takes connections, or could not be started.
    pub fn start(server: Server) -> Result<Self, EmbeddedPostgresError> {
        let shared = Arc::new(Watched::<State>::default());
        let (started, result) = sync_channel(1);
        let of_thread = Arc::clone(&shared);
        thread::Builder::new()
            .name("embedded-postgres".into())
            .spawn(move || {
                let outcome = supervise(&server, &of_thread, &started);
                drop(server); // releases the lock of the cluster before the end is announced
                let _ = started.send(outcome); // received only after a failed start
                of_thread.update(|state| state.finished = true);
            })
            .map_err(|source| EmbeddedPostgresError::Io { action: "start", path: "a thread".into(), source })?;
        match result.recv() {
            Ok(Ok(())) => Ok(Self { shared }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(EmbeddedPostgresError::NotStarted {
                reason: "its supervisor ended".into(),
                log: "the program's log".into(),
                output: String::new(),
            }),
        }
    }

    pub fn server_pid(&self) -> Option<u32> {
        let pid = self.shared.lock().running?;
        u32::try_from(pid.as_raw_nonzero().get()).ok()
    }

    /// Stops the server for good and waits for it.
    pub fn stop(&self) {
        self.shared.update(|state| state.stopping = true);
        for (signal, longest) in STOP_STEPS {
            if let Some(pid) = self.shared.lock().running {
                let _ = kill_process(pid, signal); // an error means that it has ended
            }
            if self.shared.wait(longest, |state| state.finished) {
                return;
            }
        }
        tracing::error!("the private PostgreSQL did not stop");
    }
}

fn supervise(server: &Server, shared: &Watched<State>, started: &SyncSender<StartResult>) -> StartResult {
    run_once(server, shared, || {
        let _ = started.send(Ok(())); // the receiver waits for it
    })?;
    let mut pause = FIRST_PAUSE;
    while !shared.wait(pause, |state| state.stopping) {
        tracing::error!("the private PostgreSQL ended unexpectedly; restarting it");
        let mut ready = false;
        let outcome = run_once(server, shared, || ready = true);
        if let Err(error) = outcome {
            tracing::error!(%error, "the private PostgreSQL cannot be restarted");
        }
        pause = if ready { FIRST_PAUSE } else { LONGEST_PAUSE.min(pause * 2) };
    }
    Ok(())
}

/// Runs the server from its start to its end. An error means that it never became ready.
fn run_once(server: &Server, shared: &Watched<State>, when_ready: impl FnOnce()) -> StartResult {
    let mut child = server.spawn()?;
    let pid = pid_of(&child);
    shared.update(|state| state.running = pid);
    let ready = server.wait_until_ready(&mut child, || shared.lock().stopping);
    if ready.is_ok() {
        when_ready();
        pid.into_iter().for_each(wait_for_end);
    } else {
        let _ = child.kill(); // it may have ended already
    }
    shared.update(|state| state.running = None);
    let status = child.wait();
    tracing::debug!(?status, "the private PostgreSQL ended");
    ready
}
