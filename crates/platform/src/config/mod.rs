//! Settings: built-in defaults ← `config.toml` ← the variables Recotem 1.x knew ← `RECOTEM_*` variables.

mod checks;
mod compat;
mod environment;
mod file;
mod known;
mod loading;
mod network;
mod outbound;
mod rate;
mod secrets;
mod sources;

pub use compat::CompatSettings;
pub use loading::Loaded;
pub use network::Network;
pub use outbound::OutboundSettings;
pub use rate::Rate;
pub use sources::SourceSettings;

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::embedded_postgres::CLUSTER_FOLDER;
use super::private;

/// A setting that is not valid.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The settings file does not exist or is not TOML.
    #[error("The settings file {} could not be read: {cause}", .path.display())]
    File { path: PathBuf, cause: String },
    /// Names or values in the settings file that are not valid; each with its line.
    #[error("{0}")]
    FileFaults(String),
    /// A setting has a value that is not allowed. The value of a secret is not shown.
    #[error("{place} {}, and takes {allowed}.", .value.as_ref().map_or_else(|| "has a value that cannot be used".to_owned(), |value| format!("is {value}")))]
    Refused { place: String, value: Option<String>, allowed: String },
    /// A setting that cannot be parsed, with the parser's message.
    #[error("{place}: {reason}")]
    Unusable { place: String, reason: String },
    /// 1.x is configured to keep its files in a bucket.
    #[error(
        "The variable RECOTEM_STORAGE_TYPE is \"{0}\", but object storage is not available yet: uploads and models are kept in \
         data_dir. Unset the variable, and let data_dir (RECOTEM_DATA_DIR) be a folder that lasts and that all processes share."
    )]
    ObjectStorage(String),
    /// Production without a real secret.
    #[error(
        "In production mode set SECRET_KEY to at least 32 random characters, for example the output of `openssl rand -base64 48`."
    )]
    WeakSecret,
    /// The data directory cannot be used.
    #[error("The data directory {path} cannot be used: {cause}. Choose another with --data-dir.")]
    DataDir { path: PathBuf, cause: std::io::Error },
}

/// All settings. `config.example.toml` shows each with its default.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address and port to listen on.
    pub bind: String,
    /// Folder of uploads, artifacts, the generated secret and the private PostgreSQL.
    pub data_dir: PathBuf,
    /// URL of a PostgreSQL to use; without it the program runs its own.
    #[serde(serialize_with = "secrets::hidden")]
    pub database_url: Option<SecretString>,
    /// Folder of `initdb` and `postgres` for the private PostgreSQL, when they are not where they usually are.
    pub postgres_bin_dir: Option<PathBuf>,
    /// Connections kept open to the database.
    pub database_pool_size: usize,
    /// Longest time of one statement of a request, in seconds; 0 sets no limit.
    pub statement_timeout_seconds: u64,
    /// Secret that signs tokens and artifacts. Generated into the data directory when not set.
    #[serde(serialize_with = "secrets::hidden")]
    pub secret_key: Option<SecretString>,
    /// Secrets used before `secret_key`: artifacts signed with them stay valid, nothing else does.
    #[serde(serialize_with = "secrets::all_hidden")]
    pub previous_secret_keys: Vec<SecretString>,
    /// Whether weak secrets are refused.
    pub production: bool,
    /// Password of the first superuser; without it a random one is generated and shown once.
    #[serde(serialize_with = "secrets::hidden")]
    pub default_admin_password: Option<SecretString>,
    /// Lifetime of an access token, in seconds.
    pub access_token_lifetime: i64,
    /// Lifetime of a refresh token, in seconds.
    pub refresh_token_lifetime: i64,
    /// Whether cookies are sent over HTTPS only.
    pub jwt_auth_secure: bool,
    /// Whether users may create accounts themselves.
    pub self_sign_up: bool,
    /// Address of this server for clients, such as `https://recotem.example.com`. Links in mail always start with it; other links
    /// do, too, and without it start with the host of the request.
    pub public_url: Option<String>,
    /// URL of a mail server: `smtps://user:password@host`, or `smtp://user:password@host:587?tls=required`.
    #[serde(serialize_with = "secrets::hidden")]
    pub smtp_url: Option<SecretString>,
    /// Sender of mail.
    pub mail_from: String,
    /// Number of jobs that this process runs at once. When all of them run, it runs one more of an organisation that has none.
    pub worker_concurrency: usize,
    /// Whether each of these jobs runs in a process of its own, so that one that uses up the memory does not end the others.
    pub worker_processes: bool,
    /// Organisations that one user may own besides the personal one; staff may own more. 0 sets no limit.
    pub max_organisations_per_user: u32,
    /// API keys of one project that are not revoked; more are refused. 0 sets no limit.
    pub max_api_keys_per_project: u32,
    /// Jobs of one organisation that may run at once, on all workers in total; 0 sets no limit. The organisations that one user
    /// created may together have twice as many, here and for the other limits of an organisation; those that staff created are not
    /// counted together.
    pub max_running_jobs_per_organisation: u32,
    /// Jobs of one organisation that may wait for a worker; more are refused. 0 sets no limit.
    pub max_waiting_jobs_per_organisation: u32,
    /// Trials that one search may have; more are refused. 0 sets no limit.
    pub max_trials: u32,
    /// Time limit of a search whose request sets none, in seconds; 0 sets no limit.
    pub default_timeout_overall: u32,
    /// Time limit of a training, a trial and a comparison of models, in seconds; 0 sets no limit, but they end after a week.
    pub max_training_seconds: u32,
    /// The minimum number of seconds between two runs of a retraining schedule; times that come sooner are skipped. 0 sets no
    /// limit.
    pub min_schedule_interval_seconds: u32,
    /// Threads that one job may use; 0 means all cores.
    pub threads_per_job: usize,
    /// Largest upload in bytes, as sent.
    pub max_upload_bytes: u64,
    /// Largest upload in bytes, after decompression.
    pub max_expanded_bytes: u64,
    /// Uploads that one user may have in progress at once.
    pub uploads_per_user: usize,
    /// Uploads that one address may have in progress at once.
    pub uploads_per_address: usize,
    /// Bytes of all uploads in progress, on disk; one user may fill a quarter of it, or send one file of the largest size.
    pub max_incoming_bytes: u64,
    /// Bytes of disk space to keep free: below it, uploads, events and other changes are refused, lists are not logged, and no job
    /// that writes data or models is started. 0 sets no limit.
    pub min_free_disk_bytes: u64,
    /// Bytes that uploads, what is prepared of them, and models of one organisation may take up; more are refused. 0 sets no limit.
    /// The organisations that one user created may together take up twice as many.
    pub max_stored_bytes_per_organisation: u64,
    /// Bytes in memory of all other request bodies and the values read from them; one client network may use half of it, one
    /// caller an eighth.
    pub max_buffered_bytes: u64,
    /// Bytes in memory of large answers that clients have not read yet; one client network may use an eighth of it.
    pub max_unread_bytes: u64,
    /// Seconds without a byte after which an unfinished request body is aborted.
    pub body_idle_seconds: u64,
    /// The minimum rate of a request body in bytes per second, on average over `body_rate_seconds`.
    pub body_least_rate: u64,
    /// Seconds of waiting for a client over which the rate of a body is measured.
    pub body_rate_seconds: u64,
    /// Seconds of waiting for a client within which a body that stays in memory has to arrive.
    pub body_whole_seconds: u64,
    /// Seconds that a connection stays open without a request. It must exceed the time of a proxy, which is a minute for nginx: a
    /// request that the proxy sends on a connection just being closed is lost.
    pub keep_alive_seconds: u64,
    /// Seconds after which a connection is closed if its client reads nothing of its answer.
    pub write_idle_seconds: u64,
    /// Seconds that requests in flight may take to finish after a stop, once new ones are held back.
    pub stop_grace_seconds: u64,
    /// Connections that one network of clients may have open; 0 sets no limit. Trusted proxies may have any number.
    pub max_connections_per_network: usize,
    /// Bytes of models kept in memory for serving.
    pub model_cache_bytes: u64,
    /// Bytes of item metadata kept in memory for serving; a single upload that would take more is refused.
    pub item_cache_bytes: u64,
    /// Days that conversion events are kept before only their daily counts remain; 0 keeps them forever.
    pub event_retention_days: u32,
    /// Days that logged lists are kept; they are deleted month by month.
    pub recommendation_log_days: u32,
    /// Whether the models of active slots are loaded before the first request for them.
    pub preload_models: bool,
    /// `trace`, `debug`, `info`, `warn` or `error`, or a tracing filter.
    pub log_level: String,
    /// `text` or `json`.
    pub log_format: String,
    /// Origins that browsers may call from.
    pub cors_allowed_origins: Vec<String>,
    /// Seconds between two heartbeats of a live socket; a socket whose access was revoked is closed at the next one.
    pub live_heartbeat_seconds: u64,
    /// Host names that this server answers to; `.example.com` includes its subdomains; empty means any.
    pub allowed_hosts: Vec<String>,
    /// Addresses and networks of proxies whose X-Forwarded-For, Forwarded, X-Forwarded-Proto and X-Forwarded-Host are trusted.
    pub trusted_proxies: Vec<Network>,
    /// Connections to other servers.
    pub outbound: OutboundSettings,
    /// What of this machine sources may read.
    pub sources: SourceSettings,
    /// Addresses for clients of other programs.
    pub compat: CompatSettings,
    /// Request limits.
    pub throttle: ThrottleRates,
}

/// Request limits per scope.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThrottleRates {
    /// Per address, for anonymous callers and, counted separately, for invalid API keys.
    pub anon: Rate,
    /// Per user.
    pub user: Rate,
    /// Log-in attempts per address.
    pub login: Rate,
    /// Requests that run a model or read many rows, per user.
    pub recommendation: Rate,
    /// Predictions per API key, kind of prediction, and model or project.
    pub inference: Rate,
    /// Reported events, single and in batches, per user.
    pub events: Rate,
    /// Renewals, log-outs, opened live updates and tokens of an ended session, each counted separately, per session.
    pub session: Rate,
}

impl Default for ThrottleRates {
    fn default() -> Self {
        let per_minute = |requests| Rate { requests, window: std::time::Duration::from_secs(60) };
        Self {
            anon: per_minute(20),
            user: per_minute(100),
            login: per_minute(5),
            recommendation: per_minute(30),
            inference: per_minute(100),
            events: Rate { requests: 60_000, window: std::time::Duration::from_secs(1) },
            session: per_minute(120),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bind: "127.0.0.1:8000".to_owned(),
            data_dir: PathBuf::from("data"),
            database_url: None,
            postgres_bin_dir: None,
            database_pool_size: 16,
            statement_timeout_seconds: 15,
            secret_key: None,
            previous_secret_keys: Vec::new(),
            production: false,
            default_admin_password: None,
            access_token_lifetime: 300,
            refresh_token_lifetime: 86_400,
            jwt_auth_secure: false,
            self_sign_up: false,
            public_url: None,
            smtp_url: None,
            mail_from: "Recotem <recotem@localhost>".to_owned(),
            worker_concurrency: 2,
            worker_processes: true,
            max_organisations_per_user: 20,
            max_api_keys_per_project: 1_000,
            max_running_jobs_per_organisation: 0,
            max_waiting_jobs_per_organisation: 10_000,
            max_trials: 10_000,
            default_timeout_overall: 0,
            max_training_seconds: 24 * 3_600,
            min_schedule_interval_seconds: 0,
            threads_per_job: 0,
            max_upload_bytes: 500 << 20,
            max_expanded_bytes: 8 << 30,
            uploads_per_user: 32,
            uploads_per_address: 64,
            max_incoming_bytes: 16 << 30,
            min_free_disk_bytes: 1 << 30,
            max_stored_bytes_per_organisation: 0,
            max_buffered_bytes: 1 << 30,
            max_unread_bytes: 512 << 20,
            body_idle_seconds: 30,
            body_least_rate: 1_024,
            body_rate_seconds: 60,
            body_whole_seconds: 60,
            keep_alive_seconds: 75,
            write_idle_seconds: 30,
            stop_grace_seconds: 6,
            max_connections_per_network: 1_000,
            model_cache_bytes: 2 << 30,
            item_cache_bytes: 512 << 20,
            event_retention_days: 0,
            recommendation_log_days: 90,
            preload_models: true,
            log_level: "info".to_owned(),
            log_format: "text".to_owned(),
            cors_allowed_origins: Vec::new(),
            live_heartbeat_seconds: 60,
            allowed_hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            outbound: OutboundSettings::default(),
            sources: SourceSettings::default(),
            compat: CompatSettings::default(),
            throttle: ThrottleRates::default(),
        }
    }
}

/// Returns a value as an error shows it: `None` for a secret.
fn shown(setting: &str, value: String) -> Option<String> {
    (!known::SECRETS.contains(&setting)).then_some(value)
}

impl Settings {
    /// Returns whether mail can be sent. A link in a mail must lead to this server and not to the host that the request claims,
    /// so this requires a public URL too.
    pub fn sends_mail(&self) -> bool {
        self.smtp_url.is_some() && self.public_url.is_some()
    }

    /// Returns whether links lead to the host of the request.
    pub fn links_follow_the_request(&self) -> bool {
        self.public_url.is_none() && self.allowed_hosts.is_empty()
    }

    /// Creates the data directory, or closes the existing one to other users of the machine. Under root the private PostgreSQL
    /// runs as another user, who has to enter it.
    pub fn open_data_dir(&self) -> Result<(), ConfigError> {
        // Worker processes get the URL of the private PostgreSQL, and must not lock it out of its folder.
        let has_cluster = self.database_url.is_none() || self.data_dir.join(CLUSTER_FOLDER).exists();
        let walked = has_cluster && rustix::process::geteuid().is_root();
        private::open_data_dir(&self.data_dir, walked)
            .map_err(|cause| ConfigError::DataDir { path: self.data_dir.clone(), cause })
    }

    /// Returns the key that signs: the configured one, or the one generated into the data directory (readable by its owner only).
    pub fn secret(&self) -> Result<SecretString, ConfigError> {
        match &self.secret_key {
            Some(key) if self.production && key.expose_secret().len() < 32 => Err(ConfigError::WeakSecret),
            Some(key) if !key.expose_secret().is_empty() => Ok(key.clone()),
            _ if self.production => Err(ConfigError::WeakSecret),
            _ => self.generated_secret(),
        }
    }

    fn generated_secret(&self) -> Result<SecretString, ConfigError> {
        let fault = |cause| ConfigError::DataDir { path: self.data_dir.clone(), cause };
        let path = self.data_dir.join("secret.key");
        if let Ok(text) = std::fs::read_to_string(&path)
            && text.trim().len() >= 32
        {
            return Ok(text.trim().to_owned().into());
        }
        private::create_folder(&self.data_dir).map_err(fault)?;
        let secret = random_text(48).map_err(fault)?;
        write_private(&path, secret.expose_secret().as_bytes()).map_err(fault)?;
        Ok(secret)
    }
}

/// Returns `bytes` random bytes from the operating system, as url-safe text.
pub fn random_text(bytes: usize) -> std::io::Result<SecretString> {
    use base64::Engine;
    use ring::rand::SecureRandom;
    let mut buffer = vec![0_u8; bytes];
    ring::rand::SystemRandom::new().fill(&mut buffer).map_err(|_| std::io::Error::other("the system gave no random bytes"))?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(buffer).into())
}

/// Writes a file that only its owner may read, either completely or not at all.
pub fn write_private(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let sibling = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&sibling)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(sibling, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_stay_open_for_longer_than_a_proxy_keeps_its_own() {
        assert!(Settings::default().keep_alive_seconds > 60);
    }

    #[test]
    fn production_refuses_a_weak_secret_and_development_keeps_the_one_it_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings { data_dir: folder.path().join("data"), ..Settings::default() };
        let made = settings.secret().unwrap();
        assert_eq!(settings.secret().unwrap().expose_secret(), made.expose_secret());
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(folder.path().join("data/secret.key")).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
        settings.production = true;
        assert!(settings.secret().is_err());
        settings.secret_key = Some("short".into());
        assert!(settings.secret().is_err());
        settings.secret_key = Some("x".repeat(32).into());
        assert!(settings.secret().is_ok());
    }
}
