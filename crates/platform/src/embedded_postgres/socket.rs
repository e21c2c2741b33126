//! The folder of the unix socket.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::NAME;
use super::cluster::{Cluster, create_folder};
use super::error::{EmbeddedPostgresError, WithPath};
use super::owner::Owner;

/// Name of the socket of PostgreSQL's default port.
pub(super) const SOCKET_NAME: &str = ".s.PGSQL.5432";
/// The kernel's limit for the path of a socket.
const LONGEST_PATH: usize = 107;

/// A folder of mode 0700 that belongs to the server's user.
pub(super) struct SocketFolder {
    path: PathBuf,
    temporary: bool,
}

impl SocketFolder {
    /// Returns `DATA_DIR/postgres/socket`, or a temporary folder when that is too long or out of the server's reach.
    pub fn prepare(cluster: &Cluster, owner: &Owner) -> Result<Self, EmbeddedPostgresError> {
        let usual = cluster.home().join("socket");
        let temporary = !(fits(&usual) && owner.can_reach(&usual));
        let path = if temporary { temporary_folder(cluster, owner)? } else { usual };
        create_folder(&path, 0o700)?;
        owner.take(&path)?;
        Ok(Self { path, temporary })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn database_url(&self) -> String {
        database_url(&self.path)
    }

    /// Removes a temporary folder.
    pub fn remove(&self) {
        if self.temporary {
            let _ = fs::remove_dir(&self.path); // it stays if it is not empty
        }
    }
}

/// Returns the URL of our database behind the socket in a folder.
pub(super) fn database_url(folder: &Path) -> String {
    let host = percent_encoded(&folder.to_string_lossy());
    format!("postgresql://{NAME}@/{NAME}?host={host}")
}

/// Returns a temporary folder named after the cluster, so that a killed run's folder is found and used again. A folder of that
/// name owned by another user is never used.
fn temporary_folder(cluster: &Cluster, owner: &Owner) -> Result<PathBuf, EmbeddedPostgresError> {
    let identity = fs::metadata(cluster.path()).with_path("read", cluster.path())?;
    let name = format!("recotem-{:x}-{:x}", identity.dev(), identity.ino());
    let usual = std::env::temp_dir().join(&name);
    let folder = if fits(&usual) && owner.can_reach(&usual) { usual } else { Path::new("/tmp").join(&name) };
    if is_acceptable(&folder, owner) {
        return Ok(folder);
    }
    Ok(folder.with_file_name(format!("{name}-{}", std::process::id())))
}

fn is_acceptable(folder: &Path, owner: &Owner) -> bool {
    let Ok(found) = fs::symlink_metadata(folder) else {
        return true; // to be created
    };
    let ours = [owner.uid(), rustix::process::geteuid().as_raw()].contains(&found.uid());
    found.is_dir() && ours && found.mode() & 0o077 == 0
}

fn fits(folder: &Path) -> bool {
    folder.as_os_str().len() + 1 + SOCKET_NAME.len() <= LONGEST_PATH
}

fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}"); // writing to a String cannot fail
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_folders_do_not_fit() {
        assert!(fits(Path::new("/var/lib/recotem/postgres/socket")));
        assert!(fits(Path::new(&"x".repeat(93))));
        assert!(!fits(Path::new(&"x".repeat(94))));
    }

    #[test]
    fn odd_folder_names_survive_a_url() {
        assert_eq!(percent_encoded("/a b/ü&?"), "/a%20b/%C3%BC%26%3F");
    }
}
