//! `recotem similar`: the items most similar to one.

use std::path::PathBuf;

use anyhow::bail;
use serde_json::json;

use super::offline;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model file, as `recotem train` writes it
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Item id
    #[arg(long)]
    item: String,
    /// Number of items to list
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    cutoff: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let model = offline::read_model(&args.model)?;
    let Some(list) = model.similar(&args.item, args.cutoff as usize) else {
        bail!("the model does not know the item {:?}", args.item)
    };
    if args.json {
        let list = offline::recommendations_json(&list);
        return offline::print_json(&json!({ "item_id": args.item, "similar": list }));
    }
    offline::print_recommendations(&list, &[]);
    Ok(())
}
