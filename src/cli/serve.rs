//! `recotem serve`.

use super::server_options::{ListeningOptions, block_on};
use crate::app::Boot;
use crate::app::roles::{self, Parts};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    listening: ListeningOptions,
    /// Leave background jobs to `recotem worker`
    #[arg(long)]
    no_worker: bool,
    /// Leave schedules to `recotem scheduler`
    #[arg(long)]
    no_scheduler: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let settings = args.listening.settings()?;
    let worker = (!args.no_worker).then(|| args.listening.server.launch(&settings));
    let parts = Parts { worker, scheduler: !args.no_scheduler };
    block_on(&settings.clone(), async |stop| {
        let boot = Boot::complete(settings).await?;
        let result = serve(&boot, parts, &stop).await;
        boot.close().await;
        result
    })
}

async fn serve(boot: &Boot, parts: Parts, stop: &tokio_util::sync::CancellationToken) -> anyhow::Result<()> {
    let listening = roles::listen(&boot.services, stop)?;
    println!("Recotem is ready on http://{}", listening.address);
    Ok(roles::serve(&boot.services, listening, parts, stop).await?)
}
