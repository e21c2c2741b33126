//! How to reach a server, without the secret.

use std::fmt;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use recotem_platform::objects::{SettingFault, StoreSettings};

use super::certificates::authorities;
use super::kind::ConnectionKind;

recotem_platform::wire_enum! {
    /// How a connection is encrypted.
    #[derive(Default)]
    pub enum Tls {
        /// Encrypted, and the server's certificate is checked.
        #[default]
        VerifyFull = "verify_full",
        /// Encrypted, without a check of who answers.
        Require = "require",
        /// Not encrypted.
        Off = "off",
    }
}

/// The longest text of a setting, in characters; certificates may be longer.
const LONGEST: usize = 255;

/// The longest text of certificates, in bytes.
const LONGEST_CERTIFICATE: usize = 64 << 10;

/// How to reach a server of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settings {
    Postgresql(ServerSettings),
    Mysql(ServerSettings),
    Files(StoreSettings),
}

/// How to reach a database server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// Name or address of the server.
    pub host: String,
    /// Port; without it, the usual one of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    pub database: String,
    pub username: String,
    /// How the connection is encrypted.
    #[serde(default)]
    pub tls: Tls,
    /// Certificates (PEM) of the authorities to trust instead of the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_certificate: Option<String>,
    /// Time zone of times that are stored without one, such as Asia/Tokyo. UTC by default for PostgreSQL; for MySQL, such columns
    /// cannot be read without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// A setting that is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsFault {
    /// The name of the setting, if the fault is in one of them.
    pub field: Option<&'static str>,
    pub message: String,
}

impl fmt::Display for SettingsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "{field}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl Settings {
    /// Reads and checks the settings of a kind.
    pub fn read(kind: ConnectionKind, value: &Value) -> Result<Self, SettingsFault> {
        match kind {
            ConnectionKind::Postgresql => ServerSettings::read(value).map(Self::Postgresql),
            ConnectionKind::Mysql => ServerSettings::read(value).map(Self::Mysql),
            ConnectionKind::S3 => files(StoreSettings::S3(read(value)?)),
            ConnectionKind::Http => files(StoreSettings::Web(read(value)?)),
            ConnectionKind::Folder => files(StoreSettings::Folder(read(value)?)),
            other => {
                let known: Vec<&str> = ConnectionKind::AVAILABLE.iter().map(|kind| kind.wire()).collect();
                let message = format!("This version cannot read from {other} yet; it can from {}.", known.join(", "));
                Err(SettingsFault { field: None, message })
            }
        }
    }

    /// Returns the kind of the server.
    pub fn kind(&self) -> ConnectionKind {
        match self {
            Self::Postgresql(_) => ConnectionKind::Postgresql,
            Self::Mysql(_) => ConnectionKind::Mysql,
            Self::Files(StoreSettings::S3(_)) => ConnectionKind::S3,
            Self::Files(StoreSettings::Gcs(_)) => ConnectionKind::Gcs,
            Self::Files(StoreSettings::Azure(_)) => ConnectionKind::Azure,
            Self::Files(StoreSettings::Web(_)) => ConnectionKind::Http,
            Self::Files(StoreSettings::Folder(_)) => ConnectionKind::Folder,
        }
    }

    /// Returns the settings as they are stored and shown.
    pub fn to_value(&self) -> Value {
        let value = match self {
            Self::Postgresql(settings) | Self::Mysql(settings) => serde_json::to_value(settings),
            Self::Files(StoreSettings::S3(settings)) => serde_json::to_value(settings),
            Self::Files(StoreSettings::Gcs(settings)) => serde_json::to_value(settings),
            Self::Files(StoreSettings::Azure(settings)) => serde_json::to_value(settings),
            Self::Files(StoreSettings::Web(settings)) => serde_json::to_value(settings),
            Self::Files(StoreSettings::Folder(settings)) => serde_json::to_value(settings),
        };
        value.unwrap_or_default()
    }
}

fn read<'a, T: Deserialize<'a>>(value: &'a Value) -> Result<T, SettingsFault> {
    T::deserialize(value).map_err(|error| SettingsFault { field: None, message: format!("The settings are not valid: {error}.") })
}

fn files(mut settings: StoreSettings) -> Result<Settings, SettingsFault> {
    settings.tidy();
    let fault = |SettingFault { field, message }| SettingsFault { field: Some(field), message };
    settings.check().map_err(fault)?;
    Ok(Settings::Files(settings))
}

impl ServerSettings {
    fn read(value: &Value) -> Result<Self, SettingsFault> {
        let mut read: Self = read(value)?;
        for text in [&mut read.host, &mut read.database, &mut read.username] {
            *text = text.trim().to_owned();
        }
        for text in [&mut read.ca_certificate, &mut read.time_zone] {
            *text = text.take().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        }
        read.check()?;
        Ok(read)
    }

    /// Checks every setting.
    pub fn check(&self) -> Result<(), SettingsFault> {
        let fault = |field, message: String| Err(SettingsFault { field: Some(field), message });
        for (field, text) in [("host", &self.host), ("database", &self.database), ("username", &self.username)] {
            if text.is_empty() {
                return fault(field, "This field may not be blank.".to_owned());
            }
            if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
                return fault(field, format!("Enter at most {LONGEST} characters, without line breaks."));
            }
        }
        if self.host.contains(['/', '@', ' ']) {
            return fault("host", "Enter a name or an address only, such as db.example.com.".to_owned());
        }
        if self.port == Some(0) {
            return fault("port", "Enter a port from 1 to 65535.".to_owned());
        }
        let is_bad = |text: &String| text.len() > LONGEST_CERTIFICATE || authorities(text).is_err();
        if self.ca_certificate.as_ref().is_some_and(is_bad) {
            let message = "Enter certificates in PEM form, which begin with -----BEGIN CERTIFICATE-----.";
            return fault("ca_certificate", message.to_owned());
        }
        match &self.time_zone {
            Some(name) if name.parse::<Tz>().is_err() => {
                fault("time_zone", format!("\"{}\" is not a time zone. Enter one such as Europe/Berlin.", shortened(name)))
            }
            _ => Ok(()),
        }
    }

    /// Returns the time zone of times that are stored without one, if it is not UTC.
    pub(super) fn zone(&self) -> Option<Tz> {
        self.time_zone.as_deref().and_then(|name| name.parse().ok()).filter(|zone| *zone != Tz::UTC)
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field_of(change: Value) -> Option<&'static str> {
        let mut value = json!({"host": "db.example.com", "database": "shop", "username": "reader"});
        value.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        Settings::read(ConnectionKind::Postgresql, &value).err().map(|fault| fault.field.unwrap_or("?"))
    }

    #[test]
    fn what_is_left_out_is_safe() {
        let value = json!({"host": " db.example.com ", "database": "shop", "username": "reader", "ca_certificate": ""});
        let settings = Settings::read(ConnectionKind::Postgresql, &value).unwrap();
        let wanted = json!({"host": "db.example.com", "database": "shop", "username": "reader", "tls": "verify_full"});
        assert_eq!(settings.to_value(), wanted);
    }

    #[test]
    fn a_fault_names_its_setting() {
        assert_eq!(field_of(json!({})), None);
        for (change, field) in [
            (json!({"host": " "}), "host"),
            (json!({"host": "https://db"}), "host"),
            (json!({"host": "h".repeat(256)}), "host"),
            (json!({"username": "a\nb"}), "username"),
            (json!({"database": ""}), "database"),
            (json!({"port": 0}), "port"),
            (json!({"port": 70_000}), "?"),
            (json!({"tls": "prefer"}), "?"),
            (json!({"password": "hush"}), "?"),
            (json!({"ca_certificate": "abc"}), "ca_certificate"),
            (json!({"time_zone": "Tokyo"}), "time_zone"),
        ] {
            assert_eq!(field_of(change.clone()), Some(field), "{change}");
        }
        assert_eq!(field_of(json!({"host": "h".repeat(255), "time_zone": "Asia/Tokyo", "port": 5433})), None);
    }

    #[test]
    fn a_kind_without_a_reader_is_refused() {
        let fault = Settings::read(ConnectionKind::Bigquery, &json!({})).unwrap_err();
        assert!(fault.to_string().contains("it can from postgresql, mysql, folder"), "{fault}");
    }
}
