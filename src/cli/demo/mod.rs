//! `recotem demo`: starts the server and runs the whole flow through its own HTTP API, as a new user would.

mod catalogue;
mod client;
mod flow;
mod report;

use std::path::PathBuf;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use super::server_options::{ListeningOptions, block_on};
use crate::app::Boot;
use crate::app::roles::{self, Parts};
use crate::app::worker_processes::Launch;
use crate::platform::config::{Settings, random_text};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    listening: ListeningOptions,
    /// File of your own interactions; without it a sample catalogue is generated
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Column of user ids
    #[arg(long, default_value = "user_id")]
    user_column: String,
    /// Column of item ids
    #[arg(long, default_value = "item_id")]
    item_column: String,
    /// Column of times, if there is one
    #[arg(long)]
    time_column: Option<String>,
    /// Number of trials of the search
    #[arg(long, default_value_t = 20)]
    n_trials: u32,
    /// Stop at the end instead of staying up; the exit status is 0 only if recommendations were returned
    #[arg(long)]
    exit: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let mut settings = args.listening.settings()?;
    // The demo calls its own API far more often than a person would.
    for rate in [&mut settings.throttle.user, &mut settings.throttle.recommendation] {
        rate.requests = rate.requests.max(10_000);
    }
    let password = admin_password(&mut settings)?;
    let launch = args.listening.server.launch(&settings);
    block_on(&settings.clone(), async |stop| {
        let boot = Boot::complete(settings).await?;
        let result = show(&boot, &args, &password, launch, &stop).await;
        stop.cancel();
        boot.close().await;
        result
    })
}

/// Returns the password of the first user: the configured one, or one generated once and kept for the next start.
fn admin_password(settings: &mut Settings) -> anyhow::Result<SecretString> {
    if let Some(password) = settings.default_admin_password.clone().filter(|password| !password.expose_secret().is_empty()) {
        return Ok(password);
    }
    let path = settings.data_dir.join("demo-password");
    let password: SecretString = match std::fs::read_to_string(&path) {
        Ok(text) => text.trim().into(),
        Err(_) => {
            let generated = random_text(12)?;
            std::fs::create_dir_all(&settings.data_dir)
                .with_context(|| format!("The data directory {} cannot be created.", settings.data_dir.display()))?;
            crate::platform::config::write_private(&path, generated.expose_secret().as_bytes())?;
            generated
        }
    };
    settings.default_admin_password = Some(password.clone());
    Ok(password)
}

async fn show(boot: &Boot, args: &Args, password: &SecretString, launch: Launch, stop: &CancellationToken) -> anyhow::Result<()> {
    let listening = roles::listen(&boot.services, stop)?;
    let address = format!("http://{}", listening.address);
    let parts = Parts { worker: Some(launch), scheduler: true };
    let serving = roles::serve(&boot.services, listening, parts, stop);
    let flow = async {
        let shown = tokio::select! {
            result = flow::run(args, &address, password) => result,
            () = stop.cancelled() => Err(anyhow::anyhow!("stopped before the demo was finished")),
        };
        if args.exit || shown.is_err() {
            stop.cancel();
        }
        shown
    };
    let (served, shown) = tokio::join!(serving, flow);
    shown?;
    Ok(served?)
}
