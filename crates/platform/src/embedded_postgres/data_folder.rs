//! The data folder as a server program sees it, and the commands that work in it.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::process::Signal;

use super::error::{EmbeddedPostgresError, WithPath};
use super::owner::Owner;

/// The server's reference to its data folder: by path, or, when its user cannot reach it, by an open descriptor that it inherits.
/// The descriptor must stay open until the process has been spawned.
pub(super) struct DataFolder {
    argument: OsString,
    descriptor: Option<Arc<OwnedFd>>,
}

impl DataFolder {
    pub fn open(path: &Path, owner: &Owner) -> Result<Self, EmbeddedPostgresError> {
        if owner.can_reach(path) {
            return Ok(Self { argument: path.as_os_str().to_owned(), descriptor: None });
        }
        let descriptor = OwnedFd::from(File::open(path).with_path("open", path)?);
        Ok(Self { argument: format!("/proc/self/fd/{}", descriptor.as_raw_fd()).into(), descriptor: Some(Arc::new(descriptor)) })
    }

    /// Returns the value of `-D`.
    pub fn argument(&self) -> &OsString {
        &self.argument
    }

    /// Creates the command of a server program with a clean environment, as the right user, in a process group of its own so that
    /// Ctrl-C on the terminal reaches only this process.
    pub fn command(&self, program: &Path, owner: &Owner) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").current_dir("/").process_group(0).stdin(Stdio::null());
        owner.applied_to(&mut command);
        let inherited = self.descriptor.clone();
        let parent = rustix::process::getpid();
        // SAFETY: between fork and exec only system calls are made, nothing is allocated
        unsafe {
            command.pre_exec(move || {
                if let Some(descriptor) = &inherited {
                    rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::empty())?;
                }
                die_with_parent(parent)
            });
        }
        command
    }
}

/// Makes the kernel send a fast shutdown to this process when the thread that spawned it ends.
#[cfg(target_os = "linux")]
fn die_with_parent(parent: rustix::process::Pid) -> std::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::INT))?;
    if rustix::process::getppid() == Some(parent) {
        return Ok(());
    }
    Err(std::io::ErrorKind::BrokenPipe.into()) // it died before the call
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_parent: rustix::process::Pid) -> std::io::Result<()> {
    Ok(())
}
