//! The settings file: its contents and their lines.

use std::path::{Path, PathBuf};

use figment::Provider;
use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::known::{Known, leaves};
use super::{ConfigError, shown};

/// A settings file that was read.
#[derive(Debug, Default)]
pub(super) struct SettingsFile {
    path: PathBuf,
    text: String,
    pub values: Dict,
}

impl SettingsFile {
    /// Reads the named file, or `config.toml` in the working directory if it exists. Names that are no setting and values of
    /// another kind are refused, all at once.
    pub fn read(named: Option<&Path>, known: &Known) -> Result<Self, ConfigError> {
        let path = named.unwrap_or(Path::new("config.toml"));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(cause) => return Err(ConfigError::File { path: path.to_owned(), cause: cause.to_string() }),
        };
        Self::parse(path, text, known)
    }

    pub(super) fn parse(path: &Path, text: String, known: &Known) -> Result<Self, ConfigError> {
        let data = Toml::string(&text).data();
        let data = data.map_err(|error| ConfigError::File { path: path.to_owned(), cause: error.kind.to_string() })?;
        let file = Self { path: path.to_owned(), text, values: data.into_values().next().unwrap_or_default() };
        let faults: Vec<String> = leaves(&file.values, |name| known.is_table(name))
            .into_iter()
            .filter_map(|(name, value)| file.fault(&name, value, known))
            .collect();
        if faults.is_empty() { Ok(file) } else { Err(ConfigError::FileFaults(faults.join("\n"))) }
    }

    fn fault(&self, name: &str, value: &Value, known: &Known) -> Option<String> {
        let place = self.place(name);
        match known.kind(name) {
            None if known.is_table(name) && matches!(value, Value::Dict(..)) => None,
            None => {
                let near = known.nearest(name).map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
                Some(format!("{place} is not a setting.{near} config.example.toml shows them all."))
            }
            Some(kind) if !kind.admits(value) => {
                let allowed = kind.allowed();
                let value = shown(name, as_text(value));
                Some(ConfigError::Refused { place, value, allowed }.to_string())
            }
            Some(_) => None,
        }
    }

    /// Returns the file and line of a setting.
    pub fn place(&self, name: &str) -> String {
        let line = line_of(&self.text, name).map(|line| format!(", line {line}")).unwrap_or_default();
        format!("{}{line}: {name}", self.path.display())
    }
}

/// Returns a value as the file would write it.
pub(super) fn as_text(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Returns the number of the line that sets a name, from 1.
fn line_of(text: &str, name: &str) -> Option<usize> {
    let mut table = String::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            table = format!("{}.", header.trim());
            if header.trim() == name {
                return Some(index + 1);
            }
        } else if let Some((key, _)) = line.split_once('=') {
            let key = format!("{table}{}", key.trim().replace(['"', '\''], ""));
            if key == name || name.strip_prefix(&key).is_some_and(|rest| rest.starts_with('.')) {
                return Some(index + 1);
            }
        }
    }
    None
}
