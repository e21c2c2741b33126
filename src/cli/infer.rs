//! `recotem infer`.

use super::server_options::{ServerOptions, block_on};
use crate::app::{Boot, roles};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// Address and port to listen on [env: RECOTEM_BIND] [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR:PORT")]
    bind: Option<String>,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let mut settings = args.server.settings()?;
    if let Some(bind) = args.bind {
        settings.bind = bind;
    }
    block_on(&settings.clone(), async |stop| {
        let boot = Boot::connect(settings).await?;
        let listening = roles::listen_for_inference(&boot.services, &stop)?;
        println!("Recotem answers predictions on http://{}/inference", listening.address);
        let result = listening.run(stop).await;
        boot.close().await;
        Ok(result?)
    })
}
