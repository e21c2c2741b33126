//! `recotem assign-owners`.

use anyhow::Context;

use super::server_options::{ServerOptions, block_on};
use crate::app::Boot;
use crate::features::accounts::{self, Guarded, Organisation};
use crate::features::projects;
use crate::platform::services::Services;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// The user who is to own the projects that nobody owns
    #[arg(long, default_value = "admin")]
    owner: String,
    /// The organisation they move to; without it, the owner's personal one
    #[arg(long, value_name = "ID")]
    organisation: Option<i64>,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let settings = args.server.settings()?;
    block_on(&settings.clone(), async |_| {
        let boot = Boot::connect(settings).await?;
        let result = assign(&boot.services, args).await;
        boot.close().await;
        result
    })
}

async fn assign(services: &Services, args: Args) -> anyhow::Result<()> {
    let mut connection = services.db.conn().await?;
    let owner = accounts::user_by_name(&mut connection, &args.owner).await?;
    let owner = owner.with_context(|| format!("There is no user \"{}\". Name another with --owner.", args.owner))?;
    let organisation = match args.organisation {
        Some(id) => {
            let found = Organisation::load(&mut connection, id).await?;
            found.with_context(|| format!("There is no organisation {id}."))?.0.id
        }
        None => accounts::personal_organisation(&mut connection, owner.id).await?,
    };
    let (assigned, kept) = projects::assign_orphans(&mut connection, owner.id, organisation).await?;
    println!("{assigned} projects now belong to \"{}\".", owner.username);
    if !kept.is_empty() {
        anyhow::bail!("\"{}\" already owns projects called {}. Rename one of each pair first.", owner.username, kept.join(", "));
    }
    Ok(())
}
