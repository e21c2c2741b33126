//! `recotem migrate`.

use super::server_options::{ServerOptions, on_database};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    on_database(&args.server, async |services| {
        println!("Migrations run: {}", services.db.migrate().await?);
        Ok(())
    })
}
