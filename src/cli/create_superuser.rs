//! `recotem create-superuser`.

use anyhow::Context;

use super::server_options::{ServerOptions, on_database};
use crate::app::first_user;
use crate::features::accounts;
use crate::platform::services::Services;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// Name to log in with; without it, an install without users gets `admin` with the password in DEFAULT_ADMIN_PASSWORD or a
    /// random one, and other installs are not changed
    #[arg(long)]
    username: Option<String>,
    /// E-mail address
    #[arg(long, default_value = "", requires = "username")]
    email: String,
    /// Password; better set in the environment, where the list of processes does not show it
    #[arg(long, env = "RECOTEM_SUPERUSER_PASSWORD", hide_env_values = true)]
    password: Option<String>,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let password = match &args.username {
        Some(_) => Some(args.password.context("Set the password in the variable RECOTEM_SUPERUSER_PASSWORD.")?),
        None => None,
    };
    on_database(&args.server, async |services| {
        services.db.migrate().await?;
        match args.username.zip(password) {
            Some((name, password)) => create(services, &name, &args.email, password).await,
            None => create_first(services).await,
        }
    })
}

async fn create(services: &Services, name: &str, email: &str, password: String) -> anyhow::Result<()> {
    let user = accounts::create_superuser(services, name, email, password).await?;
    println!("Created the superuser \"{}\".", user.username);
    Ok(())
}

async fn create_first(services: &Services) -> anyhow::Result<()> {
    match first_user::ensure(services).await? {
        true => println!("No user found. Created the superuser \"admin\"."),
        false => println!("Users exist already, so no superuser was created. To create one, pass --username."),
    }
    Ok(())
}
