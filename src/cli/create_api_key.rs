//! `recotem create-api-key`.

use anyhow::{Context, bail};
use chrono::TimeDelta;
use secrecy::ExposeSecret;

use super::server_options::{ServerOptions, block_on};
use crate::app::Boot;
use crate::features::accounts::{self, Guarded};
use crate::features::api_keys::{self, SCOPES, scope_of};
use crate::features::projects::Project;
use crate::platform::services::Services;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// The project the key is for
    #[arg(long)]
    project_id: i64,
    /// What the key is called; unique within the project
    #[arg(long)]
    name: String,
    /// What it may be used for, separated by commas: read, write, predict
    #[arg(long, default_value = "predict", value_delimiter = ',')]
    scopes: Vec<String>,
    /// Days until it expires; without it, never
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=36_500))]
    expires_in_days: Option<i64>,
    /// The user the key acts as
    #[arg(long, default_value = "admin")]
    owner: String,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let settings = args.server.settings()?;
    block_on(&settings.clone(), async |_| {
        let boot = Boot::connect(settings).await?;
        let result = create(&boot.services, args).await;
        boot.close().await;
        result
    })
}

/// Makes the key and prints it, alone on standard output so that a script can take it.
async fn create(services: &Services, args: Args) -> anyhow::Result<()> {
    let wanted: Vec<String> = args.scopes.iter().map(|word| word.trim().to_owned()).collect();
    if let Some(unknown) = wanted.iter().find(|word| scope_of(word).is_none()) {
        bail!("\"{unknown}\" is not a scope. Choose among: {}.", SCOPES.join(", "));
    }
    let scopes = SCOPES.iter().filter(|scope| wanted.iter().any(|word| scope_of(word) == scope_of(scope)));
    let scopes: Vec<String> = scopes.map(|scope| (*scope).to_owned()).collect();
    let mut connection = services.db.conn().await?;
    let project = Project::load(&mut connection, args.project_id).await?;
    let (project, _) = project.with_context(|| format!("There is no project {}.", args.project_id))?;
    let owner = accounts::user_by_name(&mut connection, &args.owner).await?;
    let owner = owner.with_context(|| format!("There is no user \"{}\". Name another with --owner.", args.owner))?;
    let expires_at = args.expires_in_days.map(|days| services.clock.now() + TimeDelta::days(days));
    let (_, key) = api_keys::create_for(&mut connection, project.id, owner.id, args.name, scopes, expires_at)
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    eprintln!("An API key for the project \"{}\". It is shown only now:", project.name);
    println!("{}", key.expose_secret());
    Ok(())
}
