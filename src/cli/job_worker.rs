//! `recotem job-worker`: the process that `serve` and `worker` start for each job that may run at once.

use super::server_options::{ServerOptions, block_on};
use crate::app::{Boot, roles, worker_processes};

/// Connections of one worker: its job, its heartbeat, its rounds, and one to spare.
const CONNECTIONS: usize = 4;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// Name of the worker
    #[arg(long)]
    name: String,
    /// Name of the group of workers that it shares places with
    #[arg(long)]
    group: String,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    worker_processes::become_worker_process();
    let mut settings = args.server.settings_of_worker_process()?;
    settings.database_pool_size = settings.database_pool_size.min(CONNECTIONS);
    block_on(&settings.clone(), async |stop| {
        let boot = Boot::connect(settings).await?;
        roles::work_one_at_a_time(boot.services.clone(), args.name, args.group, stop).await;
        boot.close().await;
        // Work that still runs has been handed back, and its result is not needed.
        std::process::exit(0)
    })
}
