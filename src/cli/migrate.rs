//! `recotem migrate`.

use super::server_options::{ServerOptions, block_on};
use crate::app::Boot;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let settings = args.server.settings()?;
    block_on(&settings.clone(), async |_| {
        let boot = Boot::connect(settings).await?;
        let migrated = boot.services.db.migrate().await;
        boot.close().await;
        println!("Migrations run: {}", migrated?);
        Ok(())
    })
}
