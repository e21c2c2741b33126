//! `recotem recommend`: the best items for a user, or for somebody known only by items.

use std::path::PathBuf;

use anyhow::bail;
use serde_json::json;

use super::offline;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model file, as `recotem train` writes it
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// User id
    #[arg(long, required_unless_present = "items")]
    user: Option<String>,
    /// What an unknown user has interacted with
    #[arg(long, value_name = "ITEM,ITEM", value_delimiter = ',')]
    items: Vec<String>,
    /// How many items to list
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    cutoff: u32,
    /// List items again that the user has already interacted with
    #[arg(long)]
    include_seen: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let model = offline::read_model(&args.model)?;
    let cutoff = args.cutoff as usize;
    let of_user = args.user.as_deref().and_then(|user| model.recommend_user(user, cutoff, !args.include_seen));
    let known = of_user.is_some();
    let of_items = || model.recommend_history_among(&args.items, cutoff, !args.include_seen, None, &[]);
    let Some(list) = of_user.or_else(of_items) else {
        match (&args.user, args.items.is_empty()) {
            (Some(user), true) => bail!("the model does not know the user {user:?}; give --items to describe an unknown user"),
            _ => bail!("the model knows none of the items {}", args.items.join(", ")),
        }
    };
    if args.json {
        let list = offline::recommendations_json(&list);
        return offline::print_json(&json!({ "user_id": args.user, "known_user": known, "recommendations": list }));
    }
    offline::print_recommendations(&list);
    Ok(())
}
