//! The built program as a process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::app::SECRET;

pub use super::app::PASSWORD;

/// The pause between two polls of a process.
pub const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A started process; killed when dropped.
pub struct Process(Child);

/// Returns the program with its arguments, on a data directory and a database; on a private one without a URL.
pub fn program(arguments: &[&str], data_dir: &Path, database: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recotem"));
    command.args(arguments).arg("--data-dir").arg(data_dir);
    command.env("DEFAULT_ADMIN_PASSWORD", PASSWORD).env("SECRET_KEY", SECRET);
    command.env("THROTTLE_USER_RATE", "100000/min").env("THROTTLE_LOGIN_RATE", "1000/min");
    command.env("INFERENCE_RATE_LIMIT", "10000000/min");
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    match database {
        Some(url) => command.env("DATABASE_URL", url),
        None => command.env_remove("DATABASE_URL"),
    };
    command
}

impl Process {
    /// Starts the program.
    pub fn start(arguments: &[&str], data_dir: &Path, database: Option<&str>) -> Self {
        Self::spawn(program(arguments, data_dir, database))
    }

    /// Starts a command that [`program`] returned.
    pub fn spawn(mut command: Command) -> Self {
        Self(command.spawn().expect("the program starts"))
    }

    /// Starts a server on a free port; returns it and its address.
    pub fn serve(more: &[&str], data_dir: &Path, database: Option<&str>) -> (Self, String) {
        let mut process = Self::start(&[&["serve", "--bind", "127.0.0.1:0"], more].concat(), data_dir, database);
        let address = process.says("Recotem is ready on ");
        (process, address)
    }

    /// Starts a process in the role `infer` on a free port; returns it and its address.
    pub fn infer(data_dir: &Path, database: Option<&str>) -> (Self, String) {
        let mut process = Self::start(&["infer", "--bind", "127.0.0.1:0"], data_dir, database);
        let address = process.says("Recotem answers predictions on ");
        (process, address.trim_end_matches("/inference").to_owned())
    }

    /// Waits for a line with this beginning, and returns the rest of it. Can be called once.
    pub fn says(&mut self, beginning: &str) -> String {
        let output = self.0.stdout.take().expect("its output");
        let mut lines = BufReader::new(output).lines();
        let line = lines.find_map(|line| line.ok()?.strip_prefix(beginning).map(str::to_owned));
        line.unwrap_or_else(|| panic!("the program did not say {beginning:?}"))
    }

    /// Returns the lines of its log, once it has ended. Its command must have piped the log.
    pub fn log(&mut self) -> std::thread::JoinHandle<Vec<String>> {
        let log = self.0.stderr.take().expect("its log");
        std::thread::spawn(move || BufReader::new(log).lines().map_while(Result::ok).collect())
    }

    /// Sends SIGKILL: the process has no chance to clean up.
    pub fn kill(mut self) {
        self.0.kill().expect("it was running");
        self.0.wait().expect("it ends");
    }

    /// Sends SIGTERM, and returns the exit status.
    pub async fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("it was running");
        let ended = tokio::task::spawn_blocking(move || self.0.wait().expect("it ends").code());
        ended.await.expect("it ends")
    }

    /// Returns the bytes of memory that it holds.
    pub fn memory(&self) -> u64 {
        self.bytes_of("VmRSS:")
    }

    /// Returns the most bytes of memory that it has held.
    pub fn most_memory(&self) -> u64 {
        self.bytes_of("VmHWM:")
    }

    fn bytes_of(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// Waits until it has started `n` worker processes, and returns them.
    pub async fn workers(&self, n: usize) -> Vec<Pid> {
        loop {
            let found = worker_processes(self.0.id());
            if found.len() == n {
                return found;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the worker processes that a process has started.
fn worker_processes(parent: u32) -> Vec<Pid> {
    let parent = parent.to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("processes").flatten() {
        let (stat, command) = (std::fs::read_to_string(entry.path().join("stat")), std::fs::read(entry.path().join("cmdline")));
        let (Ok(stat), Ok(command)) = (stat, command) else { continue };
        let of_parent = stat.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(1)) == Some(parent.as_str());
        if of_parent && command.windows(10).any(|words| words == b"job-worker") {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).expect("a number");
            found.extend(Pid::from_raw(pid));
        }
    }
    found
}

/// Returns whether a process has not ended yet.
pub fn is_alive(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

/// Creates a folder that the private PostgreSQL's own user can reach.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("permissions");
    folder
}
