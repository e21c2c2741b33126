//! The sample data of the demo: named items with genres, and users whose tastes follow them. The same on every machine.

use std::collections::HashSet;
use std::fmt::Write;

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SEED: u64 = 20_260_601;
const N_ITEMS: usize = 600;
const N_USERS: usize = 1_500;
/// Interactions of a user: at least this many, and as many again on average.
const FEWEST: usize = 15;
const MEAN_MORE: f64 = 38.0;
/// 2025-01-01, and a year in seconds.
const START: i64 = 1_735_689_600;
const YEAR: i64 = 365 * 86_400;

const GENRES: [&str; 12] = [
    "Adventure",
    "Animation",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "History",
    "Musical",
    "Mystery",
    "Romance",
    "Science fiction",
];
const OPENINGS: [&str; 24] = [
    "The Last",
    "A Quiet",
    "Beyond the",
    "Children of the",
    "The Secret",
    "Under a",
    "Return to the",
    "The Glass",
    "One Hundred",
    "Night of the",
    "The Silver",
    "Letters from the",
    "A Season of",
    "The Lost",
    "Echoes of the",
    "Daughters of the",
    "The Paper",
    "Winter of the",
    "The Hidden",
    "Songs for the",
    "The Velvet",
    "Far from the",
    "The Seventh",
    "Almost a",
];
const NOUNS: [&str; 40] = [
    "Harbour",
    "Orchard",
    "Cartographer",
    "Lighthouse",
    "Comet",
    "Parade",
    "Detective",
    "Garden",
    "Mountain",
    "Orchestra",
    "Island",
    "Labyrinth",
    "Railway",
    "Sparrow",
    "Kingdom",
    "Telescope",
    "Market",
    "River",
    "Clockmaker",
    "Desert",
    "Masquerade",
    "Voyage",
    "Library",
    "Storm",
    "Painter",
    "Castle",
    "Signal",
    "Meadow",
    "Thief",
    "Ocean",
    "Witness",
    "Carnival",
    "Forest",
    "Machine",
    "Bridge",
    "Summer",
    "Shadow",
    "Promise",
    "Frontier",
    "Waltz",
];
/// Ids that break programs which read ids as numbers, words or parts of an address.
const AWKWARD: [(&str, &str); 4] = [("007", "Crime"), ("Sigur Rós", "Musical"), ("a/b c", "Mystery"), ("千と千尋", "Animation")];

struct Item {
    id: String,
    genres: Vec<usize>,
    appeal: f64,
}

impl Item {
    fn genre_names(&self) -> String {
        self.genres.iter().map(|genre| GENRES[*genre]).collect::<Vec<_>>().join("|")
    }
}

/// Returns the sample's interactions as CSV: `user_id,item_id,genres,timestamp`.
pub fn interactions_csv() -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let items = items(&mut rng);
    let mut csv = String::from("user_id,item_id,genres,timestamp\n");
    for user in 1..=N_USERS {
        let mut liked = history(&items, &mut rng);
        liked.shuffle(&mut rng);
        let mut moment = START + rng.random_range(0..YEAR);
        for item in liked {
            moment += rng.random_range(60..86_400);
            // Writing to a string cannot fail.
            let _ = writeln!(csv, "user-{user:04},{},{},{moment}", items[item].id, items[item].genre_names());
        }
    }
    csv.into_bytes()
}

fn items(rng: &mut ChaCha8Rng) -> Vec<Item> {
    let mut taken: HashSet<String> = AWKWARD.iter().map(|(id, _)| (*id).to_owned()).collect();
    let mut items: Vec<Item> = Vec::with_capacity(N_ITEMS);
    for (id, genre) in AWKWARD {
        let genre = GENRES.iter().position(|name| *name == genre).unwrap_or_default();
        items.push(Item { id: id.to_owned(), genres: vec![genre], appeal: 0.5 });
    }
    while items.len() < N_ITEMS {
        let id = title(rng);
        if taken.insert(id.clone()) {
            // A few items are known to all users, most to few.
            let appeal = 1.0 / (1.0 + items.len() as f64).powf(0.35);
            items.push(Item { id, genres: two_at_most(rng), appeal });
        }
    }
    items
}

fn title(rng: &mut ChaCha8Rng) -> String {
    let opening = OPENINGS.choose(rng).copied().unwrap_or_default();
    let noun = NOUNS.choose(rng).copied().unwrap_or_default();
    format!("{opening} {noun}")
}

fn two_at_most(rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut genres: Vec<usize> = (0..rng.random_range(1..=2)).map(|_| rng.random_range(0..GENRES.len())).collect();
    genres.sort_unstable();
    genres.dedup();
    genres
}

/// Draws the items of one user: two or three genres count most, and popularity counts for every user.
fn history(items: &[Item], rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut taste = [0.04; GENRES.len()];
    for _ in 0..rng.random_range(2..=3) {
        taste[rng.random_range(0..GENRES.len())] += 1.0;
    }
    let wanted = FEWEST + (-MEAN_MORE * (1.0 - rng.random::<f64>()).ln()) as usize;
    // Drawing without replacement by weight: the largest of random^(1/weight) (Efraimidis and Spirakis 2006).
    let mut keys: Vec<(f64, usize)> = items.iter().enumerate().map(|(index, item)| (key(item, &taste, rng), index)).collect();
    keys.sort_by(|a, b| b.0.total_cmp(&a.0));
    keys.into_iter().take(wanted.min(N_ITEMS / 3)).map(|(_, index)| index).collect()
}

fn key(item: &Item, taste: &[f64; GENRES.len()], rng: &mut ChaCha8Rng) -> f64 {
    let liking: f64 = item.genres.iter().map(|genre| taste[*genre]).sum::<f64>() / item.genres.len() as f64;
    rng.random::<f64>().ln() / (item.appeal * liking)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_the_same_each_time_and_holds_the_awkward_names() {
        let csv = interactions_csv();
        assert_eq!(csv, interactions_csv());
        let text = String::from_utf8(csv).unwrap();
        for (id, _) in AWKWARD {
            assert!(text.contains(&format!(",{id},")), "{id}");
        }
        let rows = text.lines().count();
        assert!((50_000..120_000).contains(&rows), "{rows}");
    }
}
