//! Checks of settings beyond their types.

use secrecy::ExposeSecret;
use tracing_subscriber::EnvFilter;

use super::Settings;

/// Names of the levels of `tracing`.
const LEVELS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "off"];
/// Names that Python, and so Recotem 1.x, uses for levels, and their names here.
const LEVELS_OF_PYTHON: [(&str, &str); 4] = [("notset", "trace"), ("warning", "warn"), ("critical", "error"), ("fatal", "error")];

/// Converts values to the form that the program uses.
pub(super) fn tidy(settings: &mut Settings) {
    let word = settings.log_level.trim().to_ascii_lowercase();
    let python = LEVELS_OF_PYTHON.iter().find(|(name, _)| *name == word);
    if let Some(level) = python.map(|(_, level)| *level).or_else(|| LEVELS.iter().find(|level| **level == word).copied()) {
        settings.log_level = level.to_owned();
    }
}

/// Returns the first setting whose value is not valid, and what it allows instead.
pub(super) fn fault(settings: &Settings) -> Option<(&'static str, &'static str)> {
    let (postgres, smtp) = (&settings.database_url, &settings.smtp_url);
    let faults = [
        (
            !is_filter(&settings.log_level),
            "log_level",
            "trace, debug, info, warn, error, or a tracing filter such as info,recotem=debug",
        ),
        (!["text", "json"].contains(&settings.log_format.as_str()), "log_format", "text or json"),
        (settings.database_pool_size == 0, "database_pool_size", "a whole number of 1 or more"),
        (settings.access_token_lifetime < 1, "access_token_lifetime", "a number of seconds of 1 or more"),
        (settings.refresh_token_lifetime < 1, "refresh_token_lifetime", "a number of seconds of 1 or more"),
        (settings.live_heartbeat_seconds == 0, "live_heartbeat_seconds", "a number of seconds of 1 or more"),
        (
            postgres.as_ref().is_some_and(|url| has_other_scheme(url.expose_secret(), &["postgres", "postgresql"])),
            "database_url",
            "the address of a PostgreSQL, such as postgres://recotem:password@db/recotem",
        ),
        (
            smtp.as_ref().is_some_and(|url| has_other_scheme(url.expose_secret(), &["smtp", "smtps"])),
            "smtp_url",
            "the address of a mail server, such as smtps://user:password@mail.example.com",
        ),
        (
            settings.public_url.as_deref().is_some_and(|text| !is_web_address(text)),
            "public_url",
            "an address such as https://recotem.example.com",
        ),
    ];
    faults.into_iter().find(|(wrong, ..)| *wrong).map(|(_, setting, allowed)| (setting, allowed))
}

/// Returns whether a text is a filter. A word that is no level would be read as the name of a module, and nothing else would be
/// logged.
fn is_filter(text: &str) -> bool {
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_word { LEVELS.contains(&text) } else { EnvFilter::try_new(text).is_ok() }
}

fn has_other_scheme(url: &str, allowed: &[&str]) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| !allowed.contains(&scheme))
}

fn is_web_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()))
}
