//! Settings: built-in defaults ← `config.toml` ← `RECOTEM_*` environment ← the variables Recotem 1.x knew.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::http::caller::Network;
use super::http::throttle::Rate;

/// A setting that does not make sense.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or variable could not be read.
    #[error("The configuration could not be read: {0}. Compare with config.example.toml.")]
    Unreadable(#[from] Box<figment::Error>),
    /// Production without a real secret.
    #[error(
        "In production mode set SECRET_KEY to at least 32 random characters, for example the output of `openssl rand -base64 48`."
    )]
    WeakSecret,
    /// The data directory cannot be used.
    #[error("The data directory {path} cannot be used: {cause}. Choose another with --data-dir.")]
    DataDir { path: PathBuf, cause: std::io::Error },
}

/// Everything that can be configured. `config.example.toml` shows each with its default.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address and port to listen on.
    pub bind: String,
    /// Uploads, artifacts, the generated secret and the private PostgreSQL live here.
    pub data_dir: PathBuf,
    /// A PostgreSQL to use; without it the program runs its own.
    pub database_url: Option<String>,
    /// Folder of `initdb` and `postgres` for the private PostgreSQL, when they are not where they usually are.
    pub postgres_bin_dir: Option<PathBuf>,
    /// Connections kept open to the database.
    pub database_pool_size: usize,
    /// Signs tokens and artifacts. Generated into the data directory when not set.
    pub secret_key: Option<String>,
    /// Secrets that signed before `secret_key`: artifacts they signed are still believed, nothing else is.
    pub previous_secret_keys: Vec<String>,
    /// Refuses weak secrets.
    pub production: bool,
    /// Password of the first superuser; a random one is printed when not set.
    pub default_admin_password: Option<String>,
    /// Seconds an access token lives.
    pub access_token_lifetime: i64,
    /// Seconds a refresh token lives.
    pub refresh_token_lifetime: i64,
    /// Cookies are sent over HTTPS only.
    pub jwt_auth_secure: bool,
    /// Anybody may make an account.
    pub self_sign_up: bool,
    /// Where people reach this server, such as `https://recotem.example.com`. Mail holds links only to here.
    pub public_url: Option<String>,
    /// A mail server: `smtps://user:password@host`, or `smtp://user:password@host:587?tls=required`.
    pub smtp_url: Option<String>,
    /// Who mail comes from.
    pub mail_from: String,
    /// Jobs this process runs at once.
    pub worker_concurrency: usize,
    /// Threads one job may use; 0 means all cores.
    pub threads_per_job: usize,
    /// Largest upload in bytes, as sent.
    pub max_upload_bytes: u64,
    /// Largest upload in bytes, after decompression.
    pub max_expanded_bytes: u64,
    /// Bytes of models kept in memory for serving.
    pub model_cache_bytes: u64,
    /// Bytes of item metadata kept in memory for serving.
    pub item_cache_bytes: u64,
    /// Days that conversion events are kept one by one before only their daily counts are; 0 keeps them for ever.
    pub event_retention_days: u32,
    /// Days that logged lists are kept; they go month by month.
    pub recommendation_log_days: u32,
    /// Whether the models of active slots are loaded before somebody asks for them.
    pub preload_models: bool,
    /// `trace`, `debug`, `info`, `warn` or `error`, or a tracing filter.
    pub log_level: String,
    /// `text` or `json`.
    pub log_format: String,
    /// Origins that browsers may call from.
    pub cors_allowed_origins: Vec<String>,
    /// Seconds between two heartbeats of a live socket; a right that has gone ends the socket at the next one.
    pub live_heartbeat_seconds: u64,
    /// Host names this server answers to, `.example.com` with all below it; empty means any.
    pub allowed_hosts: Vec<String>,
    /// Addresses and networks of proxies whose X-Forwarded-For, Forwarded, X-Forwarded-Proto and X-Forwarded-Host count.
    pub trusted_proxies: Vec<Network>,
    /// Request limits.
    pub throttle: ThrottleRates,
}

/// Request limits per scope.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThrottleRates {
    /// Per address, for callers that are not logged in.
    pub anon: Rate,
    /// Per user.
    pub user: Rate,
    /// Log-in attempts per address.
    pub login: Rate,
    /// The preview actions of a model, per user.
    pub recommendation: Rate,
    /// Predictions per API key and path.
    pub inference: Rate,
    /// Requests that report events, single ones and batches, per user.
    pub events: Rate,
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
            events: Rate { requests: 6_000, window: std::time::Duration::from_secs(1) },
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
            threads_per_job: 0,
            max_upload_bytes: 500 << 20,
            max_expanded_bytes: 8 << 30,
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
            throttle: ThrottleRates::default(),
        }
    }
}

/// What Recotem 1.x called a setting, and what it is called here.
const LEGACY_VARIABLES: [(&str, &str); 13] = [
    ("DATABASE_URL", "database_url"),
    ("SECRET_KEY", "secret_key"),
    ("DEFAULT_ADMIN_PASSWORD", "default_admin_password"),
    ("ACCESS_TOKEN_LIFETIME", "access_token_lifetime"),
    ("JWT_AUTH_SECURE", "jwt_auth_secure"),
    ("LOG_LEVEL", "log_level"),
    ("THROTTLE_ANON_RATE", "throttle.anon"),
    ("THROTTLE_USER_RATE", "throttle.user"),
    ("THROTTLE_LOGIN_RATE", "throttle.login"),
    ("THROTTLE_RECOMMENDATION_RATE", "throttle.recommendation"),
    ("INFERENCE_RATE_LIMIT", "throttle.inference"),
    ("CORS_ALLOWED_ORIGINS", "cors_allowed_origins"),
    ("ALLOWED_HOSTS", "allowed_hosts"),
];

/// Variables with our prefix that are options of single commands or of the tests.
const NOT_SETTINGS: [&str; 3] = ["config", "superuser_password", "shared"];

impl Settings {
    /// Reads the defaults, the file (`config.toml` in the working directory unless another is named) and the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let toml = match file {
            Some(path) => Toml::file_exact(path),
            None => Toml::file("config.toml"),
        };
        let mut figment = Figment::from(Serialized::defaults(Self::default())).merge(toml);
        for (variable, setting) in LEGACY_VARIABLES {
            if let Ok(value) = std::env::var(variable)
                && !value.is_empty()
            {
                figment = figment.merge(Serialized::default(setting, legacy_value(setting, &value)));
            }
        }
        figment
            .merge(
                Env::prefixed("RECOTEM_")
                    .filter(|key| !NOT_SETTINGS.iter().any(|other| key.as_str().eq_ignore_ascii_case(other)))
                    .split("__"),
            )
            .extract()
            .map_err(|error| Box::new(error).into())
    }

    /// Whether mail can be sent. A link in a mail must lead here and not to wherever the request that caused it claims
    /// to have been sent to, so this takes a public URL too.
    pub fn sends_mail(&self) -> bool {
        self.smtp_url.is_some() && self.public_url.is_some()
    }

    /// The key that signs: the configured one, or the one generated into the data directory (readable by its owner only).
    pub fn secret(&self) -> Result<SecretString, ConfigError> {
        match &self.secret_key {
            Some(key) if self.production && key.len() < 32 => Err(ConfigError::WeakSecret),
            Some(key) if !key.is_empty() => Ok(key.clone().into()),
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
        std::fs::create_dir_all(&self.data_dir).map_err(fault)?;
        let secret = random_text(48).map_err(fault)?;
        write_private(&path, secret.expose_secret().as_bytes()).map_err(fault)?;
        Ok(secret)
    }
}

/// 1.x wrote lists with commas and numbers as text; everything else is taken as it stands.
fn legacy_value(setting: &str, value: &str) -> figment::value::Value {
    match setting {
        "cors_allowed_origins" | "allowed_hosts" => {
            let entries: Vec<&str> = value.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
            figment::value::Value::from(entries)
        }
        "log_level" => value.to_lowercase().into(),
        "jwt_auth_secure" => value.eq_ignore_ascii_case("true").into(),
        "access_token_lifetime" => value.parse::<i64>().map_or_else(|_| value.into(), Into::into),
        _ => value.into(),
    }
}

/// `bytes` random bytes from the operating system, as url-safe text.
pub fn random_text(bytes: usize) -> std::io::Result<SecretString> {
    use base64::Engine;
    use ring::rand::SecureRandom;
    let mut buffer = vec![0_u8; bytes];
    ring::rand::SystemRandom::new().fill(&mut buffer).map_err(|_| std::io::Error::other("the system gave no random bytes"))?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(buffer).into())
}

/// Writes a file that only its owner may read, whole or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
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
    fn the_example_shows_the_defaults() {
        let example: Settings =
            Figment::from(Toml::file(concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.toml"))).extract().unwrap();
        assert_eq!(serde_json::to_value(example).unwrap(), serde_json::to_value(Settings::default()).unwrap());
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
        settings.secret_key = Some("x".repeat(32));
        assert!(settings.secret().is_ok());
    }
}
