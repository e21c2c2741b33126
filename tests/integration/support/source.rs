//! A database of the tests as a server that others reach by TCP, encrypted or not, on a network that may fail.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use recotem::connectors::{ConnectionKind, Connector, Settings};
use recotem::platform::config::OutboundSettings;
use recotem::platform::db::Database;
use recotem::platform::outbound::{Outbound, Policy};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The authority of the test server's certificate, which is for `localhost`.
pub const AUTHORITY: &str = include_str!("certificates/ca.pem");

/// The length of PostgreSQL's request for encryption.
const SSL_REQUEST: usize = 8;

/// A server that forwards connections to a database of the tests.
pub struct Source {
    pub port: u16,
    database: String,
    username: String,
    network: Arc<Network>,
}

/// What the connections of a source share.
struct Network {
    socket: PathBuf,
    /// Bytes from the server after which a connection breaks.
    breaks_after: AtomicU64,
    is_encrypted: AtomicBool,
    connections: AtomicUsize,
}

impl Source {
    /// Listens on a free port in front of a database.
    pub async fn before(database: &Database) -> Self {
        // The address of a server on a socket has no host.
        let url = url::Url::parse(&database.url().replace("@/", "@socket/")).expect("a URL");
        let folder = url.query_pairs().find(|(name, _)| name == "host").expect("a socket").1.into_owned();
        let is_socket = |name: &str| name.starts_with(".s.PGSQL.") && !name.ends_with(".lock");
        let names = std::fs::read_dir(&folder).expect("a folder").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let socket = PathBuf::from(&folder).join(names.into_iter().find(|name| is_socket(name)).expect("a socket"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let network = Arc::new(Network {
            socket,
            breaks_after: AtomicU64::new(u64::MAX),
            is_encrypted: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        });
        tokio::spawn(accept(listener, network.clone()));
        Self { port, database: url.path().trim_matches('/').to_owned(), username: url.username().to_owned(), network }
    }

    /// Answers requests for encryption from now on.
    pub fn encrypt(&self) {
        self.network.is_encrypted.store(true, Ordering::SeqCst);
    }

    /// Breaks each connection from now on after so many bytes from the server.
    pub fn break_after(&self, bytes: u64) {
        self.network.breaks_after.store(bytes, Ordering::SeqCst);
    }

    /// Returns how many connections have been made.
    pub fn connections(&self) -> usize {
        self.network.connections.load(Ordering::SeqCst)
    }

    /// Returns the settings of a data connection to it, without encryption.
    pub fn settings(&self) -> Value {
        let username = if self.username.is_empty() { "recotem" } else { &self.username };
        json!({"host": "127.0.0.1", "port": self.port, "database": self.database, "username": username, "tls": "off"})
    }

    /// Returns a connector to it, with some settings changed.
    pub fn connector(&self, change: Value) -> Connector {
        let mut settings = self.settings();
        settings.as_object_mut().expect("an object").extend(change.as_object().cloned().unwrap_or_default());
        let settings = Settings::read(ConnectionKind::Postgresql, &settings).expect("valid settings");
        Connector::open(&settings, Some(&SecretString::from("hush")), &outbound(&["127.0.0.0/8", "::1"])).expect("a connector")
    }
}

/// Returns a way out of the program that may reach some networks.
pub fn outbound(networks: &[&str]) -> Outbound {
    let allow_networks = networks.iter().map(|text| text.parse().expect("a network")).collect();
    let settings = OutboundSettings { allow_networks, ..OutboundSettings::default() };
    Outbound::new(&settings, Policy::new(&settings, Vec::new())).expect("a client")
}

/// Returns what encrypts with the certificate for `localhost`.
pub fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("certificates/server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("certificates/server.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth().with_single_cert(vec![certificate], key);
    TlsAcceptor::from(Arc::new(config.expect("a certificate with its key")))
}

async fn accept(listener: TcpListener, network: Arc<Network>) {
    while let Ok((client, _)) = listener.accept().await {
        network.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(serve(client, network.clone()));
    }
}

async fn serve(mut client: TcpStream, network: Arc<Network>) {
    let Ok(server) = UnixStream::connect(&network.socket).await else { return };
    if network.is_encrypted.load(Ordering::SeqCst) {
        let mut request = [0; SSL_REQUEST];
        if client.read_exact(&mut request).await.is_err() || client.write_all(b"S").await.is_err() {
            return;
        }
        let Ok(client) = acceptor().accept(client).await else { return };
        carry_both(client, server, &network).await;
    } else {
        carry_both(client, server, &network).await;
    }
}

async fn carry_both(client: impl AsyncRead + AsyncWrite, server: UnixStream, network: &Network) {
    let (client_out, client_in) = tokio::io::split(client);
    let (server_out, server_in) = server.into_split();
    let limit = network.breaks_after.load(Ordering::SeqCst);
    // The first to end closes both.
    tokio::select! {
        () = carry(client_out, server_in, u64::MAX) => {}
        () = carry(server_out, client_in, limit) => {}
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut left: u64) {
    let mut piece = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        let passed = length.min(usize::try_from(left).unwrap_or(usize::MAX));
        left -= passed as u64;
        if to.write_all(&piece[..passed]).await.is_err() || to.flush().await.is_err() || left == 0 {
            return;
        }
    }
}
