//! Options of every command that needs the database, and how such a command runs.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::Boot;
use crate::app::worker_processes::Launch;
use crate::platform::config::{Loaded, Settings};
use crate::platform::services::Services;
use crate::platform::telemetry;

/// How long the end of a command waits for threads that are still busy. All that has to be finished is awaited before.
const PARTING: Duration = Duration::from_millis(500);

/// Options shared by all roles; each is also a setting (see config.example.toml).
#[derive(Debug, Clone, clap::Args)]
pub struct ServerOptions {
    /// Settings file; by default `config.toml` in the working directory if it exists
    #[arg(long, env = "RECOTEM_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of uploads, models, the generated secret and the private PostgreSQL [env: RECOTEM_DATA_DIR] [default: data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// URL of a PostgreSQL to use; without it the program runs a private one in its data directory [env: DATABASE_URL]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

impl ServerOptions {
    /// Returns the settings with these options applied. Starts logging, to warn of probable mistakes in the environment.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let Loaded { settings, warnings } = Settings::load(self.config.as_deref())?;
        telemetry::start(&settings);
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        self.applied_to(settings)
    }

    /// Returns the settings of a worker process. The process that started it has the same environment, and has warned of it.
    pub fn settings_of_worker_process(&self) -> anyhow::Result<Settings> {
        self.applied_to(Settings::load(self.config.as_deref())?.settings)
    }

    fn applied_to(&self, mut settings: Settings) -> anyhow::Result<Settings> {
        if let Some(data_dir) = &self.data_dir {
            settings.data_dir.clone_from(data_dir);
        }
        // The private PostgreSQL and its clients change folders: only an absolute path means the same to all.
        settings.data_dir = std::path::absolute(&settings.data_dir)?;
        if let Some(url) = &self.database_url {
            settings.database_url = Some(url.as_str().into());
        }
        Ok(settings)
    }
}

/// Options of the roles that listen.
#[derive(Debug, Clone, clap::Args)]
pub struct ListeningOptions {
    #[command(flatten)]
    pub server: ServerOptions,
    /// Address and port to listen on [env: RECOTEM_BIND] [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR:PORT")]
    bind: Option<String>,
}

impl ListeningOptions {
    /// Returns the settings with these options applied.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = self.server.settings()?;
        if let Some(bind) = &self.bind {
            settings.bind.clone_from(bind);
        }
        Ok(settings)
    }
}

/// Runs a single command on the database of the install: the configured one, the private one of a running process, or the private
/// one started for the duration of the command.
pub fn on_database(options: &ServerOptions, command: impl AsyncFnOnce(&Services) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let settings = options.settings()?;
    block_on(&settings.clone(), async |_| {
        let boot = Boot::for_command(settings).await?;
        let result = command(&boot.services).await;
        boot.close().await;
        result
    })
}

impl ServerOptions {
    /// Returns how to start this program again with the same settings.
    pub fn launch(&self, settings: &Settings) -> Launch {
        let config = self.config.as_ref().map(|path| ("RECOTEM_CONFIG", path.clone().into()));
        let data_dir = ("RECOTEM_DATA_DIR", settings.data_dir.clone().into());
        Launch { environment: config.into_iter().chain([data_dir]).collect() }
    }
}

/// Runs a command to its end on a multi-threaded runtime, with logging started. Threads that still compute what no caller waits for
/// do not delay the end.
pub fn block_on<F: Future<Output = anyhow::Result<()>>>(
    settings: &Settings,
    command: impl FnOnce(CancellationToken) -> F,
) -> anyhow::Result<()> {
    telemetry::start(settings);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn(cancel_on_signal(stop.clone()));
        command(stop).await
    });
    runtime.shutdown_timeout(PARTING);
    result
}

/// Cancels the token on SIGTERM or Ctrl-C for an orderly end; a second signal ends the program at once.
async fn cancel_on_signal(stop: CancellationToken) {
    signal().await;
    tracing::info!("stopping: finishing what is in flight");
    stop.cancel();
    signal().await;
    tracing::warn!("stopping at once");
    std::process::exit(130);
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_thread_that_never_ends_does_not_delay_the_end() {
        let (hold, held) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        block_on(&Settings::default(), async |_| {
            tokio::task::spawn_blocking(move || (begin.send(()), held.recv()));
            Ok(begun.recv()?)
        })
        .unwrap();
        drop(hold);
    }
}
