//! Child processes, each kept by a thread that starts it and sees its end.

use std::process::Child;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// A state that one thread changes and others wait for.
#[derive(Default)]
pub struct Watched<S> {
    state: Mutex<S>,
    changed: Condvar,
}

impl<S> Watched<S> {
    /// Locks the state, to read it.
    pub fn lock(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Changes the state and wakes the threads that wait for it.
    pub fn update(&self, change: impl FnOnce(&mut S)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until the condition holds or the time is over; returns whether it holds.
    pub fn wait(&self, longest: Duration, condition: impl Fn(&S) -> bool) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), longest, |state| !condition(state))
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        condition(&state)
    }
}

/// Returns the id of a process.
pub fn pid_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Waits for the end of a process without reaping it, so that its id is not reused until the caller has struck it off.
pub fn wait_for_end(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_waits_for_what_another_changes() {
        let watched = Watched::<u32>::default();
        std::thread::scope(|scope| {
            scope.spawn(|| watched.update(|state| *state = 1));
            assert!(watched.wait(Duration::from_secs(60), |state| *state == 1));
        });
        assert!(!watched.wait(Duration::ZERO, |state| *state == 2));
    }

    #[test]
    fn a_process_that_has_ended_keeps_its_id_until_it_is_reaped() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = pid_of(&child).unwrap();
        wait_for_end(pid);
        assert!(rustix::process::test_kill_process(pid).is_ok());
        assert!(child.wait().unwrap().success());
    }
}
