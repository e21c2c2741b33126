//! The terms of a text: words, and pairs of characters where a script is written without blanks.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Buffers that texts are read with, kept from one text to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The text in normal form.
    normal: String,
    /// Two words.
    pair: String,
}

/// Calls `found` with each term of a text.
///
/// The text is brought to the compatibility form NFKC and to lower case. Runs of Han, Hiragana, Katakana and Hangul give each
/// two adjacent characters, or the only one; all else gives words by the Unicode rules. With `pairs`, two adjacent words are a
/// term as well.
pub(super) fn each_term(text: &str, pairs: bool, scratch: &mut Scratch, found: &mut dyn FnMut(&str)) {
    let Scratch { normal, pair } = scratch;
    normalise(text, normal);
    let mut left = normal.as_str();
    let mut before: Option<&str> = None;
    while let Some(first) = left.chars().next() {
        let is_cjk = unspaced(first);
        let end = left.find(|c| unspaced(c) != is_cjk).unwrap_or(left.len());
        let (run, rest) = left.split_at(end);
        left = rest;
        if is_cjk {
            bigrams(run, found);
            before = None;
            continue;
        }
        for word in run.unicode_words() {
            found(word);
            if let Some(before) = before.replace(word).filter(|_| pairs) {
                pair.clear();
                pair.extend([before, " ", word]);
                found(pair);
            }
        }
    }
}

/// Returns a text in the form in which terms are compared: the compatibility form NFKC, in lower case.
pub fn normal_form(text: &str) -> String {
    let mut normal = String::new();
    normalise(text, &mut normal);
    normal
}

fn normalise(text: &str, normal: &mut String) {
    normal.clear();
    if text.is_ascii() {
        normal.push_str(text);
        normal.make_ascii_lowercase();
    } else {
        normal.extend(text.nfkc().flat_map(char::to_lowercase));
    }
}

/// Returns whether a character belongs to a script whose words are not told apart by blanks alone.
fn unspaced(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{11ff}' // Hangul
        | '\u{3131}'..='\u{318e}'
        | '\u{a960}'..='\u{a97c}'
        | '\u{ac00}'..='\u{d7fb}'
        | '々'..='〇' // Han
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{323af}'
        | '\u{3041}'..='\u{309f}' // Hiragana
        | '\u{30a1}'..='\u{30fa}' // Katakana, without the dot between words
        | '\u{30fc}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}')
}

fn bigrams(run: &str, found: &mut dyn FnMut(&str)) {
    let mut ends = run.char_indices().map(|(at, c)| at + c.len_utf8());
    let (mut start, mut middle) = (0, ends.next().unwrap_or(0));
    if middle == run.len() {
        return found(run);
    }
    for end in ends {
        found(&run[start..end]);
        (start, middle) = (middle, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str, pairs: bool) -> Vec<String> {
        let mut terms = Vec::new();
        each_term(text, pairs, &mut Scratch::default(), &mut |term| terms.push(term.to_owned()));
        terms
    }

    #[test]
    fn texts_become_words_and_bigrams() {
        for (text, wanted) in [
            ("Toy Story, the 2nd!", vec!["toy", "story", "the", "2nd"]),
            ("東京タワー", vec!["東京", "京タ", "タワ", "ワー"]),
            ("猫", vec!["猫"]),
            ("猫 と Cats", vec!["猫", "と", "cats"]),
            ("ハリー・ポッター", vec!["ハリ", "リー", "ポッ", "ッタ", "ター"]),
            ("ﾀﾜｰ", vec!["タワ", "ワー"]),
            ("ＡＢＣ１２", vec!["abc12"]),
            ("iPhone用ケース", vec!["iphone", "用ケ", "ケー", "ース"]),
            ("서울 여행", vec!["서울", "여행"]),
            ("Ünïcode Straße", vec!["ünïcode", "straße"]),
            ("— … !", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(terms(text, false), wanted, "{text}");
        }
    }

    #[test]
    fn adjacent_words_are_terms_on_demand() {
        assert_eq!(terms("a b c", true), ["a", "b", "a b", "c", "b c"]);
        assert_eq!(terms("a 猫犬 b", true), ["a", "猫犬", "b"]);
    }
}
