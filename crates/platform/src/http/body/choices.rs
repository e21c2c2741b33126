//! Fields that hold one of the words of an enum.

use super::{FieldReader, Missing};
use crate::words::Word;

impl FieldReader {
    /// Reads one of the words of an enum.
    pub fn choice<W: Word>(&mut self, field: &str, missing: Missing<W>) -> W {
        self.choice_or(field, &[], missing)
    }

    /// Reads the same where some clients say other words for a value.
    pub fn choice_or<W: Word>(&mut self, field: &str, aliases: &[(&'static str, W)], missing: Missing<W>) -> W {
        let words = || W::ALL.iter().map(|value| (value.wire(), *value)).chain(aliases.iter().copied());
        self.read_or(
            field,
            missing,
            || W::ALL[0],
            |value| {
                let meant = value.as_str().and_then(|sent| words().find(|(word, _)| *word == sent));
                let known = || words().map(|(word, _)| word).collect::<Vec<_>>().join(", ");
                let wrong = || format!("{value} is not a valid choice. Choose one of: {}.", known());
                meant.map(|(_, meant)| meant).ok_or_else(wrong)
            },
        )
    }
}
