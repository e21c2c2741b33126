//! `recotem recommend`: the best items for a user, for a user known only by items, for a visit in progress, or for all users.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::{all_lists, offline};
use crate::ml::artifact::{Reasons, Recommendations, Subjects, TrainedModel, Wanted};
use crate::ml::features::FeatureTable;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model file, as `recotem train` writes it
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// User id
    #[arg(long, required_unless_present_any = ["items", "session", "profile", "all_users", "users_file"])]
    user: Option<String>,
    /// Items that an unknown user has interacted with
    #[arg(long, value_name = "ITEM,ITEM", value_delimiter = ',')]
    items: Vec<String>,
    /// Features of a new user, by column of the user file, such as '{"age": "25-34"}', or a file with them; --items adds a history
    #[arg(long, value_name = "JSON|@FILE", conflicts_with_all = ["user", "session", "explain"])]
    profile: Option<String>,
    /// Items of the visit in progress, first to last, for a model that learnt from sessions
    #[arg(long, value_name = "ITEM,ITEM", value_delimiter = ',', conflicts_with_all = ["user", "items", "explain"])]
    session: Vec<String>,
    /// Write a file of the lists of all users
    #[arg(long, requires = "output", conflicts_with_all = ["user", "items", "profile", "session", "explain", "json"])]
    all_users: bool,
    /// Write a file of the lists of the users whose ids are the lines of this file
    #[arg(long, value_name = "FILE", requires = "output", conflicts_with_all = ["all_users", "user", "items", "profile", "session", "explain", "json"])]
    users_file: Option<PathBuf>,
    #[command(flatten)]
    output: all_lists::Output,
    /// Number of items to list
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    cutoff: u32,
    /// Also list items that the user has already interacted with
    #[arg(long)]
    include_seen: bool,
    /// List only these items
    #[arg(long, value_name = "ITEM,ITEM", value_delimiter = ',')]
    allow: Option<Vec<String>>,
    /// Never list these items
    #[arg(long, value_name = "ITEM,ITEM", value_delimiter = ',')]
    deny: Vec<String>,
    /// Diversity from 0, best items first, to 1, as different from one another as possible
    #[arg(long, value_name = "0..1", default_value_t = 0.0, value_parser = parse_share)]
    diversity: f32,
    /// Number of the user's items to name for each recommendation, those that contribute most to it
    #[arg(long, value_name = "N", default_value_t = 0)]
    explain: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn parse_share(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("must be a number between 0 and 1".to_owned()),
    }
}

impl Args {
    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            cutoff: self.cutoff as usize,
            exclude_seen: !self.include_seen,
            allow: self.allow.as_deref(),
            among: None,
            deny: &self.deny,
            diversity: self.diversity,
        }
    }
}

pub fn run(args: Args) -> anyhow::Result<()> {
    if !args.session.is_empty() {
        return for_session(&args);
    }
    let model = offline::read_model(&args.model)?;
    if args.all_users || args.users_file.is_some() {
        let users = match &args.users_file {
            Some(path) => all_lists::users_of_file(&model, path)?,
            None => (0..model.users.len() as u32).collect(),
        };
        return all_lists::write(&model, Subjects::Users(&users), &args.wanted(), &args.output);
    }
    if let Some(profile) = &args.profile {
        return for_profile(&args, &model, profile);
    }
    let of_user = args.user.as_deref().and_then(|user| model.recommend_user_as(user, &args.wanted()));
    let known = of_user.is_some();
    let Some(list) = of_user.or_else(|| model.recommend_history_as(&args.items, &args.wanted())) else {
        match (&args.user, args.items.is_empty()) {
            (Some(user), true) => bail!("the model does not know the user {user:?}; give --items to describe an unknown user"),
            _ => bail!("the model knows none of the items {}", args.items.join(", ")),
        }
    };
    let reasons = reasons(&args, &model, known, &list)?;
    if args.json {
        let mut entries = entries(&list, &model);
        for (entry, reasons) in entries.as_array_mut().into_iter().flatten().zip(&reasons) {
            entry["because"] = reasons.iter().map(|(item, contribution)| json!([item, contribution])).collect::<Value>();
        }
        return offline::print_json(&json!({ "user_id": args.user, "known_user": known, "recommendations": entries }));
    }
    offline::print_recommendations(&list, &reasons);
    Ok(())
}

/// Returns a list as JSON, in which items that the model was not trained on are marked.
fn entries(list: &Recommendations, model: &TrainedModel) -> Value {
    let mut entries = offline::recommendations_json(list);
    for entry in entries.as_array_mut().into_iter().flatten() {
        let item = entry["item_id"].as_str().and_then(|item| model.items.find(item));
        if item.is_some_and(|item| item as usize >= model.n_trained_items()) {
            entry["cold"] = true.into();
        }
    }
    entries
}

fn for_profile(args: &Args, model: &TrainedModel, profile: &str) -> anyhow::Result<()> {
    let values = match profile.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).with_context(|| path.to_owned())?,
        None => profile.to_owned(),
    };
    let Ok(Value::Object(values)) = serde_json::from_str(&values) else {
        bail!("--profile: expected a JSON object such as {{\"age\": \"25-34\"}}, or @FILE with one")
    };
    let profile = FeatureTable::one("", &values);
    let Some(list) = model.recommend_profile_as(&profile, &args.items, &args.wanted())? else {
        bail!("the model was trained without features of users; train it with --users to recommend by profile")
    };
    let ignored = model.ignored_columns(&profile);
    if args.json {
        let list = entries(&list, model);
        return offline::print_json(&json!({ "profile": values, "ignored_columns": ignored, "recommendations": list }));
    }
    if !ignored.is_empty() {
        eprintln!("Says nothing to the model: {}", ignored.join(", "));
    }
    offline::print_recommendations(&list, &[]);
    Ok(())
}

fn for_session(args: &Args) -> anyhow::Result<()> {
    let model = offline::read_session_model(&args.model)?;
    let Some(list) = model.recommend(&args.session, &args.wanted()) else {
        bail!("the model knows none of the items {}", args.session.join(", "))
    };
    if args.json {
        let list = offline::recommendations_json(&list);
        return offline::print_json(&json!({ "session": args.session, "recommendations": list }));
    }
    offline::print_recommendations(&list, &[]);
    Ok(())
}

/// Returns the reasons for each item of the list; empty when none are requested.
fn reasons(args: &Args, model: &TrainedModel, known: bool, list: &Recommendations) -> anyhow::Result<Vec<Reasons>> {
    if args.explain == 0 {
        return Ok(Vec::new());
    }
    let explain = |(item, _): &(String, f32)| {
        let reasons = match &args.user {
            Some(user) if known => model.explain_user(user, item, args.explain as usize),
            _ => model.explain_history(&args.items, item, args.explain as usize),
        };
        Ok(reasons?.unwrap_or_default())
    };
    list.iter().map(explain).collect()
}
