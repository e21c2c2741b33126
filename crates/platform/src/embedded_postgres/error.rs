//! Errors of the private PostgreSQL, each with a remedy.

use std::io;
use std::path::{Path, PathBuf};

/// Why the private PostgreSQL could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedPostgresError {
    #[error(
        "No PostgreSQL server found. Recotem runs its own private one and needs the server programs \
         `postgres` and `initdb`: install them with `apt-get install postgresql` (Debian, Ubuntu) or \
         `dnf install postgresql-server` (Fedora), name their folder in RECOTEM_POSTGRES_BIN_DIR, or set \
         DATABASE_URL to use a server that already runs. Looked in: {}",
        .looked_in.join(", ")
    )]
    NoBinaries { looked_in: Vec<String> },

    #[error(
        "{} was created by PostgreSQL {cluster}, but only PostgreSQL {} is installed. Install the old version next to it \
         (`apt-get install postgresql-{cluster}`) and start again; or, to move to the new version, dump with the \
         old one, move the folder away, start again and restore the dump. Nothing was changed.",
        .path.display(), .installed.join(" and ")
    )]
    VersionMismatch { path: PathBuf, cluster: String, installed: Vec<String> },

    #[error(
        "{} cannot be read, or does not say which version of PostgreSQL made this database. If the folder around it is a \
         database of Recotem, restore it from a backup, or give it back to the user who runs Recotem; if it is none, move it \
         away, and a new one is made at the next start. Nothing was changed.",
        .file.display()
    )]
    NoVersion { file: PathBuf },

    #[error(
        "Another process already runs the database in {}. Stop it first, or choose another data directory \
         (--data-dir or RECOTEM_DATA_DIR).",
        .path.display()
    )]
    AlreadyRunning { path: PathBuf },

    #[error(
        "Another process runs the database in {}, but it does not answer. Look at that process and at postgres.log there.",
        .path.display()
    )]
    NotAnswering { path: PathBuf },

    #[error(
        "PostgreSQL refuses to run as root, and there is no user named `postgres` to run it as. Create one \
         (`useradd --system postgres`), start Recotem as an ordinary user, or set DATABASE_URL."
    )]
    NoPostgresUser,

    #[error(
        "{} belongs to user id {owner}, but Recotem runs as user id {current}. Start it as that user or as root, \
         or give the folder to this one (`chown -R {current} {}`).",
        .path.display(), .path.display()
    )]
    WrongOwner { path: PathBuf, owner: u32, current: u32 },

    #[error("Could not create the database cluster in {}: {output}", .path.display())]
    Initdb { path: PathBuf, output: String },

    #[error("PostgreSQL failed to start ({reason}). End of {}:\n{output}", .log.display())]
    NotStarted { reason: String, log: PathBuf, output: String },

    #[error(
        "PostgreSQL processes of an earlier run still use {} and do not stop: {}. End them and start again.",
        .path.display(), .pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
    )]
    Leftovers { path: PathBuf, pids: Vec<u32> },

    #[error("Could not {action} {}: {source}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

/// Adds the file and the action to an I/O error.
pub(super) trait WithPath<T> {
    fn with_path(self, action: &'static str, path: &Path) -> Result<T, EmbeddedPostgresError>;
}

impl<T, E: Into<io::Error>> WithPath<T> for Result<T, E> {
    fn with_path(self, action: &'static str, path: &Path) -> Result<T, EmbeddedPostgresError> {
        self.map_err(|error| EmbeddedPostgresError::Io { action, path: path.to_path_buf(), source: error.into() })
    }
}
