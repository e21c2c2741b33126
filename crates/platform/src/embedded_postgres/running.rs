//! Finds the server that another process runs in a data directory.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::error::{EmbeddedPostgresError, WithPath};
use super::socket::{self, SOCKET_NAME};

/// The line of postmaster.pid that names the folder of the socket.
const SOCKET_LINE: usize = 4;

/// Returns the URL of the server below `home` (`DATA_DIR/postgres`) if it accepts connections. The modes of the files decide who
/// may connect: the cluster and the socket are accessible to their owner only.
pub(super) fn database_url(home: &Path) -> Result<Option<String>, EmbeddedPostgresError> {
    let file = home.join("cluster/postmaster.pid");
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.with_path("read", &file)?,
    };
    // A killed server leaves its file behind; only a living one answers.
    let folder = text.lines().nth(SOCKET_LINE).filter(|folder| !folder.is_empty()).map(Path::new);
    let answering = folder.filter(|folder| UnixStream::connect(folder.join(SOCKET_NAME)).is_ok());
    Ok(answering.map(socket::database_url))
}
