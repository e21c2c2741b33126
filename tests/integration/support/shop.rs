//! A shop whose tables a project reads: a schema of the tests' PostgreSQL, with a clock of its own, behind a port.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use recotem::platform::config::Settings;
use serde_json::{Value, json};
use tokio::net::{TcpListener, UnixStream};

use super::waiting::pauses;
use super::{Answer, Caller, Jobs, TestApp};

/// A project that reads the tables of a shop.
pub struct Shop {
    pub app: TestApp,
    pub owner: Caller,
    pub project: i64,
    pub connection: i64,
    /// The role that reads.
    pub role: String,
    is_open: Arc<AtomicBool>,
}

impl Shop {
    /// Starts a server with a worker, and a shop with an empty table of orders.
    pub async fn start() -> Self {
        Self::start_with(Jobs::Run, |_| {}).await
    }

    /// Starts a server with changed settings, and a shop with an empty table of orders.
    pub async fn start_with(jobs: Jobs, change: impl FnOnce(&mut Settings)) -> Self {
        let app = TestApp::start_with(jobs, |settings| {
            (settings.access_token_lifetime, settings.refresh_token_lifetime) = (1 << 30, 1 << 30);
            settings.outbound.allow_networks = vec!["127.0.0.1".parse().expect("a network")];
            change(settings);
        })
        .await;
        let (database, socket) = place_of(&app);
        let role = format!("reader_{database}");
        let now = app.services.clock.now().to_rfc3339();
        app.execute(&format!(
            "CREATE SCHEMA fake; CREATE SCHEMA shop; CREATE ROLE {role} LOGIN;
             ALTER ROLE {role} SET search_path = fake, pg_catalog, public;
             CREATE TABLE fake.clock (at TIMESTAMPTZ);
             INSERT INTO fake.clock VALUES ('{now}');
             CREATE FUNCTION fake.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE sql STABLE AS 'SELECT at FROM fake.clock';
             CREATE TABLE shop.orders (id BIGSERIAL PRIMARY KEY, customer TEXT, sku TEXT, written TIMESTAMPTZ);
             CREATE TABLE shop.products (sku TEXT PRIMARY KEY, title TEXT, price INTEGER);
             GRANT USAGE ON SCHEMA fake, shop TO {role};
             GRANT SELECT ON ALL TABLES IN SCHEMA fake, shop TO {role}"
        ))
        .await;
        let is_open = Arc::new(AtomicBool::new(true));
        let port = carry(socket, Arc::clone(&is_open)).await;
        let owner = app.user("owner").await;
        let body = json!({ "name": "Shop", "user_column": "user", "item_column": "item" });
        let project = owner.post("project/", body).await.expect(201).body;
        let settings = json!({ "host": "127.0.0.1", "port": port, "database": database, "username": role, "tls": "off" });
        let connection = json!({ "organisation": project["organisation"], "name": "shop", "kind": "postgresql", "settings": settings,
            "secret": "the password of the shop" });
        let connection = owner.post("data_connection/", connection).await.expect(201).id();
        let project = project["id"].as_i64().expect("an id");
        Self { app, owner, project, connection, role, is_open }
    }

    /// Refuses connections from now on, or accepts them again.
    pub fn open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::SeqCst);
    }

    /// Returns the present of the shop and of the server.
    pub fn now(&self) -> DateTime<Utc> {
        self.app.services.clock.now()
    }

    /// Lets time pass, for the shop and for the server.
    pub async fn advance(&self, by: TimeDelta) {
        self.app.services.clock.advance(by);
        self.app.execute(&format!("UPDATE fake.clock SET at = '{}'", self.now().to_rfc3339())).await;
    }

    /// Adds orders that were written so many minutes ago.
    pub async fn orders(&self, minutes_ago: i64, orders: &[(&str, &str)]) {
        self.orders_at(self.now() - TimeDelta::minutes(minutes_ago), orders).await;
    }

    /// Adds orders with a time at which they were written.
    pub async fn orders_at(&self, written: DateTime<Utc>, orders: &[(&str, &str)]) {
        let row = |(customer, sku): &(&str, &str)| format!("('{customer}', '{sku}', '{}')", written.to_rfc3339());
        let rows: Vec<String> = orders.iter().map(row).collect();
        self.app.execute(&format!("INSERT INTO shop.orders (customer, sku, written) VALUES {}", rows.join(", "))).await;
    }

    /// Sends a new source of orders, with more fields.
    pub async fn send(&self, more: Value) -> Answer {
        let query = json!({ "table": "shop.orders", "columns": { "user": "customer", "item": "sku" } });
        let mut body = json!({ "project": self.project, "connection": self.connection, "name": "Orders", "query": query,
            "cursor_column": "written" });
        body.as_object_mut().expect("fields").extend(more.as_object().expect("fields").clone());
        self.owner.post("data_source/", body).await
    }

    /// Creates a source of orders.
    pub async fn source(&self, more: Value) -> i64 {
        self.send(more).await.expect(201).id()
    }

    /// Runs a source, and returns the run once it is over.
    pub async fn run(&self, source: i64) -> Value {
        let run = self.owner.post(&format!("data_source/{source}/run/"), json!({})).await.expect(201).id();
        self.over(run).await
    }

    /// Waits until a run is over, and all jobs that follow from it.
    pub async fn over(&self, run: i64) -> Value {
        for pause in pauses(Duration::from_secs(60)) {
            let body = self.owner.get(&format!("source_run/{run}/")).await.expect(200).body;
            if !matches!(body["state"].as_str(), Some("queued" | "running")) {
                self.app.idle().await;
                return self.owner.get(&format!("source_run/{run}/")).await.expect(200).body;
            }
            self.app.wake().await;
            tokio::time::sleep(pause).await;
        }
        panic!("the run is not over: {}", self.owner.get(&format!("source_run/{run}/")).await.body);
    }

    /// Returns the runs of a source, the last one first.
    pub async fn runs(&self, source: i64) -> Vec<Value> {
        let body = self.owner.get(&format!("source_run/?data_source={source}")).await.expect(200).body;
        body["results"].as_array().expect("runs").clone()
    }

    /// Returns the rows of all uploads of the project that are in use.
    pub async fn rows_in_use(&self) -> i64 {
        let sql = "SELECT coalesce(sum((report->>'rows_kept')::bigint), 0)::bigint AS count FROM training_data
            WHERE standing = 'in_use' AND sources IS NULL";
        self.app.count(sql).await
    }
}

/// Returns the name of the database of a server, and the socket of its PostgreSQL.
fn place_of(app: &TestApp) -> (String, PathBuf) {
    let (base, host) = app.services.db.url().split_once("?host=").expect("a socket");
    let database = base.rsplit('/').next().expect("a name").to_owned();
    let decoded = format!("x={host}");
    let folder = url::form_urlencoded::parse(decoded.as_bytes()).next().map(|(_, value)| value.into_owned());
    let folder = PathBuf::from(folder.expect("a folder"));
    let names = std::fs::read_dir(&folder).expect("a folder").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let socket = names.into_iter().find(|name| name.starts_with(".s.PGSQL.") && !name.ends_with(".lock")).expect("a socket");
    (database, folder.join(socket))
}

/// Carries connections from a port to a socket, while it is open. Returns the port.
async fn carry(socket: PathBuf, is_open: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            if !is_open.load(Ordering::SeqCst) {
                continue;
            }
            let socket = socket.clone();
            tokio::spawn(async move {
                let Ok(mut server) = UnixStream::connect(socket).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}
