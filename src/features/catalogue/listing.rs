//! Items or users in memory: their ids in byte order, how often each occurs, and the titles of items as they are searched.

use crate::ml::error::MlResult;
use crate::ml::ids::Ids;

/// The largest number of bytes of an id that is listed. A longer one is no name that a person picks from a list, and a page of such
/// would have 100 MB.
pub const LONGEST_ID: usize = 1_024;

/// What stands behind each title; no title has it.
const END: char = '\0';

/// The items or the users of a project.
#[derive(Debug, Default)]
pub struct Listing {
    ids: Ids,
    interactions: Vec<u32>,
    /// Numbers of the ids, those with most interactions first.
    order: Vec<u32>,
    titles: Titles,
}

/// Titles in normal form, by the numbers of the items. Empty where no item has one.
#[derive(Debug, Default)]
pub struct Titles {
    text: String,
    /// Where each ends, behind its mark.
    ends: Vec<usize>,
}

impl Titles {
    fn push(&mut self, title: &str) {
        self.text.extend(title.chars().map(|letter| if letter == END { ' ' } else { letter }));
        self.text.push(END);
        self.ends.push(self.text.len());
    }

    /// Returns all titles, each with its mark.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Returns where the titles end.
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }
}

impl Listing {
    /// Creates the listing of the ids of training data from the codes of its rows.
    pub fn counted(ids: &Ids, codes: &[u32]) -> MlResult<Self> {
        let mut counts = vec![0u32; ids.len()];
        codes.iter().for_each(|code| counts[*code as usize] = counts[*code as usize].saturating_add(1));
        let listed = ids.iter().zip(counts).filter(|(id, _)| is_listed(id));
        let (ids, interactions): (Vec<&str>, Vec<u32>) = listed.unzip();
        Ok(Self::new(Ids::from_sorted(ids)?, interactions, Titles::default()))
    }

    /// Returns the same with titles, and with the items that only these have. Of several titles of one item, the last counts.
    pub fn described(&self, mut titles: Vec<(String, String)>) -> MlResult<Self> {
        titles.retain(|(id, _)| is_listed(id));
        // Stable, so that titles of one item stay in their order.
        titles.sort_by(|a, b| a.0.cmp(&b.0));
        let mut rows = titles.chunk_by(|a, b| a.0 == b.0).filter_map(<[_]>::last).peekable();
        let mut counted = self.ids.iter().zip(&self.interactions).peekable();
        let (mut ids, mut interactions, mut titles) = (Vec::new(), Vec::new(), Titles::default());
        loop {
            let id = match (counted.peek(), rows.peek()) {
                (None, None) => break,
                (Some((id, _)), None) => *id,
                (None, Some((id, _))) => id.as_str(),
                (Some((counted, _)), Some((described, _))) => (*counted).min(described.as_str()),
            };
            ids.push(id);
            interactions.push(counted.next_if(|(counted, _)| *counted == id).map_or(0, |(_, count)| *count));
            titles.push(rows.next_if(|(described, _)| described == id).map_or("", |(_, title)| title));
        }
        Ok(Self::new(Ids::from_sorted(ids)?, interactions, titles))
    }

    fn new(ids: Ids, interactions: Vec<u32>, titles: Titles) -> Self {
        let mut order: Vec<u32> = (0..).take(interactions.len()).collect();
        // Stable, so that equal ones stay in the order of their ids.
        order.sort_by_key(|number| std::cmp::Reverse(interactions[*number as usize]));
        Self { ids, interactions, order, titles }
    }

    /// Returns all ids.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Returns the numbers of all ids, those with most interactions first.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// Returns the titles of the items.
    pub fn titles(&self) -> &Titles {
        &self.titles
    }

    /// Returns an id and its interactions.
    pub fn get(&self, number: u32) -> (&str, u32) {
        (self.ids.get(number), self.interactions[number as usize])
    }

    /// Returns the bytes held on the heap, approximately.
    pub fn heap_bytes(&self) -> usize {
        let ids = self.ids.bytes().len() + size_of_val(self.ids.offsets());
        let titles = self.titles.text.len() + size_of_val(self.titles.ends.as_slice());
        ids + titles + size_of_val(self.interactions.as_slice()) + size_of_val(self.order.as_slice())
    }
}

fn is_listed(id: &str) -> bool {
    id.len() <= LONGEST_ID
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(listing: &Listing) -> Vec<(&str, u32)> {
        listing.order().iter().map(|number| listing.get(*number)).collect()
    }

    #[test]
    fn ids_are_counted_and_ordered_by_interactions() {
        let ids = Ids::from_sorted(["001", "1", "10", "x"]).unwrap();
        let listing = Listing::counted(&ids, &[3, 3, 1, 2, 3, 1]).unwrap();
        assert_eq!(rows(&listing), [("x", 3), ("1", 2), ("10", 1), ("001", 0)]);
        assert!(listing.heap_bytes() > 0);
        assert!(rows(&Listing::counted(&Ids::default(), &[]).unwrap()).is_empty());
    }

    #[test]
    fn ids_that_are_too_long_are_left_out() {
        let (long, longest) = ("a".repeat(LONGEST_ID + 1), "b".repeat(LONGEST_ID));
        let ids = Ids::from_sorted([long.as_str(), longest.as_str()]).unwrap();
        let listing = Listing::counted(&ids, &[0, 0, 1]).unwrap();
        assert_eq!(rows(&listing), [(longest.as_str(), 1)]);
        let described = listing.described(vec![(long, "long".to_owned())]).unwrap();
        assert_eq!(rows(&described), [(longest.as_str(), 1)]);
    }

    #[test]
    fn items_that_only_have_a_title_come_last_and_the_last_title_counts() {
        let ids = Ids::from_sorted(["b", "d"]).unwrap();
        let title = |id: &str, title: &str| (id.to_owned(), title.to_owned());
        let titles = vec![title("d", "old"), title("c", "nul\0l"), title("a", ""), title("d", "new")];
        let listing = Listing::counted(&ids, &[1]).unwrap().described(titles).unwrap();
        assert_eq!(rows(&listing), [("d", 1), ("a", 0), ("b", 0), ("c", 0)]);
        assert_eq!(listing.titles().bytes(), b"\0\0nul l\0new\0");
        assert_eq!(listing.titles().ends(), [1, 2, 8, 12]);
        assert_eq!(rows(&listing.described(Vec::new()).unwrap()).len(), 4);
    }
}
