//! Reads the settings from their sources, and tells which source is at fault.

use std::path::Path;

use figment::error::Kind as Fault;
use figment::providers::Serialized;
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};

use super::environment::Environment;
use super::file::{SettingsFile, as_text};
use super::known::Known;
use super::{ConfigError, Settings, checks, shown};

/// The name under which figment distinguishes the file from the variables.
const FILE: &str = "the settings file";

/// Settings, and warnings about variables that are probably mistakes.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    pub warnings: Vec<String>,
}

/// One source of settings.
struct Source {
    name: String,
    values: Dict,
}

impl Provider for Source {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

impl Settings {
    /// Reads the defaults, the file (`config.toml` in the working directory unless another is named) and the environment.
    pub fn load(file: Option<&Path>) -> Result<Loaded, ConfigError> {
        let variables: Vec<(String, String)> = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        let known = known()?;
        put_together(&SettingsFile::read(file, &known)?, &variables, &known)
    }
}

fn known() -> Result<Known, ConfigError> {
    let defaults = Serialized::defaults(Settings::default()).data();
    let defaults = defaults.map_err(|error| unusable(&error, &SettingsFile::default()))?;
    Ok(Known::of(&defaults.into_values().next().unwrap_or_default()))
}

fn put_together(file: &SettingsFile, variables: &[(String, String)], known: &Known) -> Result<Loaded, ConfigError> {
    let environment = Environment::read(variables, known)?;
    let mut figment = Figment::from(Serialized::defaults(Settings::default()));
    figment = figment.merge(Source { name: FILE.to_owned(), values: file.values.clone() });
    for assignment in environment.assignments {
        let nested = figment::util::nest(&assignment.setting, assignment.value);
        let values = nested.into_dict().unwrap_or_default();
        figment = figment.merge(Source { name: format!("The variable {}", assignment.variable), values });
    }
    let mut settings: Settings = figment.extract().map_err(|error| unusable(&error, file))?;
    checks::tidy(&mut settings);
    match checks::fault(&settings) {
        Some((setting, allowed)) => Err(refused(&figment, file, setting, allowed)),
        None => Ok(Loaded { settings, warnings: environment.warnings }),
    }
}

fn refused(figment: &Figment, file: &SettingsFile, setting: &str, allowed: &str) -> ConfigError {
    let source = figment.find_metadata(setting).map_or(FILE, |metadata| metadata.name.as_ref());
    let place = if source == FILE { file.place(setting) } else { source.to_owned() };
    let value = figment.find_value(setting).ok().as_ref().map(as_text);
    ConfigError::Refused { place, value: shown(setting, value.unwrap_or_default()), allowed: allowed.to_owned() }
}

/// Reports the message of a type, such as a rate, about a value it does not accept.
fn unusable(error: &figment::Error, file: &SettingsFile) -> ConfigError {
    let setting = error.path.join(".");
    let source = error.metadata.as_ref().map_or(FILE, |metadata| metadata.name.as_ref());
    let place = if source == FILE { file.place(&setting) } else { source.to_owned() };
    let reason = match &error.kind {
        _ if shown(error.path.first().map_or("", String::as_str), String::new()).is_none() => "This cannot be used.".to_owned(),
        Fault::Message(text) => text.clone(),
        other => format!("{other}."),
    };
    ConfigError::Unusable { place, reason }
}

#[cfg(test)]
mod tests;
