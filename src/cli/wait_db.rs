//! `recotem wait-db`.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::server_options::{ServerOptions, block_on};
use crate::platform::config::Settings;
use crate::platform::db::Database;
use crate::platform::embedded_postgres::PrivatePostgres;

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
    block_on(&settings.clone(), async |_| {
        let Some(url) = url_of(&settings).await? else {
            println!("There is no database to wait for: without a database URL, `recotem serve` starts a private one itself.");
            return Ok(());
        };
        Database::connect_with_retry(&url, 1, Duration::from_secs(args.timeout)).await?;
        println!("Database available.");
        Ok(())
    })
}

/// Returns the URL of the configured database, or of the private one that another process runs.
async fn url_of(settings: &Settings) -> anyhow::Result<Option<String>> {
    if let Some(url) = &settings.database_url {
        return Ok(Some(url.expose_secret().to_owned()));
    }
    let data_dir: PathBuf = settings.data_dir.clone();
    Ok(tokio::task::spawn_blocking(move || PrivatePostgres::running(&data_dir)).await??)
}
