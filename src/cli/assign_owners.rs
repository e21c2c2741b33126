//! `recotem assign-owners`.

use anyhow::Context;

use super::server_options::{ServerOptions, on_database};
use crate::features::accounts::{self, Guarded, Organisation};
use crate::features::projects;
use crate::platform::services::Services;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// The user who will own the projects that have no owner
    #[arg(long, visible_alias = "user", value_name = "NAME", default_value = "admin")]
    owner: String,
    /// The organisation that they move to; without it, the owner's personal one
    #[arg(long, value_name = "ID")]
    organisation: Option<i64>,
    /// Report what would change, without changing anything
    #[arg(long)]
    dry_run: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    on_database(&args.server, async |services| assign(services, &args).await)
}

async fn assign(services: &Services, args: &Args) -> anyhow::Result<()> {
    let mut connection = services.db.conn().await?;
    let owner = accounts::user_by_name(&mut connection, &args.owner).await?;
    let owner = owner.with_context(|| format!("User \"{}\" does not exist. Name another with --owner.", args.owner))?;
    let organisation = match args.organisation {
        Some(id) => {
            let found = Organisation::load(&mut connection, id).await?;
            found.with_context(|| format!("There is no organisation {id}."))?.0.id
        }
        None => accounts::personal_organisation(&mut connection, owner.id).await?,
    };
    let (assigned, kept) = match args.dry_run {
        true => projects::assignable_orphans(&mut connection, owner.id).await?,
        false => projects::assign_orphans(&mut connection, owner.id, organisation).await?,
    };
    let name = &owner.username;
    match (assigned, args.dry_run) {
        (0, _) if kept.is_empty() => println!("Project: no unowned records."),
        (count, true) => println!("Project: {count} record(s) would be assigned to \"{name}\"."),
        (count, false) => println!("Project: {count} record(s) assigned to \"{name}\"."),
    }
    if args.dry_run {
        println!("Dry run complete. No changes made.");
    }
    if !kept.is_empty() {
        anyhow::bail!("\"{name}\" already owns projects called {}. Rename one of each pair first.", kept.join(", "));
    }
    Ok(())
}
