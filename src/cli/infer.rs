//! `recotem infer`.

use super::server_options::{ListeningOptions, block_on};
use crate::app::{Boot, roles};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    listening: ListeningOptions,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let settings = args.listening.settings()?;
    block_on(&settings.clone(), async |stop| {
        let boot = Boot::connect(settings).await?;
        let listening = roles::listen_for_inference(&boot.services, &stop)?;
        println!("Recotem answers predictions on http://{}/inference", listening.address);
        let result = listening.run(stop).await;
        boot.close().await;
        Ok(result?)
    })
}
