//! `recotem openapi`.

use crate::app::api_docs;

#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: Args) -> anyhow::Result<()> {
    println!("{}", api_docs::document("/api/v1").to_pretty_json()?);
    Ok(())
}
