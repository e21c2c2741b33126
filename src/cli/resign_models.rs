//! `recotem resign-models`.

use anyhow::bail;

use super::server_options::{ServerOptions, on_database};
use crate::features::models::{self, Resigned};
use crate::features::{data_sources, webhooks};
use crate::platform::vault::VaultError;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// Check every file and report what would be signed, without changing anything
    #[arg(long)]
    dry_run: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    on_database(&args.server, async |services| {
        let secrets = webhooks::reseal(services, args.dry_run).await?;
        report_secrets("webhook endpoint", (secrets.present, secrets.renewed), &secrets.refused, args.dry_run);
        let passwords = data_sources::reseal(services, args.dry_run).await?;
        report_secrets("data connection", (passwords.present, passwords.renewed), &passwords.refused, args.dry_run);
        report(&models::resign(services, args.dry_run).await?, args.dry_run)?;
        match (secrets.refused.len(), passwords.refused.len()) {
            (0, 0) => Ok(()),
            (refused, 0) => bail!("The secrets of {refused} webhook endpoints cannot be opened. Create new ones."),
            (_, refused) => bail!("The passwords of {refused} data connections cannot be opened. Enter them again."),
        }
    })
}

/// Reports about secrets of a kind of objects, if there are any.
fn report_secrets(kind: &str, (present, renewed): (usize, usize), refused: &[(i64, VaultError)], dry_run: bool) {
    if renewed > 0 {
        let verb = if dry_run { "would be sealed" } else { "sealed" };
        println!("Secrets of {kind}s: {renewed} {verb} again, {present} were already");
    }
    for (id, error) in refused {
        let (first, rest) = kind.split_at(1);
        eprintln!("{}{rest} {id} was left alone: {error}", first.to_uppercase());
    }
}

fn report(resigned: &Resigned, dry_run: bool) -> anyhow::Result<()> {
    let Resigned { renewed, present, refused } = resigned;
    println!("Already signed: {present}");
    match dry_run {
        true => println!("Newly signed: 0 ({renewed} would be signed)\nDry run complete. No changes made."),
        false => println!("Newly signed: {renewed}"),
    }
    for (id, error) in refused {
        let details = error.details().map(|details| format!(" ({details})")).unwrap_or_default();
        eprintln!("Model {id} was left alone: {error}{details}");
    }
    match refused.len() {
        0 => Ok(()),
        refused => bail!(
            "{refused} models were left alone. If they were signed with an older secret, add it to previous_secret_keys and run \
             this again."
        ),
    }
}
