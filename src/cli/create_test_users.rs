//! `recotem create-test-users`.

use anyhow::{Context, bail};

use super::server_options::{ServerOptions, block_on};
use crate::app::Boot;
use crate::features::accounts;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// Name and password, with a colon between them; may be given several times
    #[arg(long = "user", value_name = "NAME:PASSWORD", required = true)]
    users: Vec<String>,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let settings = args.server.settings()?;
    if settings.production {
        bail!("Test users have passwords that others know. They are not made in production mode.");
    }
    let parse = |text: &String| text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()));
    let users: Option<Vec<_>> = args.users.iter().map(parse).collect();
    let users = users.context("Write each user as NAME:PASSWORD.")?;
    block_on(&settings.clone(), async |_| {
        let boot = Boot::connect(settings).await?;
        let result = async {
            boot.services.db.migrate().await?;
            for (name, password) in users {
                accounts::put_test_user(&boot.services, &name, password).await?;
                println!("\"{name}\" can log in.");
            }
            anyhow::Ok(())
        }
        .await;
        boot.close().await;
        result
    })
}
