//! The data sets, and the spaces that are searched on each.

use std::path::Path;

use recotem::ml::interactions::InteractionLogBuilder;
use recotem::ml::registry;
use recotem::ml::search_space::{Domain, SearchSpace};
use recotem::ml::splits::{Split, SplitConfig, split};

pub struct DataSet {
    pub name: &'static str,
    file: &'static str,
    algorithms: &'static [&'static str],
}

/// Algorithms that fit in well under a second.
const SPARSE: &[&str] = &[
    "TopPopRecommender",
    "CosineKNNRecommender",
    "AsymmetricCosineKNNRecommender",
    "TverskyIndexKNNRecommender",
    "P3alphaRecommender",
    "RP3betaRecommender",
    "IALSRecommender",
];
/// Those algorithms and those that hold a dense matrix of items, for few items.
const WITH_DENSE: &[&str] = &[
    "TopPopRecommender",
    "CosineKNNRecommender",
    "AsymmetricCosineKNNRecommender",
    "TverskyIndexKNNRecommender",
    "P3alphaRecommender",
    "RP3betaRecommender",
    "IALSRecommender",
    "DenseSLIMRecommender",
    "EDLAERecommender",
];

pub const SETS: &[DataSet] = &[
    DataSet { name: "ml-100k", file: "ml-100k/interactions.csv.gz", algorithms: WITH_DENSE },
    DataSet { name: "lastfm", file: "lastfm/interactions.csv.gz", algorithms: SPARSE },
    DataSet { name: "retailrocket", file: "retailrocket/events.csv.gz", algorithms: SPARSE },
];

impl DataSet {
    /// Returns the default spaces, with at most `components` components.
    pub fn spaces(&self, components: i64) -> Vec<(String, SearchSpace)> {
        let space = |name: &&str| {
            let mut space = registry::find_matrix(name).expect("an algorithm of the registry").search_space();
            if space.get("n_components").is_some() {
                space.set("n_components", Domain::int(4, components));
            }
            ((*name).to_owned(), space)
        };
        self.algorithms.iter().map(space).collect()
    }

    /// Splits the data set: a tenth of the interactions is held out at random, of a share of the users.
    pub fn split(&self, folder: &Path, test_user_ratio: f64) -> Split {
        let path = folder.join(self.file);
        let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut reader = csv::Reader::from_reader(flate2::read::GzDecoder::new(file));
        let headers = reader.headers().expect("a header").clone();
        let column = |name: &str| headers.iter().position(|header| header == name).expect("columns user_id and item_id");
        let (user, item) = (column("user_id"), column("item_id"));
        let mut log = InteractionLogBuilder::new(false);
        for row in reader.records() {
            let row = row.expect("a readable row");
            log.push(&row[user], &row[item], None);
        }
        split(&log.finish(), &SplitConfig { test_user_ratio, ..SplitConfig::default() }).expect("a data set that can be split")
    }
}
