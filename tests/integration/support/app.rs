//! The whole server on a database of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use recotem::app::roles;
use recotem::features::api_keys::Traffic;
use recotem::platform::blobs::Blobs;
use recotem::platform::config::Settings;
use recotem::platform::db::{ChangedRow, announce};
use recotem::platform::outbound::Outbound;
use recotem::platform::outbox::Round;
use recotem::platform::queue::{self, JobRecord};
use recotem::platform::services::Services;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::waiting::pauses;
use super::{Caller, TestDatabase, leftovers, test_clock};

/// The password of all users in the tests.
pub const PASSWORD: &str = "a good long phrase";

/// Argon2id of [`PASSWORD`], in the least memory and time: with those of real passwords, logging in would be a seventh of what the
/// tests compute.
const PASSWORD_HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$YSBzYWx0IG9mIGEgdGVzdA$/xY0Bx+HKtRidRxCB4+voM0EulPYuQ503clkbKkujl0";

/// The secret of all servers and processes of the tests.
pub const SECRET: &str = "one secret for all processes of a test";

/// The handling of a server's jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jobs {
    /// The test creates none; it fails if it does.
    None,
    /// They stay in the queue, unless the test starts a worker.
    Stay,
    /// A worker runs them; the test fails if they do not end.
    Run,
}

/// A running server; it stops when this is dropped, which fails the test if it leaves jobs behind.
pub struct TestApp {
    pub services: Services,
    pub base: String,
    /// What apps did at this server and is not stored yet.
    pub traffic: Traffic,
    database: TestDatabase,
    stop: CancellationToken,
    /// Whether a worker has been started.
    works: AtomicBool,
    may_leave_jobs: AtomicBool,
    _folder: tempfile::TempDir,
}

impl TestApp {
    /// Starts a server for a test that creates no jobs.
    pub async fn start() -> Self {
        Self::start_with(Jobs::None, |_| {}).await
    }

    /// Starts a server without a worker: jobs stay in the queue.
    pub async fn start_without_worker() -> Self {
        Self::start_with(Jobs::Stay, |_| {}).await
    }

    /// Starts a server with a worker in the same process.
    pub async fn start_with_worker() -> Self {
        Self::start_with(Jobs::Run, |_| {}).await
    }

    /// Starts a server with changed settings.
    pub async fn start_with(jobs: Jobs, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = test_clock();
        let database = TestDatabase::dated_by(clock.clone()).await;
        let mut settings = Settings {
            bind: "127.0.0.1:0".to_owned(),
            data_dir: folder.path().to_owned(),
            database_url: Some(database.db.url().into()),
            ..Settings::default()
        };
        for rate in [
            &mut settings.throttle.user,
            &mut settings.throttle.login,
            &mut settings.throttle.anon,
            &mut settings.throttle.recommendation,
            &mut settings.throttle.inference,
            &mut settings.throttle.session,
            &mut settings.throttle.events,
        ] {
            rate.requests = 100_000;
        }
        settings.compat.airec = true;
        change(&mut settings);
        let services = Services {
            db: database.db.clone(),
            clock,
            outbound: Outbound::of(&settings).expect("a client"),
            settings: Arc::new(settings),
            secret: Arc::new(SecretString::from(SECRET)),
            blobs: Blobs::open(folder.path().join("files")).expect("a file store"),
        };
        let stop = CancellationToken::new();
        let listening = roles::listen(&services, &stop).expect("a free port");
        let (base, traffic) = (format!("http://{}", listening.address), listening.traffic.clone());
        tokio::spawn(listening.run(stop.clone()));
        let app = Self {
            services,
            base,
            traffic,
            database,
            stop,
            works: AtomicBool::new(false),
            may_leave_jobs: AtomicBool::new(false),
            _folder: folder,
        };
        match jobs {
            Jobs::None => {}
            Jobs::Stay => app.leaves_jobs_behind("no worker runs them"),
            Jobs::Run => app.work(),
        }
        app
    }

    /// Runs SQL unchanged.
    pub async fn execute(&self, sql: &str) {
        self.database.execute(sql).await;
    }

    /// Returns a caller without credentials at another server process of the same install, which has nothing in memory yet.
    pub fn replica(&self, change: impl FnOnce(&mut Services)) -> Caller {
        let mut services = self.services.clone();
        change(&mut services);
        let listening = roles::listen(&services, &self.stop).expect("a free port");
        let base = format!("http://{}", listening.address);
        tokio::spawn(listening.run(self.stop.clone()));
        Caller::at(&base)
    }

    /// Returns a caller without credentials at a process of the same install in the role `infer`.
    pub fn infer(&self) -> Caller {
        let listening = roles::listen_for_inference(&self.services, &self.stop).expect("a free port");
        let base = format!("http://{}", listening.address);
        tokio::spawn(listening.run(self.stop.clone()));
        Caller::at(&base)
    }

    /// Returns the database, to stop and restart it.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Returns a caller without credentials.
    pub fn anonymous(&self) -> Caller {
        Caller::at(&self.base)
    }

    /// Creates an ordinary user, logged in.
    pub async fn user(&self, name: &str) -> Caller {
        self.add_user(name, false).await
    }

    /// Creates a member of the staff, logged in.
    pub async fn staff(&self, name: &str) -> Caller {
        self.add_user(name, true).await
    }

    /// Logs a user in again, in another session.
    pub async fn log_in(&self, name: &str) -> Caller {
        Caller::log_in(&self.base, name, PASSWORD).await
    }

    async fn add_user(&self, name: &str, staff: bool) -> Caller {
        self.execute(&format!(
            "WITH added AS (
                INSERT INTO users (username, password_hash, is_superuser, is_staff)
                VALUES ('{name}', '{PASSWORD_HASH}', {staff}, {staff}) RETURNING id, username
            ), personal AS (
                INSERT INTO organisations (name, is_personal, founder_id) SELECT username, TRUE, id FROM added RETURNING id, founder_id
            )
            INSERT INTO memberships (organisation_id, user_id, role) SELECT id, founder_id, 'owner' FROM personal"
        ))
        .await;
        self.log_in(name).await
    }

    /// Reads one number from the database.
    pub async fn count(&self, sql: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            count: i64,
        }
        let mut connection = self.services.db.conn().await.expect("a connection");
        let row: Row = diesel_async::RunQueryDsl::get_result(diesel::sql_query(sql), &mut connection).await.expect(sql);
        row.count
    }

    /// Reads one text of each row from the database.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            text: String,
        }
        let mut connection = self.services.db.conn().await.expect("a connection");
        let rows: Vec<Row> = diesel_async::RunQueryDsl::load(diesel::sql_query(sql), &mut connection).await.expect(sql);
        rows.into_iter().map(|row| row.text).collect()
    }

    /// Returns the keys of all files that are kept at present.
    pub fn files(&self) -> Vec<String> {
        let root = self.services.settings.data_dir.join("files");
        let (mut folders, mut files) = (vec![root.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path.strip_prefix(&root).expect("below it").to_string_lossy().into_owned());
                }
            }
        }
        files
    }

    /// Dates all kept files by the clock of the test, as the file system does by the machine's.
    pub fn date_files(&self) {
        let root = self.services.settings.data_dir.join("files");
        for key in self.files() {
            let file = std::fs::File::options().write(true).open(root.join(key)).expect("a file");
            file.set_modified(self.services.clock.now().into()).expect("a date");
        }
    }

    /// Starts a worker in this process, which ends all jobs.
    pub fn work(&self) {
        self.works.store(true, Ordering::SeqCst);
        self.may_leave_jobs.store(false, Ordering::SeqCst);
        tokio::spawn(roles::work(self.services.clone(), self.stop.clone()));
    }

    /// Sets a project to answer 404 where its models do not know a user.
    pub async fn not_found_for_unknown_users(&self, project: i64) {
        self.execute(&format!("UPDATE projects SET unknown_user = 'not_found' WHERE id = {project}")).await;
    }

    /// Polls until an asynchronous effect has happened; fails after a minute.
    pub async fn soon(&self, what: &str, happened: impl AsyncFn() -> bool) {
        for pause in pauses(Duration::from_secs(60)) {
            if happened().await {
                return;
            }
            tokio::time::sleep(pause).await;
        }
        panic!("{what}: not within a minute");
    }

    /// Waits until no job is waiting or running; fails after a minute.
    pub async fn idle(&self) {
        for pause in pauses(Duration::from_secs(60)) {
            if self.unfinished_jobs().await.is_empty() {
                return;
            }
            self.wake().await;
            tokio::time::sleep(pause).await;
        }
        panic!("after a minute there are still {}", leftovers::describe(&self.unfinished_jobs().await));
    }

    /// Hands what happened to its subscribers.
    pub async fn tell(&self) {
        let courier = roles::courier(&self.services);
        self.soon("everything is told", async || {
            courier.deliver().await.expect("the courier") == Round::Done && self.count("SELECT count(*) FROM outbox").await == 0
        })
        .await;
    }

    /// Waits until what changed so far has been announced. What is announced may have to be read again from the database.
    pub async fn announced(&self) {
        let mut changes = self.services.db.changes();
        let marker = ChangedRow { table: "users".to_owned(), id: i64::MAX, project_id: None, is_moved: false };
        let mut connection = self.services.db.conn().await.expect("a connection");
        let arrived = async {
            // Once the stream says that anything may have changed, nothing later is missed.
            while changes.next().await.expect("a stream that does not end").is_some() {}
            announce(&mut connection, &marker).await.expect("the database");
            while changes.next().await.expect("a stream that does not end").as_ref() != Some(&marker) {}
        };
        tokio::time::timeout(Duration::from_secs(30), arrived).await.expect("an announcement in time");
    }

    /// Wakes snoozed jobs and those that wait for another attempt: the clock stands still, so their time would never come.
    pub async fn wake(&self) {
        let mut connection = self.services.db.conn().await.expect("a connection");
        queue::wake_snoozed(&mut connection).await.expect("the queue answers");
    }

    /// Returns the jobs that are not over.
    pub async fn unfinished_jobs(&self) -> Vec<JobRecord> {
        let mut connection = self.services.db.conn().await.expect("a connection");
        queue::unfinished(&mut connection).await.expect("the queue answers")
    }

    /// Allows the jobs of this test to be unfinished at its end, and states the reason in the test.
    pub fn leaves_jobs_behind(&self, _why: &str) {
        self.may_leave_jobs.store(true, Ordering::SeqCst);
    }

    /// Tells the server to shut down, as a signal does.
    pub fn shut_down(&self) {
        self.stop.cancel();
    }

    /// Gives one user a role in the personal organisation of another.
    pub async fn join(&self, member: &str, owner: &str, role: &str) {
        let sql = format!(
            "INSERT INTO memberships (organisation_id, user_id, role)
             SELECT m.organisation_id, (SELECT id FROM users WHERE username = '{member}'), '{role}'
             FROM memberships m JOIN users u ON u.id = m.user_id
             WHERE u.username = '{owner}' AND m.role = 'owner'"
        );
        self.execute(&sql).await;
    }
}

impl Drop for TestApp {
    /// Fails the test if it leaves jobs behind. A server that was shut down has handed its jobs back.
    fn drop(&mut self) {
        let is_checked = !self.may_leave_jobs.load(Ordering::SeqCst) && !self.stop.is_cancelled();
        let left =
            if is_checked { leftovers::find(self.services.db.url(), self.works.load(Ordering::SeqCst)) } else { Vec::new() };
        self.stop.cancel();
        assert!(left.is_empty(), "the test leaves jobs behind: {}", leftovers::describe(&left));
    }
}
