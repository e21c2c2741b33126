//! `recotem create-api-key`.

use anyhow::{Context, bail};
use chrono::TimeDelta;
use secrecy::ExposeSecret;

use super::server_options::{ServerOptions, on_database};
use crate::features::accounts::{self, Guarded, Scope};
use crate::features::api_keys;
use crate::features::projects::Project;
use crate::platform::services::Services;
use crate::platform::words::Word;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// The project of the key
    #[arg(long)]
    project_id: i64,
    /// The name of the key; unique within the project
    #[arg(long)]
    name: String,
    /// The scopes of the key, separated by commas: read, write, predict
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
    on_database(&args.server, async |services| create(services, &args).await)
}

/// Creates the key and prints it, alone on standard output so that a script can read it.
async fn create(services: &Services, args: &Args) -> anyhow::Result<()> {
    let scopes = scopes_of(&args.scopes)?;
    let mut connection = services.db.conn().await?;
    let project = Project::load(&mut connection, args.project_id).await?;
    let (project, ownership) = project.with_context(|| format!("Project {} not found.", args.project_id))?;
    let owner = accounts::user_by_name(&mut connection, &args.owner).await?;
    let owner = owner.with_context(|| format!("User \"{}\" not found. Name another with --owner.", args.owner))?;
    let owner = accounts::principal_of(&mut connection, owner, None).await?;
    if owner.role_on(ownership).is_none() {
        bail!(
            "The owner \"{}\" does not match project owner: they have no role in the organisation of the project \"{}\", so the key \
             would reach nothing. Invite them there first, or name another user with --owner.",
            args.owner,
            project.fields.name
        );
    }
    let expires_at = args.expires_in_days.map(|days| services.clock.now() + TimeDelta::days(days));
    let (name, most) = (args.name.clone(), services.settings.max_api_keys_per_project);
    let made = api_keys::create_for(&mut connection, project.id, owner.user.id, name, &scopes, expires_at, most).await;
    let (_, key) = made.map_err(|error| anyhow::anyhow!("{}", error.in_words()))?;
    eprintln!("An API key for the project \"{}\". It is shown only now:", project.fields.name);
    println!("{}", key.expose_secret());
    Ok(())
}

/// Returns the requested scopes, in their usual order and each once.
fn scopes_of(words: &[String]) -> anyhow::Result<Vec<Scope>> {
    let known = Scope::words().join(", ");
    let wanted = words.iter().map(|word| word.trim()).filter(|word| !word.is_empty());
    match api_keys::scopes_of(wanted) {
        Err(unknown) => bail!("Invalid scope \"{unknown}\". Valid scopes: {known}."),
        Ok(scopes) if scopes.is_empty() => bail!("At least one scope is required. Valid scopes: {known}."),
        Ok(scopes) => Ok(scopes),
    }
}
