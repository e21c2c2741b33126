//! Searching a listing: by the start of the id, in which upper and lower case do not differ, and by a part of the title.

use memchr::memmem;

use super::listing::Listing;
use super::model::Query;
use crate::ml::ids::Ids;

/// What a query finds in a listing.
#[derive(Debug)]
pub struct Matches<'l> {
    listing: &'l Listing,
    /// The one whose id is the query.
    exact: Option<u32>,
    /// By number, whether it matches; `None` if all do.
    marked: Option<Vec<bool>>,
    count: usize,
}

impl Listing {
    /// Finds what matches a query.
    pub fn search(&self, query: &Query) -> Matches<'_> {
        if query.is_empty() {
            return Matches { listing: self, exact: None, marked: None, count: self.order().len() };
        }
        let mut marked: Vec<bool> = self.ids().iter().map(|id| begins(id, &query.text) || begins(id, &query.normal)).collect();
        self.mark_titles(&query.normal, &mut marked);
        let count = marked.iter().filter(|is_marked| **is_marked).count();
        Matches { listing: self, exact: exact(self.ids(), query), marked: Some(marked), count }
    }

    /// Marks the items whose title contains a text.
    fn mark_titles(&self, part: &str, marked: &mut [bool]) {
        let (text, ends) = (self.titles().bytes(), self.titles().ends());
        if part.is_empty() || ends.is_empty() {
            return;
        }
        let finder = memmem::Finder::new(part);
        let (mut at, mut number) = (0, 0);
        while let Some(found) = finder.find(&text[at..]) {
            while ends[number] <= at + found {
                number += 1;
            }
            marked[number] = true;
            // One match in a title is enough.
            at = ends[number];
        }
    }
}

/// Returns whether an id begins with a text that is not empty.
fn begins(id: &str, start: &str) -> bool {
    !start.is_empty() && id.as_bytes().get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes()))
}

fn exact(ids: &Ids, query: &Query) -> Option<u32> {
    ids.find(&query.text).or_else(|| ids.find(&query.normal))
}

impl Matches<'_> {
    /// Returns how many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the numbers of a part of them: the one whose id is the query first, then those with most interactions.
    pub fn part(&self, skipped: usize, most: usize) -> Vec<u32> {
        let is_marked = |number: &&u32| self.marked.as_ref().is_none_or(|marked| marked[**number as usize]);
        let others = self.listing.order().iter().filter(is_marked).filter(|number| Some(**number) != self.exact);
        self.exact.iter().chain(others).skip(skipped).take(most).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing() -> Listing {
        let ids = Ids::from_sorted(["001", "1", "10", "100", "A1", "b"]).unwrap();
        let rows = [("001", 1), ("1", 0), ("10", 5), ("100", 7), ("A1", 2)];
        let codes: Vec<u32> = rows.iter().flat_map(|(id, n)| vec![ids.find(id).unwrap(); *n]).collect();
        let titles = [("10", "Toy Story"), ("100", "ﾀﾜｰ 100%"), ("A1", "トイ・ストーリー"), ("b", "ends with to"), ("z", "y_x")];
        let normal = |text: &str| crate::ml::features::normal_form(text);
        let titles = titles.iter().map(|(id, title)| ((*id).to_owned(), normal(title))).collect();
        Listing::counted(&ids, &codes).unwrap().described(titles).unwrap()
    }

    fn found(text: &str) -> Vec<String> {
        let listing = listing();
        let matches = listing.search(&Query::of(text).unwrap());
        let all = matches.part(0, 100);
        assert_eq!(all.len(), matches.count(), "{text}");
        let parts: Vec<u32> = (0..all.len()).flat_map(|at| matches.part(at, 1)).collect();
        assert_eq!(parts, all, "{text}");
        all.into_iter().map(|number| listing.get(number).0.to_owned()).collect()
    }

    #[test]
    fn the_id_itself_comes_first_and_then_what_begins_so() {
        assert_eq!(found("1"), ["1", "100", "10"]);
        assert_eq!(found("10"), ["10", "100"]);
        assert_eq!(found("001"), ["001"]);
        assert_eq!(found("a"), ["A1"]);
        assert_eq!(found("１０"), ["10", "100"], "typed in full width");
        assert_eq!(found(""), ["100", "10", "A1", "001", "1", "b", "z"]);
    }

    #[test]
    fn titles_are_found_by_any_part_in_any_case_and_width() {
        assert_eq!(found("STORY"), ["10"]);
        assert_eq!(found("タワー"), ["100"]);
        assert_eq!(found("ｽﾄｰﾘｰ"), ["A1"]);
        assert_eq!(found("to"), ["10", "b"]);
        assert_eq!((found("%"), found("_"), found("toy%")), (vec!["100".to_owned()], vec!["z".to_owned()], vec![]));
        assert!(found("  ").is_empty() && found("storyト").is_empty());
    }

    #[test]
    fn a_query_may_be_long_but_not_longer() {
        use super::super::model::LONGEST_QUERY;
        assert!(found(&"é".repeat(LONGEST_QUERY)).is_empty());
        assert!(Query::of(&"é".repeat(LONGEST_QUERY + 1)).is_none());
        assert_eq!(Listing::default().search(&Query::of("a").unwrap()).count(), 0);
    }
}
