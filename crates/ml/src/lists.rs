//! Lists of recommendations, and the request for one.

use std::borrow::Cow;

use crate::diversity;
use crate::ids::Ids;
use crate::ranking::Candidates;
use crate::sparse::Csr;

/// Item ids with their scores, best first.
pub type Recommendations = Vec<(String, f32)>;

/// Items of a history with their contributions to the score of another item, largest first.
pub type Reasons = Vec<(String, f32)>;

/// What a list should contain. Ids that a model does not know are ignored everywhere.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Number of items; the list is shorter only when fewer items may appear.
    pub cutoff: usize,
    /// Whether to leave out what the user has already interacted with.
    pub exclude_seen: bool,
    /// If given, only these items may appear.
    pub allow: Option<&'a [String]>,
    /// If given, only items of these numbers, in rising order.
    pub among: Option<&'a [u32]>,
    /// These items must not appear.
    pub deny: &'a [String],
    /// From 0 (best first) to 1 (as dissimilar as possible); see [`crate::diversity`].
    pub diversity: f32,
}

impl<'a> Wanted<'a> {
    /// Asks for the best items that the user has not interacted with.
    pub fn best(cutoff: usize) -> Self {
        Wanted { cutoff, exclude_seen: true, allow: None, among: None, deny: &[], diversity: 0.0 }
    }

    /// Returns the conditions as a test for single items.
    pub(crate) fn admitted(&self, items: &Ids, seen: &[u32]) -> Admitted<'a> {
        let mut refused = codes(items, self.deny);
        refused.extend_from_slice(if self.exclude_seen { seen } else { &[] });
        Admitted { only: self.allowed(items), ..Admitted::but(refused) }
    }

    /// Returns the request with items as numbers.
    pub(crate) fn in_numbers(&self, items: &Ids) -> WantedNumbers<'a> {
        WantedNumbers {
            cutoff: self.cutoff,
            exclude_seen: self.exclude_seen,
            allow: self.allowed(items),
            deny: codes(items, self.deny),
            diversity: self.diversity,
        }
    }

    /// Returns the only items that may appear, rising; `None` when all may.
    fn allowed(&self, items: &Ids) -> Option<Cow<'a, [u32]>> {
        let Some(ids) = self.allow else { return self.among.map(Cow::Borrowed) };
        let mut allowed = codes(items, ids);
        allowed.retain(|item| self.among.is_none_or(|among| among.binary_search(item).is_ok()));
        Some(Cow::Owned(allowed))
    }
}

/// The request for a list, with items as numbers.
pub(crate) struct WantedNumbers<'a> {
    cutoff: usize,
    exclude_seen: bool,
    allow: Option<Cow<'a, [u32]>>,
    deny: Vec<u32>,
    diversity: f32,
}

impl WantedNumbers<'_> {
    /// Returns the requested length of a list.
    pub fn length(&self) -> usize {
        self.cutoff
    }

    /// Returns how many of the best items to find first.
    pub fn depth(&self) -> usize {
        if self.diversity > 0.0 { diversity::candidates_for(self.cutoff) } else { self.cutoff }
    }

    /// Returns the candidates for a user who has interacted with these items.
    pub fn candidates<'b>(&'b self, seen: &'b [u32]) -> Candidates<'b> {
        let seen = if self.exclude_seen { seen } else { &[] };
        Candidates { allow: self.allow.as_deref(), deny: &self.deny, seen }
    }

    /// Returns the list, from the best items. `by_item` returns the users of each item; it is called only if the list is
    /// diversified.
    pub fn finish<'b>(&self, best: Vec<(u32, f32)>, by_item: impl FnOnce() -> &'b Csr) -> Vec<(u32, f32)> {
        if self.diversity > 0.0 { diversity::spread(&best, self.cutoff, self.diversity, by_item()) } else { best }
    }
}

/// A test of which items may appear in a list.
pub(crate) struct Admitted<'a> {
    /// If given, only these items, rising.
    pub only: Option<Cow<'a, [u32]>>,
    /// Items that may not appear, rising.
    refused: Vec<u32>,
}

impl Admitted<'_> {
    /// Creates a test that admits all items except some.
    pub fn but(mut refused: Vec<u32>) -> Self {
        refused.sort_unstable();
        Admitted { only: None, refused }
    }

    /// Returns whether the item may appear.
    pub fn has(&self, item: u32) -> bool {
        self.only.as_ref().is_none_or(|only| only.binary_search(&item).is_ok()) && self.refused.binary_search(&item).is_err()
    }
}

/// Returns the numbers of known ids, rising and distinct.
pub(crate) fn codes(items: &Ids, ids: &[String]) -> Vec<u32> {
    let mut codes: Vec<u32> = ids.iter().filter_map(|id| items.find(id)).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}
