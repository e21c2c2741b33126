//! `recotem resign-models`.

use anyhow::bail;

use super::server_options::{ServerOptions, block_on};
use crate::app::Boot;
use crate::features::models::{self, Resigned};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let settings = args.server.settings()?;
    block_on(&settings.clone(), async |_| {
        let boot = Boot::connect(settings).await?;
        let result = models::resign(&boot.services).await;
        boot.close().await;
        report(&result?)
    })
}

fn report(resigned: &Resigned) -> anyhow::Result<()> {
    println!("Signed anew: {}", resigned.renewed);
    println!("Signed with the present secret before: {}", resigned.present);
    for (id, error) in &resigned.refused {
        let details = error.details().map(|details| format!(" ({details})")).unwrap_or_default();
        eprintln!("Model {id} was left alone: {error}{details}");
    }
    match resigned.refused.len() {
        0 => Ok(()),
        refused => bail!(
            "{refused} models were left alone. If they were signed with an older secret, add it to previous_secret_keys and run \
             this again."
        ),
    }
}
