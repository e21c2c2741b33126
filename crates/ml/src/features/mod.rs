//! Features of items (or users): from the columns of a file to sparse vectors that say what is alike.
//!
//! A [`FeatureSpec`] says what each column means, [`guess`] proposes one, and an [`Encoder`] is fitted on the rows of training
//! items alone. What it learns there (vocabularies, inverse document frequencies, knots) is stored with the model, so that
//! folds, final fits and serving encode alike.

mod blocks;
mod cells;
mod dates;
mod derive;
mod encoder;
mod faults;
mod fitted;
mod growth;
mod guess;
mod learning;
mod matching;
mod number;
mod parts;
mod pattern;
mod preview;
mod scratch;
mod source;
mod spec;
mod stored;
mod summary;
mod table;
mod terms;
mod vector;
mod vocabulary;
mod words;

#[cfg(test)]
mod tests;

pub use derive::Derivation;
pub use encoder::Encoder;
pub use faults::LeftOut;
pub use guess::{Guess, Reason, guess};
pub use learning::FieldNote;
pub use matching::{few_described, look_of};
pub use preview::{FieldTerms, Neighbour, SharedTerm, Term};
pub use spec::{FeatureSpec, Field, FieldKind, FieldOptions};
pub use summary::{ColumnSummary, summarize};
pub use table::{Column, FeatureTable, FeatureTableBuilder};
pub use words::normal_form;
