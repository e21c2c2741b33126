//! Which variables of the environment are settings, which belong to other programs, and which look like a mistake.

use figment::value::Value;

use super::known::{Kind, Known};
use super::{ConfigError, shown};

const PREFIX: &str = "RECOTEM_";

/// Names of settings in Recotem 1.x, and their names here.
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

/// The variable that tells where 1.x kept its files: empty for a local folder, `S3` for a bucket.
const STORAGE_TYPE: &str = "RECOTEM_STORAGE_TYPE";
const LOCAL_STORAGE: [&str; 3] = ["local", "file", "filesystem"];

/// Variables with our prefix that are options of single commands.
const OPTIONS: [&str; 2] = ["config", "superuser_password"];
/// Prefixes of variables, after ours, that are for the tests.
const OF_TESTS: [&str; 3] = ["test_", "golden_", "shared"];

/// A setting from a variable.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    pub variable: String,
    pub setting: String,
    pub value: Value,
}

/// The settings in the environment.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// Settings in order; later ones win.
    pub assignments: Vec<Assignment>,
    /// Warnings about variables that were probably meant as settings.
    pub warnings: Vec<String>,
}

impl Environment {
    /// Reads the variables. An empty one counts as not set.
    pub fn read(variables: &[(String, String)], known: &Known) -> Result<Self, ConfigError> {
        let mut read = Self::default();
        let set = || variables.iter().filter(|(_, value)| !value.is_empty());
        for (variable, setting) in LEGACY_VARIABLES {
            if let Some((_, value)) = set().find(|(name, _)| name == variable) {
                read.assign(variable, setting, known.kind(setting).unwrap_or(Kind::Unknown), value)?;
            }
        }
        for (variable, value) in set() {
            if variable == STORAGE_TYPE {
                only_local_storage(value)?;
            } else if let Some(rest) = variable.strip_prefix(PREFIX) {
                read.read_ours(variable, rest, value, known)?;
            }
        }
        Ok(read)
    }

    fn read_ours(&mut self, variable: &str, rest: &str, value: &str, known: &Known) -> Result<(), ConfigError> {
        let setting = rest.to_ascii_lowercase().replace("__", ".");
        if let Some(kind) = known.kind(&setting) {
            return self.assign(variable, &setting, kind, value);
        }
        let ours = OPTIONS.contains(&setting.as_str()) || OF_TESTS.iter().any(|start| setting.starts_with(start));
        if !ours && !is_injected(rest, value) {
            let near = known.nearest(&setting).map(|name| format!(" Did you mean {}?", variable_of(name))).unwrap_or_default();
            self.warnings.push(format!("The variable {variable} is not a setting and has no effect.{near}"));
        }
        Ok(())
    }

    fn assign(&mut self, variable: &str, setting: &str, kind: Kind, text: &str) -> Result<(), ConfigError> {
        let Some(value) = kind.read(text) else {
            let value = shown(setting, format!("\"{text}\""));
            return Err(ConfigError::Refused { place: format!("The variable {variable}"), value, allowed: kind.allowed() });
        };
        self.assignments.push(Assignment { variable: variable.to_owned(), setting: setting.to_owned(), value });
        Ok(())
    }
}

/// Returns the name of a setting's variable.
fn variable_of(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_ascii_uppercase().replace('.', "__"))
}

/// Refuses 1.x values that mean object storage: keeping the files in a folder instead would lose them with the container.
fn only_local_storage(value: &str) -> Result<(), ConfigError> {
    if LOCAL_STORAGE.iter().any(|local| value.eq_ignore_ascii_case(local)) {
        Ok(())
    } else {
        Err(ConfigError::ObjectStorage(value.to_owned()))
    }
}

/// Returns whether Kubernetes or Docker sets such a variable for a service whose name begins with `recotem`: where the service is
/// (`RECOTEM_SERVICE_HOST`, `RECOTEM_PORT=tcp://…`, `RECOTEM_API_PORT_8000_TCP_ADDR`), and what a linked container has in its own
/// environment (`RECOTEM_ENV_…`, `RECOTEM_NAME=/web/recotem`).
fn is_injected(rest: &str, value: &str) -> bool {
    let whole = format!("_{rest}");
    let has_protocol = ["tcp://", "udp://", "sctp://"].iter().any(|start| value.starts_with(start));
    whole.ends_with("_SERVICE_HOST")
        || whole.ends_with("_SERVICE_PORT")
        || whole.contains("_SERVICE_PORT_")
        || whole.ends_with("_PORT") && has_protocol
        || names_a_port(&whole)
        || whole.contains("_ENV_")
        || whole.ends_with("_NAME") && value.starts_with('/')
}

/// Returns whether the name contains `_PORT_8000_TCP` or the like.
fn names_a_port(name: &str) -> bool {
    name.match_indices("_PORT_").any(|(at, word)| {
        let rest = &name[at + word.len()..];
        let protocol = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        protocol.len() < rest.len() && ["_TCP", "_UDP", "_SCTP"].iter().any(|known| protocol.starts_with(known))
    })
}
