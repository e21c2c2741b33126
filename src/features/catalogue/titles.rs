//! Finding an item by its whole title, and the titles that a mistyped one may mean.

use std::cmp::Reverse;

use super::listing::{Listing, Titles};
use crate::ml::features::normal_form;

/// Places of a table of the groups of three letters of a title; groups that share a place count as equal.
const PLACES: usize = 1 << 16;

/// Most groups of a title that are compared.
const MOST_GROUPS: usize = 300;

impl Titles {
    /// Iterates over the titles, without their marks.
    fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends().iter().copied());
        starts.zip(self.ends()).map(|(start, end)| std::str::from_utf8(&self.bytes()[start..end - 1]).unwrap_or_default())
    }
}

impl Listing {
    /// Returns the item with a title, the one with most interactions of several; or with this id, if no title is it.
    pub fn titled(&self, title: &str) -> Option<u32> {
        let normal = normal_form(title.trim());
        let same = (0u32..).zip(self.titles().iter()).filter(|(_, other)| !normal.is_empty() && *other == normal);
        let best = same.min_by_key(|(number, _)| Reverse(self.get(*number).1));
        best.map(|(number, _)| number).or_else(|| self.ids().find(title))
    }

    /// Returns the items whose titles have most groups of three letters in common with a text, at most this many.
    pub fn titled_like(&self, text: &str, most: usize) -> Vec<u32> {
        let normal = normal_form(text.trim());
        let (mut wanted, mut n_wanted) = (vec![false; PLACES], 0);
        for place in groups(&normal) {
            n_wanted += usize::from(!std::mem::replace(&mut wanted[place], true));
        }
        let mut best: Vec<(f64, u32)> = Vec::new();
        for (number, title) in (0u32..).zip(self.titles().iter()) {
            let (mut n, mut shared) = (0, 0);
            for place in groups(title) {
                (n, shared) = (n + 1, shared + usize::from(wanted[place]));
            }
            let likeness = 2.0 * shared as f64 / (n + n_wanted).max(1) as f64;
            let is_better = |(other, _): &(f64, u32)| *other < likeness;
            if shared > 0 && (best.len() < most || best.last().is_some_and(is_better)) {
                let at = best.partition_point(|(other, _)| *other >= likeness);
                best.insert(at, (likeness, number));
                best.truncate(most);
            }
        }
        best.into_iter().map(|(_, number)| number).collect()
    }
}

/// Returns the places of the groups of three letters of a text in normal form, with its beginning and its end.
fn groups(text: &str) -> impl Iterator<Item = usize> {
    let (mut before, mut last) = (' ', ' ');
    let letters = text.chars().chain([' ']).take(MOST_GROUPS);
    letters.map(move |letter| {
        let [a, b, c] = [before, last, letter].map(|letter| letter as usize);
        (before, last) = (last, letter);
        (a.wrapping_mul(0x9e37) ^ b.wrapping_mul(0x79b9_7f4a) ^ c.wrapping_mul(0x85eb_ca6b)) % PLACES
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::ids::Ids;

    fn listing(titles: &[(&str, &str)], seen: &str) -> Listing {
        let ids = Ids::from_sorted([seen]).unwrap();
        let titles = titles.iter().map(|(id, title)| ((*id).to_owned(), normal_form(title))).collect();
        Listing::counted(&ids, &[0]).unwrap().described(titles).unwrap()
    }

    #[test]
    fn an_item_is_found_by_its_whole_title_or_its_id() {
        let listing = listing(&[("1", "Toy Story"), ("2", "ＴＯＹ story"), ("3", "Toy"), ("toy", "Other"), ("4", "")], "2");
        let id = |title: &str| listing.titled(title).map(|number| listing.get(number).0);
        assert_eq!(id("toy story "), Some("2"), "the more frequent one");
        assert_eq!((id("TOY"), id("4"), id("Toy Stor"), id("")), (Some("3"), Some("4"), None, None));
    }

    #[test]
    fn a_mistyped_title_is_near_the_one_that_is_meant() {
        let titles = [
            ("1", "Toy Story"),
            ("2", "Toy Story 2"),
            ("3", "Alien"),
            ("4", "千と千尋の神隠し"),
            ("5", "Story of a Toy"),
            ("6", ""),
        ];
        let listing = listing(&titles, "1");
        let near = |text: &str, most| -> Vec<&str> {
            listing.titled_like(text, most).into_iter().map(|number| listing.get(number).0).collect()
        };
        assert_eq!(near("Toy Stroy", 2), ["1", "2"]);
        assert_eq!(near("千と千尋", 1), ["4"]);
        assert_eq!(near("Aliens", 5)[0], "3");
        assert!(near("zzzz", 5).is_empty() && near("toy", 0).is_empty());
    }
}
