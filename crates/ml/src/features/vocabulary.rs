//! The terms that training items have, and how much each says.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::error::{MlError, MlResult};
use crate::ids::Ids;
use crate::tensors::{TensorReader, TensorWriter};

/// Bytes of a term beside its text, while terms are counted and a vocabulary is made of them: in the table, which doubles when it
/// is full, in the list that is sorted, and in the vocabulary.
const TERM_BYTES: u64 = 192;

/// In how many rows each term occurs.
#[derive(Default)]
pub(super) struct Counts {
    bytes: u64,
    terms: HashMap<Box<str>, Seen, RandomState>,
}

struct Seen {
    n_rows: u32,
    /// The row that was counted last.
    last: usize,
}

impl Counts {
    /// Counts a term of a row. Each row is counted in one go.
    pub fn add(&mut self, term: &str, row: usize) {
        match self.terms.get_mut(term) {
            Some(seen) if seen.last == row => {}
            Some(seen) => *seen = Seen { n_rows: seen.n_rows + 1, last: row },
            None => {
                // Once here and once in the vocabulary.
                self.bytes += 2 * term.len() as u64 + TERM_BYTES;
                self.terms.insert(term.into(), Seen { n_rows: 1, last: row });
            }
        }
    }

    /// Returns about how many bytes the terms take, as long as none is dropped, and a vocabulary of them.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the counts of both, which are of different rows.
    pub fn with(mut self, mut other: Counts) -> Counts {
        if self.terms.len() < other.terms.len() {
            std::mem::swap(&mut self, &mut other);
        }
        self.bytes += other.bytes;
        for (term, seen) in other.terms {
            let n_rows = seen.n_rows;
            self.terms.entry(term).and_modify(|ours| ours.n_rows += n_rows).or_insert(seen);
        }
        self
    }

    /// Returns the number of terms.
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// Drops the terms that occur in fewer rows.
    pub fn keep_from(&mut self, min_count: u32) {
        self.terms.retain(|_, seen| seen.n_rows >= min_count);
    }
}

/// Terms in byte order with their inverse document frequencies.
#[derive(Debug, Clone)]
pub(super) struct Vocabulary {
    terms: Ids,
    idf: Vec<f32>,
    /// Open addressing with linear probing: the number of a term plus one, or zero.
    slots: Vec<u32>,
    hashing: RandomState,
}

impl PartialEq for Vocabulary {
    fn eq(&self, other: &Self) -> bool {
        self.terms == other.terms && self.idf == other.idf
    }
}

impl Vocabulary {
    /// Keeps the `most` terms that occur in the most of `n_rows` rows; of equally frequent ones the first in byte order.
    pub fn of(counts: Counts, n_rows: usize, most: usize) -> MlResult<Self> {
        let mut terms: Vec<(Box<str>, u32)> = counts.terms.into_iter().map(|(term, seen)| (term, seen.n_rows)).collect();
        if terms.len() > most {
            terms.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            terms.truncate(most);
        }
        terms.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let idf = terms.iter().map(|(_, n)| (libm::log((1.0 + n_rows as f64) / (1.0 + f64::from(*n))) + 1.0) as f32).collect();
        Ok(Vocabulary::new(Ids::from_sorted(terms.iter().map(|(term, _)| term))?, idf))
    }

    fn new(terms: Ids, idf: Vec<f32>) -> Self {
        let hashing = RandomState::default();
        let mut slots = vec![0; (2 * terms.len() + 1).next_power_of_two()];
        for (term, at) in terms.iter().zip(1..) {
            let mut slot = hashing.hash_one(term) as usize & (slots.len() - 1);
            while slots[slot] != 0 {
                slot = (slot + 1) & (slots.len() - 1);
            }
            slots[slot] = at;
        }
        Vocabulary { terms, idf, slots, hashing }
    }

    /// Returns the number of terms.
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// Returns the bytes held on the heap.
    pub fn heap_bytes(&self) -> u64 {
        let terms = self.terms.bytes().len() + size_of_val(self.terms.offsets());
        (terms + size_of_val(&*self.idf) + size_of_val(&*self.slots)) as u64
    }

    /// Returns a term.
    pub fn term(&self, at: usize) -> &str {
        self.terms.get(at as u32)
    }

    /// Returns the number of a term.
    pub fn find(&self, term: &str) -> Option<u32> {
        let mut slot = self.hashing.hash_one(term) as usize & (self.slots.len() - 1);
        loop {
            let at = self.slots[slot].checked_sub(1)?;
            if self.terms.get(at) == term {
                return Some(at);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    /// Returns the inverse document frequency of a term.
    pub fn idf(&self, at: u32) -> f64 {
        f64::from(self.idf[at as usize])
    }

    /// Adds the tensors `<name>.bytes`, `<name>.offsets` and `<name>.idf`.
    pub fn save<'a>(&'a self, out: &mut TensorWriter<'a>, name: &str) {
        out.ids(name, &self.terms);
        out.f32s(&format!("{name}.idf"), &[self.idf.len()], &self.idf);
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(input: &TensorReader<'_>, name: &str) -> MlResult<Self> {
        let terms = input.ids(name)?;
        let idf = input.f32s_shaped(&format!("{name}.idf"), &[terms.len()])?;
        if idf.iter().any(|idf| *idf <= 0.0) {
            return Err(MlError::BadArtifact(format!("{name}.idf holds numbers that are not positive")));
        }
        Ok(Vocabulary::new(terms, idf))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rows: &[&[&str]]) -> Counts {
        let mut counts = Counts::default();
        rows.iter().enumerate().for_each(|(row, terms)| terms.iter().for_each(|term| counts.add(term, row)));
        counts
    }

    #[test]
    fn rows_are_counted_once_and_the_most_frequent_terms_kept() {
        let mut all = counts(&[&["a", "b", "a"], &["b", "c"]]).with(counts(&[&["c", "d"], &["a", "e"], &["b"]]));
        all.keep_from(2);
        assert_eq!(all.len(), 3);
        let kept = Vocabulary::of(all, 5, 2).unwrap();
        assert_eq!((kept.len(), kept.term(0), kept.term(1)), (2, "a", "b"));
        assert_eq!((kept.find("a"), kept.find("b"), kept.find("c"), kept.find("")), (Some(0), Some(1), None, None));
        // ln(6/3) + 1 and ln(6/4) + 1
        assert!((kept.idf(0) - 1.693_147_2).abs() < 1e-6 && (kept.idf(1) - 1.405_465_1).abs() < 1e-6);
    }

    #[test]
    fn an_empty_vocabulary_finds_nothing() {
        assert_eq!(Vocabulary::of(Counts::default(), 3, 10).unwrap().find("a"), None);
    }
}
