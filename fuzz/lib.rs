//! The folders of the product that are fuzzed, under the names they have there.

#[path = "../src/ml/mod.rs"]
pub mod ml;
pub mod platform {
    #[path = "../../src/platform/tabular/mod.rs"]
    pub mod tabular;
}
