//! What the columns of files probably mean: by their names, by what their values look like, and by the values that files share.
//! Only the first rows of each file are read.

mod columns;
mod files;
mod head;
mod join;
mod looks;
mod names;
mod report;
#[cfg(test)]
mod tests;
mod times;

pub use files::{Heads, guess};
pub use head::{Head, read_head};
pub use report::{GuessedFile, Guesses};
pub use times::unread_column;
