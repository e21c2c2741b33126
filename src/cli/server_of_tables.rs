//! The options that say which server is meant.

use std::path::PathBuf;

use anyhow::Context as _;
use secrecy::SecretString;
use url::Url;

use crate::connectors::{ConnectionKind, Connector, ServerSettings, Settings, Tls};
use crate::platform::config::OutboundSettings;
use crate::platform::outbound::{Outbound, Policy, install_cryptography};

/// Which server is meant, and how it is reached.
#[derive(Debug, clap::Args)]
pub struct ServerOptions {
    /// Server, user and database, such as postgres://reader@db.example.com/shop or mysql://reader@db.example.com/shop
    #[arg(long, value_name = "URL", value_parser = parse_server)]
    connection: Server,
    #[command(flatten)]
    access: AccessOptions,
}

/// The secret and the encryption of a connection.
#[derive(Debug, clap::Args)]
pub struct AccessOptions {
    /// File with the password, or the secret access key of a bucket; its last line break is left out
    #[arg(long, visible_alias = "secret-file", value_name = "FILE", conflicts_with = "password")]
    password_file: Option<PathBuf>,
    /// Password; set the variable, since others on this machine see arguments
    #[arg(long, env = "RECOTEM_SOURCE_PASSWORD", hide = true, hide_env_values = true)]
    password: Option<String>,
    /// Encryption: verify_full checks the server's certificate, require does not, off sends everything readably
    #[arg(long, value_name = "WORD", default_value = "verify_full", value_parser = str::parse::<Tls>)]
    tls: Tls,
    /// File of certificates (PEM) of the authorities to trust instead of the public ones
    #[arg(long, value_name = "FILE")]
    ca_certificate: Option<PathBuf>,
    /// Time zone of times that are stored without one, such as Asia/Tokyo; UTC by default for PostgreSQL
    #[arg(long, value_name = "NAME")]
    time_zone: Option<String>,
}

/// The parts of a URL.
#[derive(Debug, Clone)]
pub struct Server {
    kind: ConnectionKind,
    host: String,
    port: Option<u16>,
    database: String,
    username: String,
}

impl Server {
    /// Returns the schema of a table that is named without one.
    pub fn default_schema(&self) -> &str {
        match self.kind {
            ConnectionKind::Postgresql => "public",
            _ => &self.database,
        }
    }
}

impl ServerOptions {
    /// Returns a connector of the server.
    pub fn open(&self) -> anyhow::Result<Connector> {
        Ok(Connector::open(&self.access.settings(&self.connection)?, self.access.secret()?.as_ref(), &outbound()?)?)
    }

    /// Returns the schema of a table that is named without one.
    pub fn default_schema(&self) -> &str {
        self.connection.default_schema()
    }
}

impl AccessOptions {
    /// Returns the settings of a server.
    pub fn settings(&self, server: &Server) -> anyhow::Result<Settings> {
        let read = |path: &PathBuf| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
        let Server { kind, host, port, database, username } = server.clone();
        let settings = ServerSettings {
            host,
            port,
            database,
            username,
            tls: self.tls,
            ca_certificate: self.ca_certificate.as_ref().map(read).transpose()?,
            time_zone: self.time_zone.clone(),
        };
        let value = serde_json::to_value(settings)?;
        Settings::read(kind, &value).map_err(|fault| anyhow::anyhow!("{fault}"))
    }

    /// Returns the password, or the secret key of a bucket.
    pub fn secret(&self) -> anyhow::Result<Option<SecretString>> {
        let Some(path) = &self.password_file else { return Ok(self.password.clone().map(SecretString::from)) };
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Some(SecretString::from(text.trim_end_matches(['\n', '\r']).to_owned())))
    }
}

/// Returns a way out without restrictions: they keep users of a server from what the server can reach, and here both are one.
pub fn outbound() -> anyhow::Result<Outbound> {
    install_cryptography();
    let allow_networks = ["0.0.0.0/0", "::/0"].map(|text| text.parse().map_err(anyhow::Error::msg));
    let allow_networks = allow_networks.into_iter().collect::<anyhow::Result<_>>()?;
    let settings = OutboundSettings { allow_networks, allow_http: true, ..OutboundSettings::default() };
    Ok(Outbound::new(&settings, Policy::new(&settings, Vec::new()))?)
}

/// Reads a URL. Errors do not repeat it, since it may hold a password.
pub fn parse_server(text: &str) -> Result<Server, String> {
    let example = "expected a URL such as postgres://reader@db.example.com/shop";
    let url = Url::parse(text).map_err(|_| example.to_owned())?;
    let kind = match url.scheme() {
        "postgres" | "postgresql" => ConnectionKind::Postgresql,
        "mysql" | "mariadb" => ConnectionKind::Mysql,
        _ => return Err(example.to_owned()),
    };
    if url.password().is_some() {
        return Err("put the password into a file (--password-file), since others on this machine see arguments".to_owned());
    }
    if url.query().is_some() {
        return Err("leave out what follows the question mark; there are options such as --tls".to_owned());
    }
    let decoded = |text: &str| percent_decoded(text).ok_or_else(|| example.to_owned());
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| example.to_owned())?;
    let (username, database) = (decoded(url.username())?, decoded(url.path().trim_start_matches('/'))?);
    if username.is_empty() || database.is_empty() {
        return Err(example.to_owned());
    }
    Ok(Server { kind, host: host.trim_matches(['[', ']']).to_owned(), port: url.port(), database, username })
}

fn percent_decoded(text: &str) -> Option<String> {
    let pair = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_database_is_and_holds_no_password() {
        let server = parse_server("postgres://read%40er@[::1]:5433/my%20shop").unwrap();
        assert_eq!((server.host.as_str(), server.port), ("::1", Some(5433)));
        assert_eq!((server.username.as_str(), server.database.as_str()), ("read@er", "my shop"));
        for wrong in [
            "shop",
            "postgres://db/shop",
            "postgres://reader@db",
            "http://reader@db/shop",
            "postgres://reader@db/shop?sslmode=off",
        ] {
            assert!(parse_server(wrong).is_err(), "{wrong}");
        }
        let refused = parse_server("postgres://reader:hush@db/shop").unwrap_err();
        assert_eq!(parse_server("mariadb://reader@db/shop").unwrap().kind, ConnectionKind::Mysql);
        assert!(refused.contains("--password-file") && !refused.contains("hush"), "{refused}");
    }
}
