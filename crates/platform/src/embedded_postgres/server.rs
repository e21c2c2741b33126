//! Starts one server process and waits until it is ready.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::Duration;

use super::binaries::Binaries;
use super::cluster::Cluster;
use super::data_folder::DataFolder;
use super::error::{EmbeddedPostgresError, WithPath};
use super::leftovers;
use super::owner::Owner;
use super::socket::SocketFolder;

const POLL: Duration = Duration::from_millis(10);
/// Polls before a start is given up: recovery after a crash may take minutes.
const START_POLLS: u32 = 30_000;
const LOG_LINES_SHOWN: usize = 15;

/// Everything needed to start the server repeatedly.
pub(super) struct Server {
    binaries: Binaries,
    owner: Owner,
    cluster: Cluster,
    socket_folder: PathBuf,
    settings: Vec<(String, String)>,
}

impl Server {
    pub fn new(binaries: Binaries, owner: Owner, cluster: Cluster, socket: &SocketFolder, settings: &[(&str, &str)]) -> Self {
        Self {
            binaries,
            owner,
            cluster,
            socket_folder: socket.path().to_path_buf(),
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    /// Spawns the server after ending the processes that an earlier run left behind.
    pub fn spawn(&self) -> Result<Child, EmbeddedPostgresError> {
        leftovers::clear(self.cluster.path(), &self.socket_folder)?;
        let program = self.binaries.postgres();
        let data = DataFolder::open(self.cluster.path(), &self.owner)?;
        let log = self.cluster.open_log()?;
        let mut command = data.command(&program, &self.owner);
        command.arg("-D").arg(data.argument());
        for (name, value) in self.own_settings().into_iter().chain(self.settings.clone()) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.stdout(log.try_clone().with_path("open", &self.cluster.log_file())?).stderr(log);
        command.spawn().with_path("run", &program)
    }

    fn own_settings(&self) -> [(String, String); 5] {
        // PostgreSQL splits the list of folders at commas, and quotes prevent that
        let socket_folder = self.socket_folder.display().to_string().replace('"', "\"\"");
        [
            ("listen_addresses".into(), String::new()),
            ("unix_socket_directories".into(), format!("\"{socket_folder}\"")),
            ("unix_socket_permissions".into(), "0700".into()),
            ("logging_collector".into(), "off".into()),
            ("cluster_name".into(), super::NAME.into()),
        ]
    }

    /// Waits until the process accepts connections, ends, or `given_up` is true.
    pub fn wait_until_ready(&self, child: &mut Child, given_up: impl Fn() -> bool) -> Result<(), EmbeddedPostgresError> {
        for _ in 0..START_POLLS {
            if is_ready(self.cluster.path(), child.id()) {
                return Ok(());
            }
            let ended = child.try_wait().with_path("watch", &self.binaries.postgres())?;
            if let Some(status) = ended {
                return Err(self.not_started(status.to_string()));
            }
            if given_up() {
                return Err(self.not_started("it was stopped".into()));
            }
            thread::sleep(POLL);
        }
        Err(self.not_started("it was not ready in time".into()))
    }

    fn not_started(&self, reason: String) -> EmbeddedPostgresError {
        let log = self.cluster.log_file();
        let text = fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let output = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n");
        EmbeddedPostgresError::NotStarted { reason, log, output }
    }
}

/// Returns whether the server is ready: it writes its pid into the first line of postmaster.pid and its status into the last.
fn is_ready(cluster: &Path, pid: u32) -> bool {
    let Ok(text) = fs::read_to_string(cluster.join("postmaster.pid")) else {
        return false;
    };
    let mut lines = text.lines().map(str::trim);
    lines.next() == Some(pid.to_string().as_str()) && lines.next_back() == Some("ready")
}
