//! A database of its own for every test, copied from a template that has been migrated once.
//!
//! The server belongs to the test process: nextest, which runs one process a test, starts one for
//! each, which takes about a second; `cargo test` starts it once for all.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use recotem::platform::clock::Clock;
use recotem::platform::db::Database;
use recotem::platform::disk::DiskReserve;
use recotem::platform::embedded_postgres::{EmbeddedOptions, EmbeddedPostgres};
use recotem::platform::outbound::install_cryptography;

const TEMPLATE: &str = "template_recotem";
const CONNECTIONS: usize = 10;
/// Where files are made in memory, and the bytes that have to be free there: every test has a database of some nine megabytes.
const IN_MEMORY: (&str, u64) = ("/dev/shm", 8 << 30);
const FOLDER: &str = "recotem-tests-";
/// Draws the salt of a project from its number, so that every run of a test assigns the same users to the same slots: a
/// statistical verdict on a few hundred users must not depend on luck.
const SAME_SALTS: &str = "CREATE FUNCTION same_salt() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NEW.assignment_salt := md5('project ' || NEW.id)::uuid; RETURN NEW; END $$;
    CREATE TRIGGER same_salt BEFORE INSERT ON projects FOR EACH ROW EXECUTE FUNCTION same_salt();";

struct Server {
    /// Keeps the server running, and the folder, until the process ends.
    _postgres: EmbeddedPostgres,
    url: String,
}

/// A migrated, empty database that no other test sees.
pub struct TestDatabase {
    pub db: Database,
    name: String,
}

impl TestDatabase {
    /// Creates a database dated by the machine's clock: for programs that are started unchanged.
    pub async fn new() -> Self {
        Self::dated_by(Clock::system()).await
    }

    /// Creates a database dated by a clock that the test moves.
    pub async fn dated_by(clock: Clock) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = tokio::task::spawn_blocking(server).await.expect("the server starts");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        let mut connection = AsyncPgConnection::establish(&server.url).await.expect("it answers");
        diesel::sql_query(format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
            .execute(&mut connection)
            .await
            .expect("a copy of the template");
        let db = Database::new(&url_of(&server.url, &name), CONNECTIONS).expect("a pool").with_clock(clock);
        Self { db, name }
    }

    /// Runs statements unchanged.
    pub async fn execute(&self, sql: &str) {
        let mut connection = self.db.conn().await.expect("a connection");
        connection.batch_execute(sql).await.expect(sql);
    }
}

impl TestDatabase {
    /// Ends every connection and refuses new ones, as when the server is gone.
    pub async fn vanish(&self) {
        self.let_in(false).await;
        let sql = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        self.execute_beside(&sql).await;
    }

    /// Accepts connections again after [`TestDatabase::vanish`].
    pub async fn come_back(&self) {
        self.let_in(true).await;
    }

    async fn let_in(&self, allowed: bool) {
        self.execute_beside(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS {allowed}", self.name)).await;
    }

    /// Runs a statement on the same server, in another database.
    async fn execute_beside(&self, sql: &str) {
        let mut connection = AsyncPgConnection::establish(&server().url).await.expect("it answers");
        connection.batch_execute(sql).await.expect(sql);
    }
}

/// Creates a folder for a cluster of the test's own; removed with the returned guard.
pub fn new_cluster() -> (tempfile::TempDir, EmbeddedOptions) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = EmbeddedOptions { data_dir: folder.path().to_path_buf(), bin_dir: None };
    (folder, options)
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

fn start() -> Server {
    install_cryptography();
    let parent = roomy_folder();
    remove_those_of_dead_processes(&parent);
    let folder = parent.join(format!("{FOLDER}{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder); // of an earlier process with the same id
    remove_at_exit(&folder);
    let options = EmbeddedOptions { data_dir: folder, bin_dir: None };
    // the data may be lost with the machine: they have no value
    let settings = [("fsync", "off"), ("full_page_writes", "off"), ("max_connections", "300")];
    let postgres = EmbeddedPostgres::start_with_settings(&options, &settings).expect("PostgreSQL starts");
    let url = postgres.database_url();
    make_template(&url);
    Server { _postgres: postgres, url }
}

/// Returns the folder for the cluster: creating the files of a database takes longer on a disk than migrating it.
fn roomy_folder() -> PathBuf {
    let (folder, bytes) = (Path::new(IN_MEMORY.0), IN_MEMORY.1);
    let is_roomy = folder.is_dir() && DiskReserve::new(folder, bytes).check().is_ok();
    if is_roomy { folder.to_owned() } else { std::env::temp_dir() }
}

/// Removes the clusters of test processes that were killed together with the shell that removes theirs.
fn remove_those_of_dead_processes(parent: &Path) {
    let is_dead = |process: u32| Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{process}")).exists();
    for folder in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = folder.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(FOLDER)).and_then(|id| id.parse::<u32>().ok());
        if process.is_some_and(is_dead) {
            let _ = std::fs::remove_dir_all(folder.path());
        }
    }
}

/// Migrates the template on a runtime of its own, since the caller's may be single-threaded.
fn make_template(url: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut connection = AsyncPgConnection::establish(url).await.expect("it answers");
        diesel::sql_query(format!("CREATE DATABASE {TEMPLATE}")).execute(&mut connection).await.expect("the template");
        let template = Database::new(&url_of(url, TEMPLATE), 1).expect("a pool");
        template.migrate().await.expect("the migrations run");
        let mut connection = template.conn().await.expect("a connection");
        connection.batch_execute(SAME_SALTS).await.expect("salts that are the same in every run");
    });
}

/// Returns the URL of another database on the same server.
fn url_of(url: &str, name: &str) -> String {
    url.replace("@/recotem?", &format!("@/{name}?"))
}

/// Removes the folder when the process ends, which runs no destructors of statics: a shell waits for the end on a pipe that only
/// this process holds, and then removes it (the server itself stops with the process).
#[expect(clippy::zombie_processes, reason = "it outlives us")]
fn remove_at_exit(folder: &std::path::Path) {
    let mut shell = std::process::Command::new("sh")
        .args(["-c", "cat >/dev/null; sleep 2; rm -rf \"$1\"", "sh"])
        .arg(folder)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("a shell");
    std::mem::forget(shell.stdin.take());
}
