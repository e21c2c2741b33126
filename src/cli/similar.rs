//! `recotem similar`: the items most similar to one, or to each.

use std::path::PathBuf;

use anyhow::bail;
use serde_json::json;

use super::{all_lists, offline};
use crate::ml::artifact::{Subjects, Wanted};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model file, as `recotem train` writes it
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Item id
    #[arg(long, required_unless_present = "all_items")]
    item: Option<String>,
    /// Write a file of the items most similar to each
    #[arg(long, requires = "output", conflicts_with_all = ["item", "json"])]
    all_items: bool,
    #[command(flatten)]
    output: all_lists::Output,
    /// Number of items to list
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    cutoff: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let model = offline::read_model(&args.model)?;
    let cutoff = args.cutoff as usize;
    let Some(item) = &args.item else {
        let items: Vec<u32> = (0..model.items.len() as u32).collect();
        return all_lists::write(&model, Subjects::Items(&items), &Wanted::best(cutoff), &args.output);
    };
    let Some(list) = model.similar(item, cutoff) else { bail!("the model does not know the item {item:?}") };
    if args.json {
        let list = offline::recommendations_json(&list);
        return offline::print_json(&json!({ "item_id": item, "similar": list }));
    }
    offline::print_recommendations(&list, &[]);
    Ok(())
}
