//! What a killed run may leave behind: server processes that are still ending, and lock files that name processes that are
//! zombies or have been replaced by others.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::error::EmbeddedPostgresError;
use super::socket::SOCKET_NAME;

const POLL: Duration = Duration::from_millis(20);
/// Polls after each signal, gentle ones first: none, fast shutdown, immediate shutdown, kill.
const STEPS: [(Option<Signal>, u32); 4] =
    [(None, 25), (Some(Signal::INT), 1_000), (Some(Signal::QUIT), 250), (Some(Signal::KILL), 100)];

/// Ends every server process that works in the cluster and removes the locks. The caller holds our own lock, so none of them has
/// a living supervisor.
pub(super) fn clear(cluster: &Path, socket_folder: &Path) -> Result<(), EmbeddedPostgresError> {
    if !Path::new("/proc/self/cwd").exists() {
        return Ok(()); // no /proc: PostgreSQL's own checks have to suffice
    }
    for (signal, polls) in STEPS {
        for poll in 0..polls {
            let running = servers_in(cluster);
            if running.is_empty() {
                remove_locks(cluster, socket_folder);
                return Ok(());
            }
            if poll == 0 {
                send(signal, &running);
            }
            thread::sleep(POLL);
        }
    }
    Err(EmbeddedPostgresError::Leftovers { path: cluster.to_path_buf(), pids: servers_in(cluster) })
}

/// Finds processes named `postgres` whose working folder is the cluster. Matching the folder itself (device and inode) rather
/// than a recorded pid ensures that a reused pid or a zombie is never hit.
fn servers_in(cluster: &Path) -> Vec<u32> {
    let (Ok(cluster), Ok(processes)) = (fs::metadata(cluster), fs::read_dir("/proc")) else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let folder = fs::metadata(format!("/proc/{pid}/cwd"));
            folder.is_ok_and(|f| (f.dev(), f.ino()) == (cluster.dev(), cluster.ino()))
                && fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres")
        })
        .collect()
}

fn send(signal: Option<Signal>, pids: &[u32]) {
    let Some(signal) = signal else { return };
    for &pid in pids {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal); // an error means that it has ended
        }
    }
}

fn remove_locks(cluster: &Path, socket_folder: &Path) {
    let locks =
        [cluster.join("postmaster.pid"), socket_folder.join(format!("{SOCKET_NAME}.lock")), socket_folder.join(SOCKET_NAME)];
    for lock in locks {
        let _ = fs::remove_file(lock); // usually absent
    }
}
