//! `recotem create-superuser`.

use anyhow::Context;

use super::server_options::{ServerOptions, block_on};
use crate::app::Boot;
use crate::features::accounts;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// Name to log in with
    #[arg(long)]
    username: String,
    /// E-mail address
    #[arg(long, default_value = "")]
    email: String,
    /// Password; better given in the environment, where it does not show in the list of processes
    #[arg(long, env = "RECOTEM_SUPERUSER_PASSWORD", hide_env_values = true)]
    password: Option<String>,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let settings = args.server.settings()?;
    let password = args.password.context("Set the password in the variable RECOTEM_SUPERUSER_PASSWORD.")?;
    block_on(&settings.clone(), async |_| {
        let boot = Boot::connect(settings).await?;
        let result = async {
            boot.services.db.migrate().await?;
            let user = accounts::create_superuser(&boot.services, &args.username, &args.email, password).await?;
            println!("Created the superuser \"{}\".", user.username);
            anyhow::Ok(())
        }
        .await;
        boot.close().await;
        result
    })
}
