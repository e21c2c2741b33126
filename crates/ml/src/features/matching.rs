//! Whether a table describes the items (or users) of a training, in words.

use crate::ids::Ids;

/// If a table describes fewer than one in this many of a training, its ids are probably other ones.
const FEW: usize = 10;

/// Returns what the ids of a table and those of a training look like that the other does not have, to follow a sentence about the
/// table.
pub fn look_of(ids: &Ids, trained_on: &Ids) -> String {
    let example = |of: &Ids, other: &Ids| of.iter().find(|id| other.find(id).is_none()).unwrap_or_default().to_owned();
    let (ours, theirs) = (example(ids, trained_on), example(trained_on, ids));
    format!("the ids of the table look like {ours:?}, those of the training like {theirs:?}")
}

/// Returns a warning, without a full stop, if hardly any of a training is described.
pub fn few_described(n_described: usize, ids: &Ids, trained_on: &Ids) -> Option<String> {
    (n_described * FEW < trained_on.len()).then(|| {
        let n = trained_on.len();
        format!("only {n_described} of {n} have a row, so hardly anything can be learnt from it; {}", look_of(ids, trained_on))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardly_any_match_is_told_with_examples() {
        let ids = |start: usize| Ids::from_unsorted((start..start + 100).map(|n| n.to_string())).unwrap();
        assert_eq!(few_described(10, &ids(900), &ids(100)), None);
        let told = few_described(9, &ids(191), &ids(100)).unwrap();
        assert!(
            told.starts_with("only 9 of 100 have a row")
                && told.ends_with("look like \"200\", those of the training like \"100\"")
        );
    }
}
