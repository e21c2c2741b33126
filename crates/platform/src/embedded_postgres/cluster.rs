//! The folders of the private cluster, the lock that reserves them for this process, and the first initialisation.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::NAME;
use super::binaries::Binaries;
use super::data_folder::DataFolder;
use super::error::{EmbeddedPostgresError, WithPath};
use super::owner::Owner;

/// Locales to try for a new cluster: Unicode character classes with byte order, else plain C.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];
/// The server's log is rotated at start when it is larger than this.
const LOG_KEPT_BYTES: u64 = 10 * 1024 * 1024;

/// `DATA_DIR/postgres`, locked by this process.
pub(super) struct Cluster {
    home: PathBuf,
    data: PathBuf,
    _lock: Lock,
}

impl Cluster {
    /// Creates the folders and takes the lock; fails at once when another process holds it.
    pub fn open(data_dir: &Path) -> Result<Self, EmbeddedPostgresError> {
        fs::create_dir_all(data_dir).with_path("create", data_dir)?;
        let data_dir = data_dir.canonicalize().with_path("find", data_dir)?;
        let home = data_dir.join(super::CLUSTER_FOLDER);
        // 0711: the server's user, if it is another one, has to enter
        create_folder(&home, 0o711)?;
        let lock = lock(&home)?;
        let data = home.join("cluster");
        Ok(Self { home, data, _lock: lock })
    }

    /// Returns `DATA_DIR/postgres`.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Returns the path of PGDATA.
    pub fn path(&self) -> &Path {
        &self.data
    }

    pub fn log_file(&self) -> PathBuf {
        self.home.join("postgres.log")
    }

    /// Returns path and version of an existing cluster.
    pub fn major_version(&self) -> Result<Option<(PathBuf, String)>, EmbeddedPostgresError> {
        if !self.data.exists() {
            return Ok(None);
        }
        let file = self.data.join("PG_VERSION");
        let version = fs::read_to_string(&file).unwrap_or_default().trim().to_owned();
        let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if !is_version {
            return Err(EmbeddedPostgresError::NoVersion { file });
        }
        Ok(Some((self.data.clone(), version)))
    }

    /// Runs initdb and creates our database, in a sibling folder that gets its name only when complete.
    pub fn initialise(&self, binaries: &Binaries, owner: &Owner) -> Result<(), EmbeddedPostgresError> {
        if self.data.exists() {
            return Ok(());
        }
        let unfinished = self.home.join("cluster.new");
        self.run_initdb(binaries, owner, &unfinished)?;
        create_database(binaries, owner, &unfinished)?;
        fs::rename(&unfinished, &self.data).with_path("rename", &unfinished)?;
        File::open(&self.home).and_then(|folder| folder.sync_all()).with_path("sync", &self.home)
    }

    fn run_initdb(&self, binaries: &Binaries, owner: &Owner, folder: &Path) -> Result<(), EmbeddedPostgresError> {
        let mut output = String::new();
        for locale in LOCALES {
            if folder.exists() {
                fs::remove_dir_all(folder).with_path("remove", folder)?;
            }
            create_folder(folder, 0o700)?;
            owner.take(folder)?;
            let data = DataFolder::open(folder, owner)?;
            let mut command = data.command(&binaries.initdb(), owner);
            command.arg("-D").arg(data.argument()).args(["--username", NAME, "--encoding", "UTF8", "--locale", locale]).args([
                "--auth-local",
                "trust",
                "--auth-host",
                "reject",
            ]);
            let done = command.output().with_path("run", &binaries.initdb())?;
            if done.status.success() {
                return Ok(());
            }
            output = String::from_utf8_lossy(&done.stderr).into_owned();
        }
        Err(EmbeddedPostgresError::Initdb { path: self.data.clone(), output })
    }

    /// Opens the server's log for appending; a large one is rotated first.
    pub fn open_log(&self) -> Result<File, EmbeddedPostgresError> {
        let path = self.log_file();
        if fs::metadata(&path).is_ok_and(|log| log.len() > LOG_KEPT_BYTES) {
            fs::rename(&path, path.with_extension("log.old")).with_path("rename", &path)?;
        }
        OpenOptions::new().create(true).append(true).mode(0o600).open(&path).with_path("open", &path)
    }
}

/// Creates a folder with exactly this mode; an existing one is left as it is.
pub(super) fn create_folder(path: &Path, mode: u32) -> Result<(), EmbeddedPostgresError> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().mode(mode).create(path).with_path("create", path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).with_path("set the mode of", path)
}

/// The lock of a cluster. It ends with this value, even if another thread is starting a program at that moment, which holds a copy of
/// the file until it runs.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::debug!(%error, "the lock of the cluster ends with its file");
        }
    }
}

fn lock(home: &Path) -> Result<Lock, EmbeddedPostgresError> {
    let path = home.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).with_path("open", &path)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(EmbeddedPostgresError::AlreadyRunning { path: home.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(error).with_path("lock", &path),
    }
}

/// Returns whether a process owns the cluster below this folder.
pub(super) fn is_taken(home: &Path) -> Result<bool, EmbeddedPostgresError> {
    if !home.join("lock").exists() {
        return Ok(false);
    }
    match lock(home) {
        Ok(_) => Ok(false),
        Err(EmbeddedPostgresError::AlreadyRunning { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Creates our database with the server in single-user mode, which needs no socket.
fn create_database(binaries: &Binaries, owner: &Owner, folder: &Path) -> Result<(), EmbeddedPostgresError> {
    let program = binaries.postgres();
    let data = DataFolder::open(folder, owner)?;
    let mut command = data.command(&program, owner);
    let mut child = command
        .args(["--single", "-D"])
        .arg(data.argument())
        .args(["-c", "log_checkpoints=off", "postgres"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_path("run", &program)?;
    if let Some(mut stdin) = child.stdin.take() {
        writeln!(stdin, "CREATE DATABASE {NAME};").with_path("write to", &program)?;
    }
    let done = child.wait_with_output().with_path("run", &program)?;
    let output = String::from_utf8_lossy(&done.stderr).into_owned();
    // single-user mode exits with 0 even after an error in a statement
    if done.status.success() && !output.contains("ERROR:") {
        return Ok(());
    }
    Err(EmbeddedPostgresError::Initdb { path: folder.to_path_buf(), output })
}
