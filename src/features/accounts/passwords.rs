//! Passwords: Argon2id hashes, and the rules a new one has to meet.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};

use super::error::AccountError;

const SHORTEST: usize = 8;

/// Passwords that every guesser tries first, one a line: those of Royce Williams' list of 20 000 (as shipped with Django)
/// that are neither short nor all digits, which other rules refuse.
const COMMON: &str = include_str!("common_passwords.txt");

/// A password that shares this much with a name is too similar to it.
const SIMILAR: f64 = 0.7;

/// Hashes a password with a fresh salt. Slow on purpose: call it where blocking is allowed.
pub fn hash(password: &str) -> Result<String, AccountError> {
    let hash: phc::PasswordHash =
        Argon2::default().hash_password(password.as_bytes()).map_err(|error| AccountError::Hashing(error.to_string()))?;
    Ok(hash.to_string())
}

/// Whether a password belongs to a hash. Slow on purpose: call it where blocking is allowed.
pub fn matches(password: &str, hash: &str) -> bool {
    phc::PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// What is wrong with a new password, for somebody of these names; empty when nothing is.
pub fn faults(password: &str, names: &[&str]) -> Vec<String> {
    let lower = password.to_lowercase();
    let mut faults = Vec::new();
    if names.iter().any(|name| is_similar(&lower, &name.to_lowercase())) {
        faults.push("The password is too similar to the name or e-mail address.".to_owned());
    }
    if password.chars().count() < SHORTEST {
        faults.push(format!("This password is too short. It must contain at least {SHORTEST} characters."));
    }
    if COMMON.lines().any(|common| common == lower.trim()) {
        faults.push("This password is too common.".to_owned());
    }
    if !password.is_empty() && password.chars().all(|character| character.is_ascii_digit()) {
        faults.push("This password is entirely numeric.".to_owned());
    }
    faults
}

/// Whether a password shares most of its characters with a name, or with a word of it.
fn is_similar(password: &str, name: &str) -> bool {
    let words = name.split(|character: char| !character.is_alphanumeric()).chain([name]);
    words.filter(|word| !word.is_empty()).any(|word| shared(password, word) >= SIMILAR)
}

/// The part of the characters of both texts that they have in common, whatever the order.
fn shared(one: &str, other: &str) -> f64 {
    let mut left: Vec<char> = other.chars().collect();
    let all = one.chars().count() + left.len();
    let mut common = 0_u32;
    for character in one.chars() {
        if let Some(place) = left.iter().position(|candidate| *candidate == character) {
            left.swap_remove(place);
            common += 1;
        }
    }
    f64::from(2 * common) / all as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_matches() {
        let hash = hash("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(matches("correct horse", &hash));
        assert!(!matches("correct horsf", &hash));
        assert!(!matches("x", "not a hash"));
    }

    #[test]
    fn weak_passwords_say_every_reason() {
        assert_eq!(faults("1234567", &[]).len(), 2);
        assert_eq!(faults("Password123", &[]).len(), 1);
        assert_eq!(faults("xmargarete", &["", "margarete@example.com"]).len(), 1);
        assert_eq!(faults("Margarete-99", &["margarete"]).len(), 1);
        assert!(faults("correct horse battery", &["margarete"]).is_empty());
    }
}
