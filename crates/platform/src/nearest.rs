//! Finding the known word that an unknown one probably means.

/// Most letters compared; a longer word is not a typo of a known one.
const LONGEST: usize = 100;

/// One wrong, missing or additional letter in this many counts as a typo.
const LETTERS_PER_SLIP: usize = 3;

/// Returns the known word that differs least from an unknown one, if the difference is small enough for a typo. Letter case is
/// ignored.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = lower(word);
    let most = (word.chars().count() / LETTERS_PER_SLIP).max(1);
    let measured = known.into_iter().map(|known| (strsim::osa_distance(&word, &lower(known)), known));
    measured.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

fn lower(word: &str) -> String {
    word.chars().take(LONGEST).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_other_words_are_not() {
        let known = ["view", "purchase", "IALSRecommender"];
        for (word, meant) in [
            ("purhcase", Some("purchase")),
            ("Purchase", Some("purchase")),
            ("purchases", Some("purchase")),
            ("IALSRecomender", Some("IALSRecommender")),
            ("veiw", Some("view")),
            ("click", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest("a", []), None);
    }
}
