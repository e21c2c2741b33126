//! `recotem worker`.

use super::server_options::{ServerOptions, block_on};
use crate::app::{Boot, roles};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let settings = args.server.settings()?;
    let launch = args.server.launch(&settings);
    block_on(&settings.clone(), async |stop| {
        let boot = Boot::connect(settings).await?;
        roles::work_as_set(boot.services.clone(), launch, stop).await;
        boot.close().await;
        Ok(())
    })
}
