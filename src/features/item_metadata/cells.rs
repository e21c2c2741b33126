//! Interpretation of single cells of item metadata.

use serde_json::{Number, Value};

/// The largest whole number that every reader represents exactly, browsers included.
const EXACT: u64 = 1 << 53;

/// Texts that stand for a missing value in columns of numbers and of truth values, in lower case.
const MISSING: [&str; 12] = ["", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "\\n", "-", "--", "?"];

/// Parses a text as a number: digits with an optional sign, fraction and exponent, and surrounding blanks.
pub fn as_number(text: &str) -> Option<Number> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    // Rust would also parse "inf" and "nan".
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') || !unsigned.bytes().all(plain) {
        return None;
    }
    let without_plus = text.strip_prefix('+').unwrap_or(text);
    if let Ok(whole) = without_plus.parse::<i64>() {
        return Some(whole.into());
    }
    match without_plus.parse::<u64>() {
        Ok(whole) => Some(whole.into()),
        Err(_) => Number::from_f64(without_plus.parse().ok()?),
    }
}

/// Returns the number in a cell; `None` if it is not a number.
pub fn number_of(cell: &Value) -> Option<Number> {
    match cell {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => as_number(text),
        _ => None,
    }
}

/// Returns the truth value in a cell: a JSON boolean, the word in any case, or 1 or 0; `None` if it is none.
pub fn boolean_of(cell: &Value) -> Option<bool> {
    match cell {
        Value::Bool(boolean) => Some(*boolean),
        Value::Number(number) => match number.as_f64() {
            Some(1.0) => Some(true),
            Some(0.0) => Some(false),
            _ => None,
        },
        Value::String(text) => match text.trim() {
            "1" => Some(true),
            "0" => Some(false),
            word if word.eq_ignore_ascii_case("true") => Some(true),
            word if word.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the truth value of a word in a column of truth values; databases write single letters.
pub fn as_boolean_word(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// Returns whether a text means a missing value in a column that is not text.
pub fn is_missing(text: &str) -> bool {
    MISSING.contains(&text.trim().to_ascii_lowercase().as_str())
}

/// Returns whether a text that parses as a number is rather a code: with leading zeros, the plus of a telephone number, or more
/// digits than are kept exactly.
pub fn is_code(text: &str, number: &Number) -> bool {
    const SHORTEST_TELEPHONE: usize = 9;
    let text = text.trim();
    let digits = text.trim_start_matches(['+', '-']);
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    let magnitude = number.as_i64().map(i64::unsigned_abs).or_else(|| number.as_u64());
    let has_zeros_first = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    has_zeros_first
        || is_whole && magnitude.is_none_or(|magnitude| magnitude > EXACT)
        || is_whole && text.starts_with('+') && digits.len() >= SHORTEST_TELEPHONE
}

/// Returns whether a text is a number after removing its currency, percent sign and thousands separators.
pub fn is_formatted_number(text: &str) -> bool {
    const LONGEST: usize = 40;
    const CURRENCIES: [&str; 8] = ["usd", "eur", "gbp", "jpy", "chf", "cny", "krw", "inr"];
    let text = text.trim();
    if text.len() > LONGEST || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let lower = text.to_lowercase();
    let without_code = CURRENCIES.iter().find_map(|code| lower.strip_prefix(code).or_else(|| lower.strip_suffix(code)));
    let amount: String = without_code.unwrap_or(&lower).chars().filter(|character| !is_decoration(*character)).collect();
    as_number(&amount).is_some()
}

fn is_decoration(character: char) -> bool {
    matches!(
        character,
        ',' | '\'' | '’' | '_' | '%' | '$' | '€' | '£' | '\u{a5}' | '\u{ffe5}' | '円' | '元' | '₩' | '₹' | '₽' | '₺'
    ) || character.is_whitespace()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_read_however_they_are_written() {
        let read = |text: &str| as_number(text).map(Value::Number);
        for (text, number) in [
            ("5", json!(5)),
            (" 9.50\t", json!(9.5)),
            ("+19.99", json!(19.99)),
            ("-3", json!(-3)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("007", json!(7)),
            ("19.989999771118164", json!(19.989999771118164)),
            ("18446744073709551615", json!(u64::MAX)),
        ] {
            assert_eq!(read(text), Some(number), "{text}");
        }
        for text in ["", " ", "+", "-", ".", "NaN", "inf", "-inf", "1e999", "0x10", "1,200", "$5", "5 kg", "1-2", "１２"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn truth_is_a_word_or_a_digit() {
        let truths = [json!(true), json!("true"), json!("True"), json!(" TRUE "), json!(1), json!(1.0), json!("1")];
        assert!(truths.iter().all(|cell| boolean_of(cell) == Some(true)));
        assert!([json!(2), json!("yes"), json!(["true"]), json!("")].iter().all(|cell| boolean_of(cell).is_none()));
    }

    #[test]
    fn codes_and_amounts_are_told_from_numbers() {
        let code = |text: &str| is_code(text, &as_number(text).unwrap());
        assert!(
            ["007", "00", "-01", "9007199254740993", "12345678901234567890123", "+819012345678"].iter().all(|text| code(text))
        );
        assert!(["0", "0.5", "-0.5", "9007199254740992", "+5", "1e30", "3.14159265358979323846"].iter().all(|text| !code(text)));
        let amounts = ["$5", "1,200", "€ 1.200", "12 円", "¥1,200", "USD 5", "5 EUR", "12%", "1 200"];
        assert!(amounts.iter().all(|text| is_formatted_number(text)));
        assert!(["$", "a1", "5 kg", "", "1984 (restored)"].iter().all(|text| !is_formatted_number(text)));
    }
}
