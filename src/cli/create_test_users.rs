//! `recotem create-test-users`.

use anyhow::{Context, bail};

use super::server_options::{ServerOptions, on_database};
use crate::features::accounts;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// Name and password, separated by a colon; may be given several times
    #[arg(long = "user", value_name = "NAME:PASSWORD", required = true)]
    users: Vec<String>,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    if args.server.settings()?.production {
        bail!("Test users have well-known passwords. They cannot be created in production mode.");
    }
    let users: Vec<(&str, &str)> = args.users.iter().map(|text| parse(text)).collect::<anyhow::Result<_>>()?;
    on_database(&args.server, async |services| {
        services.db.migrate().await?;
        for (name, password) in users {
            accounts::put_test_user(services, name, password.to_owned()).await?;
            println!("\"{name}\" can log in.");
        }
        Ok(())
    })
}

/// Reads name and password. Errors do not repeat the text, since it holds a password.
fn parse(text: &str) -> anyhow::Result<(&str, &str)> {
    let (name, password) = text.split_once(':').context("Invalid --user value. Expected format: NAME:PASSWORD.")?;
    match name.trim() {
        "" => bail!("Invalid --user value. Username and password are required."),
        _ if password.is_empty() => bail!("Invalid --user value. Username and password are required."),
        name => Ok((name, password)),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_name_and_a_password_are_needed_and_blanks_around_the_name_are_not() {
        assert_eq!(parse(" carol : pass:word ").unwrap(), ("carol", " pass:word "));
        for (wrong, told) in
            [("carol", "Expected format"), (":hush", "are required"), (" :hush", "are required"), ("carol:", "are required")]
        {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("hush"), "{wrong}: {error}");
        }
    }
}
