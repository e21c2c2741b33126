//! The item file of the commands that learn, and what its columns mean.

use std::path::PathBuf;

use anyhow::bail;

use super::feature_files::{self, Features, ITEMS};
use crate::ml::algorithms::{AlgorithmInfo, NewItems};
use crate::ml::ids::Ids;
use crate::ml::registry;

/// An item file, for the commands that learn from it.
#[derive(Debug, clap::Args)]
pub struct ItemOptions {
    /// Items with their features, one row for each: the item column and any others, in the same formats as interactions
    #[arg(long, value_name = "FILE")]
    pub items: Option<PathBuf>,
    /// What the columns of --items mean, as JSON; guessed from the values by default
    #[arg(long, value_name = "FILE", requires = "items")]
    pub item_features: Option<PathBuf>,
}

impl ItemOptions {
    /// Reads the files; `None` without an item file. Reports on standard error how columns were understood.
    pub fn read(&self, item_column: &str, known: &Ids) -> anyhow::Result<Option<Features>> {
        let read = |path: &PathBuf| feature_files::read(&ITEMS, path, self.item_features.as_ref(), item_column, known);
        self.items.as_ref().map(read).transpose()
    }
}

/// Refuses an algorithm that cannot recommend items that it was not trained on.
pub fn refuse_without_new_items(info: &AlgorithmInfo) -> anyhow::Result<()> {
    if info.new_items() == NewItems::Never {
        bail!(
            "{} cannot recommend new items, which this split holds out; choose one of {}",
            info.name,
            with_vectors().join(", ")
        );
    }
    Ok(())
}

/// Returns the short forms of the algorithms that learn vectors, which features can predict.
pub fn with_vectors() -> Vec<&'static str> {
    registry::matrix_algorithms().filter(|info| info.new_items() != NewItems::Never).map(|info| info.short).collect()
}
