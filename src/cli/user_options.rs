//! The user file of the commands that learn, and what its columns mean.

use std::path::PathBuf;

use anyhow::bail;

use super::feature_files::{self, Features, USERS};
use super::item_options::with_vectors;
use crate::ml::algorithms::{AlgorithmInfo, NewItems};
use crate::ml::ids::Ids;
use crate::ml::splits::SplitScheme;

/// A user file, for the commands that learn from it.
#[derive(Debug, clap::Args)]
pub struct UserOptions {
    /// Users with their features, one row for each: the user column and any others, in the same formats as interactions
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,
    /// What the columns of --users mean, as JSON; guessed from the values by default
    #[arg(long, value_name = "FILE", requires = "users")]
    pub user_features: Option<PathBuf>,
}

impl UserOptions {
    /// Reads the files; `None` without a user file. Reports on standard error how columns were understood.
    pub fn read(&self, user_column: &str, known: &Ids) -> anyhow::Result<Option<Features>> {
        let read = |path: &PathBuf| feature_files::read(&USERS, path, self.user_features.as_ref(), user_column, known);
        self.users.as_ref().map(read).transpose()
    }
}

/// A user file, and who of these users is new, for the commands that judge models.
#[derive(Debug, clap::Args)]
pub struct NewUserOptions {
    #[command(flatten)]
    pub users: UserOptions,
    /// With --users: share of the users with held-out interactions who are new to the model, unless some have no others
    #[arg(long, value_name = "0..1", default_value_t = 0.2, value_parser = parse_share)]
    pub new_user_ratio: f64,
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("must be a number greater than 0 and at most 1".to_owned()),
    }
}

/// Refuses a split that holds out items: models are judged by new users, or by new items.
pub fn refuse_new_items(scheme: SplitScheme) -> anyhow::Result<()> {
    if scheme.holds_out_items() {
        bail!("{scheme:?} holds out items, and --users judges new users; leave out --users, or choose RG, TG or TU");
    }
    Ok(())
}

/// Returns whether an algorithm learns vectors of users, which their features can predict.
pub fn takes_profiles(info: &AlgorithmInfo) -> bool {
    info.new_items() != NewItems::Never
}

/// Refuses an algorithm that cannot recommend to users by their features.
pub fn refuse_without_profiles(info: &AlgorithmInfo) -> anyhow::Result<()> {
    if !takes_profiles(info) {
        bail!("{} cannot recommend by profile; choose one of {}", info.name, with_vectors().join(", "));
    }
    Ok(())
}
