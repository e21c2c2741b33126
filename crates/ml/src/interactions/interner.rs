//! Numbering strings in order of first occurrence.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;
use rayon::prelude::*;

use crate::ids::Ids;

/// Slots of a new table; a power of two.
const FIRST_SLOTS: usize = 1 << 10;

/// Longest string that a slot holds entirely.
const INLINE: usize = 16;

/// Whole numbers below this have a table of their own.
const NUMBERS: usize = 1 << 20;

/// Numbers strings in order of first occurrence.
///
/// The strings are stored one after another in one buffer. The ways to them touch little memory in a look-up, since with many ids
/// each access is a cache miss: decimal numbers below a million, as most ids are, index a table; short strings are entirely in
/// the hash table; of longer ones it has the length and the hash. The hash has a new seed for each log, so that an attacker
/// cannot prepare ids that collide.
#[derive(Debug, Clone)]
pub(super) struct Interner {
    seed: Arc<Seed>,
    /// For each whole number its code plus one, or zero. Empty until the first number comes; the system gives memory
    /// only for the parts that are used.
    numbers: Vec<u32>,
    /// Open addressing with linear probing.
    slots: Vec<Slot>,
    n_slots_used: usize,
    text: String,
    /// Where each string ends in `text`.
    ends: Vec<usize>,
}

/// A slot of the hash table.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// The string itself padded with zeros, or its hash and its place in the buffer.
    bits: [u64; 2],
    len: u32,
    /// Code of the string plus one; zero when the slot is free.
    code: u32,
}

/// Secret numbers that an attacker would have to know: both halves enter every hash.
#[derive(Debug)]
struct Seed {
    own: u64,
    shared: SharedSeed,
}

impl Seed {
    fn new() -> Self {
        let random = RandomState::new();
        Seed { own: random.hash_one(0), shared: SharedSeed::from_u64(random.hash_one(1)) }
    }

    #[inline]
    fn hash(&self, id: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.own, &self.shared);
        hasher.write(id);
        hasher.finish()
    }
}

/// Returns at most [`INLINE`] bytes as numbers.
#[inline]
fn short(id: &[u8]) -> Option<[u64; 2]> {
    if id.len() > INLINE {
        return None;
    }
    if let (Some(first), Some(last)) = (id.first_chunk::<8>(), id.last_chunk::<8>()) {
        // The two halves overlap where the text is shorter than both.
        let beyond = id.len() as u32 - 8;
        let last = u64::from_le_bytes(*last).checked_shr(64 - 8 * beyond).unwrap_or(0);
        return Some([u64::from_le_bytes(*first), last]);
    }
    if let (Some(first), Some(last)) = (id.first_chunk::<4>(), id.last_chunk::<4>()) {
        // The bits shared by the halves agree.
        let last = u64::from(u32::from_le_bytes(*last)) << (8 * (id.len() - 4));
        return Some([u64::from(u32::from_le_bytes(*first)) | last, 0]);
    }
    Some([id.iter().rev().fold(0, |bits, &byte| bits << 8 | u64::from(byte)), 0])
}

/// Returns the value of a string, in the form of [`short`], if it is a decimal number in canonical form below [`NUMBERS`].
#[inline]
fn number(bits: u64, len: usize) -> Option<usize> {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    if len == 0 || len > 7 || (bits & 0xff == u64::from(b'0') && len > 1) {
        return None;
    }
    // Eight digits, padded with zeros from the left.
    let digits = bits << (64 - 8 * len) | ZEROS >> (8 * len);
    let values = digits.wrapping_sub(ZEROS);
    if (values | digits.wrapping_add(0x4646_4646_4646_4646)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // Adjacent digits are joined to numbers of two, then four, then eight digits.
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let value = (fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff) as usize;
    (value < NUMBERS).then_some(value)
}

impl Default for Interner {
    fn default() -> Self {
        Interner::seeded(Arc::new(Seed::new()))
    }
}

impl Interner {
    fn seeded(seed: Arc<Seed>) -> Self {
        Interner {
            seed,
            numbers: Vec::new(),
            slots: vec![Slot::default(); FIRST_SLOTS],
            n_slots_used: 0,
            text: String::new(),
            ends: Vec::new(),
        }
    }

    /// Creates an empty interner that is known to belong to this one.
    pub fn sibling(&self) -> Self {
        Interner::seeded(Arc::clone(&self.seed))
    }

    /// Returns whether one was created as a [`Self::sibling`] of the other.
    pub fn is_sibling(&self, other: &Interner) -> bool {
        Arc::ptr_eq(&self.seed, &other.seed)
    }

    /// Returns the number of distinct strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the string with this code.
    pub fn get(&self, at: usize) -> &str {
        let from = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[from..self.ends[at]]
    }

    /// Returns the bytes of memory that grow with the strings.
    pub fn heap_bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<usize>() + self.slots.capacity() * size_of::<Slot>()
    }

    /// Returns the bytes of all strings.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Forgets all strings but keeps their memory.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.slots.fill(Slot::default());
        self.n_slots_used = 0;
        self.text.clear();
        self.ends.clear();
    }

    /// Returns the code of a string, and adds the string if it is new.
    #[inline]
    pub fn code(&mut self, id: &str) -> u32 {
        match short(id.as_bytes()) {
            Some(bits) => match number(bits[0], id.len()) {
                Some(value) => self.code_of_number(id, value),
                None => self.code_of_short(id, bits),
            },
            None => self.code_of_long(id),
        }
    }

    #[inline]
    fn code_of_number(&mut self, id: &str, value: usize) -> u32 {
        if let Some(code @ 1..) = self.numbers.get(value) {
            return code - 1;
        }
        if self.numbers.is_empty() {
            self.numbers = vec![0; NUMBERS];
        }
        let code = self.keep(id);
        self.numbers[value] = code + 1;
        code
    }

    #[inline]
    fn code_of_short(&mut self, id: &str, bits: [u64; 2]) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = self.seed.hash(id.as_bytes()) as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.code == 0 {
                return self.insert(id, bits, at);
            }
            if slot.bits == bits && slot.len == id.len() as u32 {
                return slot.code - 1;
            }
            at = (at + 1) & mask;
        }
    }

    #[inline]
    fn code_of_long(&mut self, id: &str) -> u32 {
        let hash = self.seed.hash(id.as_bytes());
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.code == 0 {
                let place = self.text.len() as u64;
                return self.insert(id, [hash, place], at);
            }
            if slot.bits[0] == hash && slot.len == id.len() as u32 && self.text_of(slot) == id.as_bytes() {
                return slot.code - 1;
            }
            at = (at + 1) & mask;
        }
    }

    fn text_of(&self, long: Slot) -> &[u8] {
        let from = long.bits[1] as usize;
        &self.text.as_bytes()[from..from + long.len as usize]
    }

    fn keep(&mut self, id: &str) -> u32 {
        self.text.push_str(id);
        self.ends.push(self.text.len());
        self.len() as u32 - 1
    }

    fn insert(&mut self, id: &str, bits: [u64; 2], at: usize) -> u32 {
        let code = self.keep(id);
        self.slots[at] = Slot { bits, len: id.len() as u32, code: code + 1 };
        self.n_slots_used += 1;
        if self.n_slots_used * 4 > self.slots.len() * 3 {
            self.grow();
        }
        code
    }

    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        let mut larger = vec![Slot::default(); mask + 1];
        for &slot in self.slots.iter().filter(|slot| slot.code != 0) {
            let mut at = self.seed.hash(self.get(slot.code as usize - 1).as_bytes()) as usize & mask;
            while larger[at].code != 0 {
                at = (at + 1) & mask;
            }
            larger[at] = slot;
        }
        self.slots = larger;
    }

    /// Returns the dictionary in byte order, and for each old number the new one.
    pub fn finish(self) -> (Ids, Vec<u32>) {
        let order = self.byte_order();
        let mut map = vec![0u32; order.len()];
        for (new, (_, old)) in order.iter().enumerate() {
            map[*old as usize] = new as u32;
        }
        // The strings are distinct and were just sorted, so this cannot fail.
        let ids = Ids::from_sorted(order.iter().map(|&(_, old)| self.get(old as usize))).unwrap_or_default();
        (ids, map)
    }

    /// Sorts by eight bytes held beside each number; only where these are equal the strings themselves are compared.
    fn byte_order(&self) -> Vec<(u64, u32)> {
        let skipped = self.common_prefix();
        let key = |at: usize| {
            let tail = &self.get(at).as_bytes()[skipped..];
            let mut bytes = [0; 8];
            let n = tail.len().min(8);
            bytes[..n].copy_from_slice(&tail[..n]);
            (u64::from_be_bytes(bytes), at as u32)
        };
        let mut order: Vec<(u64, u32)> = (0..self.len()).map(key).collect();
        order.par_sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| self.get(a.1 as usize).as_bytes().cmp(self.get(b.1 as usize).as_bytes()))
        });
        order
    }

    /// Returns how many leading bytes all strings share.
    fn common_prefix(&self) -> usize {
        if self.len() == 0 {
            return 0;
        }
        let first = self.get(0).as_bytes();
        (1..self.len()).fold(first.len(), |common, at| {
            first[..common].iter().zip(self.get(at).as_bytes()).take_while(|(a, b)| a == b).count()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("{}{}", ["", "user-", "é"][i % 3], i * 7919 % 10_007)).collect()
    }

    #[test]
    fn each_string_has_one_number_and_the_dictionary_is_in_byte_order() {
        let mut interner = Interner::default();
        let all = ids(5000);
        for round in 0..2 {
            for (i, id) in all.iter().enumerate() {
                assert_eq!(interner.code(id), i as u32, "{round}");
            }
        }
        let (sorted, map) = interner.finish();
        assert_eq!(sorted, Ids::from_unsorted(&all).unwrap());
        assert!(all.iter().zip(map).all(|(id, code)| sorted.get(code) == id));
    }

    #[test]
    fn strings_with_long_beginnings_in_common_are_told_apart() {
        let mut interner = Interner::default();
        let all =
            ["aaaaaaaaaaaab", "aaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaz", "aaaaaaaaaaaaaaaaaaaaaaaaab", "aaaaaaaaaaaa\u{1}"];
        for id in all {
            interner.code(id);
        }
        assert_eq!(interner.finish().0, Ids::from_unsorted(all).unwrap());
        assert_eq!(Interner::default().finish().0, Ids::default());
    }

    #[test]
    fn short_strings_become_numbers_of_their_own() {
        let text = "abcdefghijklmnopqrstuvw\u{0}\u{0}";
        for len in 0..text.len() {
            for id in [&text[..len], &text[text.len() - len..]] {
                let mut padded = [0; INLINE];
                padded[..len.min(INLINE)].copy_from_slice(&id.as_bytes()[..len.min(INLINE)]);
                let halves = u128::from_le_bytes(padded);
                let expected = [halves as u64, (halves >> 64) as u64];
                assert_eq!(short(id.as_bytes()), (len <= INLINE).then_some(expected), "{id:?}");
            }
        }
    }

    #[test]
    fn numbers_are_those_written_as_usual() {
        let value = |id: &str| short(id.as_bytes()).and_then(|bits| number(bits[0], id.len()));
        for n in [0, 1, 9, 10, 99, 100, 1234, 98_765, 100_000, 654_321, NUMBERS - 1] {
            assert_eq!(value(&n.to_string()), Some(n));
        }
        for other in
            ["", "00", "01", "1048576", "9999999", "12345678", "+1", "-1", "1 ", "1.0", "a", "1a", "é1", "/1", ":1", "1\0"]
        {
            assert_eq!(value(other), None, "{other}");
        }
    }

    #[test]
    fn what_was_cleared_is_forgotten() {
        let mut interner = Interner::default();
        for id in ids(3000) {
            interner.code(&id);
        }
        interner.clear();
        assert_eq!((interner.len(), interner.code("user-0"), interner.code("x")), (0, 0, 1));
        assert!(interner.is_sibling(&interner.sibling()) && !interner.is_sibling(&Interner::default()));
    }
}
