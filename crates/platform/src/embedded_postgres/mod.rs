//! A private PostgreSQL: a cluster inside the data directory, run by this process from server binaries found on the machine,
//! reachable only through a unix socket, stopped with this process.
//!
//! ```text
//! DATA_DIR/postgres/lock          held while a process owns the cluster
//! DATA_DIR/postgres/cluster/      PGDATA, created once by initdb (under another name, then renamed)
//! DATA_DIR/postgres/socket/       mode 0700; a short temporary folder instead when the path is too long
//! DATA_DIR/postgres/postgres.log  the server's output; the previous one is kept as postgres.log.old
//! ```
//!
//! Started as root, the server runs as the `postgres` user, because PostgreSQL refuses root. The folders above belong to that
//! user; nothing outside `DATA_DIR/postgres` changes mode or owner. When that user cannot reach the cluster (a home of mode
//! 0700), the server gets an open descriptor of it instead of its path. Everything here is blocking and needs no async runtime.

mod binaries;
mod cluster;
mod data_folder;
mod error;
mod leftovers;
mod owner;
mod running;
mod server;
mod socket;
mod supervisor;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

pub use error::EmbeddedPostgresError;

use binaries::Binaries;
use cluster::Cluster;
use owner::Owner;
use server::Server;
use socket::SocketFolder;
use supervisor::Supervisor;

/// Superuser and database of the private cluster.
const NAME: &str = "recotem";

/// The folder of the private PostgreSQL in the data directory.
pub const CLUSTER_FOLDER: &str = "postgres";

/// Folders of the cluster and of the server that runs it.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedOptions {
    /// The program's data directory; the cluster goes into its `postgres` folder.
    pub data_dir: PathBuf,
    /// Folder of `postgres` and `initdb`; without it the usual places are searched.
    pub bin_dir: Option<PathBuf>,
}

/// Polls of a start that found the cluster taken, and the pause between them: a server may just be starting.
const JOIN_POLLS: u32 = 600;
const JOIN_PAUSE: Duration = Duration::from_millis(50);

/// The private PostgreSQL of a data directory, run by this process or by another one.
pub enum PrivatePostgres {
    Own(EmbeddedPostgres),
    /// The URL of a server that another process runs.
    OfAnother(String),
}

impl PrivatePostgres {
    /// Starts the server, or joins the one that another process runs already. The latter ends with that process.
    pub fn start_or_join(options: &EmbeddedOptions) -> Result<Self, EmbeddedPostgresError> {
        let mut polls = 0;
        loop {
            match EmbeddedPostgres::start(options) {
                Err(EmbeddedPostgresError::AlreadyRunning { path }) => {
                    if let Some(url) = running::database_url(&path)? {
                        return Ok(Self::OfAnother(url));
                    }
                    if polls == JOIN_POLLS {
                        return Err(EmbeddedPostgresError::NotAnswering { path });
                    }
                }
                started => return started.map(Self::Own),
            }
            polls += 1;
            thread::sleep(JOIN_PAUSE);
        }
    }

    /// Waits for the server that another process runs or is starting, and returns its URL; `None` when no process runs one.
    pub fn running(data_dir: &Path) -> Result<Option<String>, EmbeddedPostgresError> {
        let home = data_dir.join(CLUSTER_FOLDER);
        for _ in 0..JOIN_POLLS {
            if let Some(url) = running::database_url(&home)? {
                return Ok(Some(url));
            }
            if !cluster::is_taken(&home)? {
                return Ok(None);
            }
            thread::sleep(JOIN_PAUSE);
        }
        Err(EmbeddedPostgresError::NotAnswering { path: home })
    }

    /// Returns a connection URL.
    pub fn database_url(&self) -> String {
        match self {
            Self::Own(postgres) => postgres.database_url(),
            Self::OfAnother(url) => url.clone(),
        }
    }
}

/// A running private PostgreSQL. It is restarted when it dies and stopped on drop.
pub struct EmbeddedPostgres {
    supervisor: Supervisor,
    socket: SocketFolder,
    log_file: PathBuf,
}

impl EmbeddedPostgres {
    /// Creates the cluster if there is none yet, starts the server and waits until it accepts connections.
    pub fn start(options: &EmbeddedOptions) -> Result<Self, EmbeddedPostgresError> {
        Self::start_with_settings(options, &[])
    }

    /// Starts the server with settings such as `("fsync", "off")` for throw-away clusters.
    pub fn start_with_settings(options: &EmbeddedOptions, settings: &[(&str, &str)]) -> Result<Self, EmbeddedPostgresError> {
        let cluster = Cluster::open(&options.data_dir)?;
        let owner = Owner::of_cluster(cluster.path())?;
        let binaries = Binaries::find(options.bin_dir.as_deref(), cluster.major_version()?)?;
        cluster.initialise(&binaries, &owner)?;
        let socket = SocketFolder::prepare(&cluster, &owner)?;
        let log_file = cluster.log_file();
        let server = Server::new(binaries, owner, cluster, &socket, settings);
        let supervisor = Supervisor::start(server)?;
        Ok(Self { supervisor, socket, log_file })
    }

    /// Returns a connection URL that libpq, tokio-postgres and diesel-async all accept.
    pub fn database_url(&self) -> String {
        self.socket.database_url()
    }

    /// Returns the path of the server's log.
    pub fn log_file(&self) -> &Path {
        &self.log_file
    }

    /// Returns the process id of the server while it runs.
    pub fn server_pid(&self) -> Option<u32> {
        self.supervisor.server_pid()
    }

    /// Stops the server: open transactions are rolled back, everything committed is on disk. A second call does no harm.
    pub fn stop(&self) {
        self.supervisor.stop();
        self.socket.remove();
    }
}

impl Drop for EmbeddedPostgres {
    fn drop(&mut self) {
        self.stop();
    }
}
