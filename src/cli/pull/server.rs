//! A database server, as a URL on the command line names it.

use url::Url;

use crate::connectors::ConnectionKind;

/// The parts of a URL.
#[derive(Debug, Clone)]
pub struct Server {
    pub kind: ConnectionKind,
    pub host: String,
    pub port: Option<u16>,
    pub database: String,
    pub username: String,
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
