//! A network between a server and its database that can stop carrying data, without closing a connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use recotem::platform::db::Database;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// A network that carries all data until it is frozen. Connections that listen to notifications continue: a change is announced,
/// but cannot be read.
pub struct FrozenNetwork {
    pub database: Database,
    is_frozen: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl FrozenNetwork {
    /// Creates a network in front of a database, which carries everything at first.
    pub fn before(database: &Database) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (base, host) = database.url().split_once("host=").expect("a socket");
        let real = PathBuf::from(percent_decoded(host));
        let socket = std::fs::read_dir(&real).expect("a folder").find_map(|entry| socket_name(&entry.ok()?.path()));
        let socket = socket.expect("a socket");
        let listener = UnixListener::bind(folder.path().join(&socket)).expect("a socket");
        let (is_frozen, frozen) = watch::channel(false);
        tokio::spawn(accept(listener, real.join(socket), frozen));
        let url = format!("{base}host={}", folder.path().to_string_lossy().replace('/', "%2F"));
        Self { database: Database::new(&url, 4).expect("a pool"), is_frozen, _folder: folder }
    }

    /// Stops carrying data from now on.
    pub fn freeze(&self) {
        self.is_frozen.send_replace(true);
    }

    /// Carries everything again, including what was sent meanwhile.
    pub fn thaw(&self) {
        self.is_frozen.send_replace(false);
    }
}

fn socket_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    (name.starts_with(".s.PGSQL.") && !name.ends_with(".lock")).then(|| name.to_owned())
}

fn percent_decoded(text: &str) -> String {
    let pair = format!("x={text}");
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

async fn accept(listener: UnixListener, real: PathBuf, frozen: watch::Receiver<bool>) {
    while let Ok((client, _)) = listener.accept().await {
        let (real, frozen) = (real.clone(), frozen.clone());
        tokio::spawn(async move {
            let Ok(server) = UnixStream::connect(real).await else { return };
            let ((client_out, client_in), (server_out, server_in)) = (client.into_split(), server.into_split());
            let listens = Arc::new(AtomicBool::new(false));
            let up = carry(client_out, server_in, frozen.clone(), Arc::clone(&listens));
            tokio::join!(up, carry(server_out, client_in, frozen, listens));
        });
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut frozen: watch::Receiver<bool>,
    listens: Arc<AtomicBool>,
) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if piece[..length].windows(7).any(|word| word == b"LISTEN ") {
            listens.store(true, Ordering::SeqCst);
        }
        if !listens.load(Ordering::SeqCst) && frozen.wait_for(|frozen| !frozen).await.is_err() {
            return;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
