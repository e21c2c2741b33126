//! `recotem wait-db`.

use std::time::Duration;

use anyhow::Context;

use super::server_options::{ServerOptions, block_on};
use crate::platform::db::Database;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// Seconds to wait
    #[arg(long, default_value_t = 60)]
    timeout: u64,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let settings = args.server.settings()?;
    let url =
        settings.database_url.clone().context("There is no database to wait for: set DATABASE_URL or give --database-url.")?;
    block_on(&settings, async |_| {
        Database::connect_with_retry(&url, 1, Duration::from_secs(args.timeout)).await?;
        Ok(())
    })
}
