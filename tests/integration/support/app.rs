//! The whole server on a database of its own, and callers who use it over HTTP.

use std::sync::Arc;
use std::time::Duration;

use recotem::app::roles;
use recotem::features::accounts;
use recotem::platform::blobs::Blobs;
use recotem::platform::config::Settings;
use recotem::platform::services::Services;
use reqwest::{Method, StatusCode, multipart};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{TestDatabase, test_clock};

const PASSWORD: &str = "a good long phrase";

/// A running server; it stops when this is dropped.
pub struct TestApp {
    pub services: Services,
    pub base: String,
    database: TestDatabase,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl TestApp {
    /// Starts a server without a worker: jobs stay in the queue.
    pub async fn start() -> Self {
        Self::start_with(false, |_| {}).await
    }

    /// Starts a server with a worker in the same process.
    pub async fn start_with_worker() -> Self {
        Self::start_with(true, |_| {}).await
    }

    /// Starts a server with settings of the test's own.
    pub async fn start_with(worker: bool, change: impl FnOnce(&mut Settings)) -> Self {
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
        ] {
            rate.requests = 100_000;
        }
        change(&mut settings);
        let services = Services {
            db: database.db.clone(),
            clock,
            settings: Arc::new(settings),
            secret: Arc::new(SecretString::from("a secret of the tests, long enough to sign")),
            blobs: Blobs::open(folder.path().join("files")).expect("a file store"),
        };
        let stop = CancellationToken::new();
        let listening = roles::listen(&services, &stop).expect("a free port");
        let base = format!("http://{}", listening.address);
        tokio::spawn(listening.run(stop.clone()));
        let app = Self { services, base, database, stop, _folder: folder };
        if worker {
            app.work();
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
        Caller { http: http(), base, credential: Credential::None }
    }

    /// Returns a caller without credentials at a process of the same install in the role `infer`.
    pub fn infer(&self) -> Caller {
        let listening = roles::listen_for_inference(&self.services, &self.stop).expect("a free port");
        let base = format!("http://{}", listening.address);
        tokio::spawn(listening.run(self.stop.clone()));
        Caller { http: http(), base, credential: Credential::None }
    }

    /// Returns the database, to take it away and bring it back.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Returns a caller without credentials.
    pub fn anonymous(&self) -> Caller {
        Caller { http: http(), base: self.base.clone(), credential: Credential::None }
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
        accounts::create_superuser(&self.services, name, "", PASSWORD.to_owned()).await.expect("a user");
        self.execute(&format!("UPDATE users SET is_superuser = {staff}, is_staff = {staff} WHERE username = '{name}'")).await;
        Caller::log_in(&self.base, name, PASSWORD).await
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

    /// Starts a worker in this process.
    pub fn work(&self) {
        tokio::spawn(roles::work(self.services.clone(), self.stop.clone()));
    }

    /// Sets a project to answer 404 where its models do not know a user.
    pub async fn not_found_for_unknown_users(&self, project: i64) {
        self.execute(&format!("UPDATE projects SET unknown_user = 'not_found' WHERE id = {project}")).await;
    }

    /// Polls until an asynchronous effect has happened; fails after ten seconds.
    pub async fn soon(&self, what: &str, happened: impl AsyncFn() -> bool) {
        for _ in 0..400 {
            if happened().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{what}: not within ten seconds");
    }

    /// Waits until no job is waiting or running; fails after a minute.
    pub async fn idle(&self) {
        for _ in 0..600 {
            if self.count("SELECT count(*) AS count FROM jobs WHERE finished_at IS NULL").await == 0 {
                return;
            }
            self.wake().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("there are still jobs after a minute");
    }

    /// Wakes snoozed jobs: the clock stands still, so their time would never come.
    pub async fn wake(&self) {
        self.execute("UPDATE jobs SET run_at = NULL WHERE kind LIKE 'retraining.%' AND state IN ('available', 'retryable')")
            .await;
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
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[derive(Clone)]
enum Credential {
    None,
    Token(String),
    Key(String),
}

/// A caller of the server.
#[derive(Clone)]
pub struct Caller {
    http: reqwest::Client,
    base: String,
    credential: Credential,
}

/// The response. A body that is not JSON is null.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: Vec<u8>,
    pub body: Value,
}

impl Answer {
    /// Returns the id of the object that was created or read.
    pub fn id(&self) -> i64 {
        self.body["id"].as_i64().unwrap_or_else(|| panic!("no id: {} {}", self.status, self.body))
    }

    /// Returns a header as text; empty when it is missing.
    pub fn header(&self, name: &str) -> String {
        let lines: Vec<&str> = self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        lines.join(", ")
    }

    /// Returns the first message about a field of a refused body.
    #[track_caller]
    pub fn fault(&self, field: &str) -> &str {
        assert_eq!(self.status.as_u16(), 400, "{}", self.body);
        self.body[field][0].as_str().unwrap_or_else(|| panic!("nothing about {field}: {}", self.body))
    }

    /// Fails the test unless the status is this one.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }
}

impl Caller {
    /// Logs in to a server at an address such as `http://127.0.0.1:8000`.
    pub async fn log_in(base: &str, name: &str, password: &str) -> Self {
        let caller = Self { http: http(), base: base.to_owned(), credential: Credential::None };
        let answer = caller.post("auth/login/", json!({ "username": name, "password": password })).await.expect(200);
        let token = answer.body["access"].as_str().expect("a token").to_owned();
        Self { credential: Credential::Token(token), ..caller }
    }

    /// Returns a caller at the same address, with an API key instead.
    pub fn with_key(&self, key: &str) -> Self {
        Self { credential: Credential::Key(key.to_owned()), ..self.clone() }
    }

    /// Returns the token that this caller is logged in with.
    pub fn token(&self) -> &str {
        match &self.credential {
            Credential::Token(token) => token,
            _ => panic!("not logged in with a token"),
        }
    }

    /// Returns the API key of this caller.
    pub fn key(&self) -> &str {
        match &self.credential {
            Credential::Key(key) => key,
            _ => panic!("no API key"),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Calls a path below `/api/v1/`, or a whole one that begins with a slash.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, path);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        self.answer(request).await
    }

    /// Sends a body and headers unchanged.
    pub async fn raw(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        let request = headers.iter().fold(self.request(method, path), |request, (name, value)| request.header(*name, *value));
        self.answer(request.body(body.into())).await
    }

    /// Uploads a file of training data.
    pub async fn upload(&self, project: i64, name: &str, bytes: impl Into<Vec<u8>>) -> Answer {
        let part = multipart::Part::bytes(bytes.into()).file_name(name.to_owned());
        let form = multipart::Form::new().part("file", part).text("project", project.to_string());
        self.send_form(Method::POST, "training_data/", form).await
    }

    /// Sends a multipart body.
    pub async fn send_form(&self, method: Method, path: &str, form: multipart::Form) -> Answer {
        self.answer(self.request(method, path).multipart(form)).await
    }

    /// Polls until `done`; fails after three minutes, which is long even unoptimised.
    pub async fn wait_for(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..1_800 {
            let answer = self.get(path).await;
            if done(&answer.body) {
                return answer.body;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{path} did not come to it in time: {}", self.get(path).await.body);
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with('/') { format!("{}{path}", self.base) } else { format!("{}/api/v1/{path}", self.base) };
        let request = self.http.request(method, url);
        match &self.credential {
            Credential::None => request,
            Credential::Token(token) => request.bearer_auth(token),
            Credential::Key(key) => request.header("X-API-Key", key),
        }
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.expect("a whole body").to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status, headers, bytes, body }
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}
