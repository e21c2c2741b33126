//! Passwords: Argon2id hashes, and the rules a new one has to meet.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};

use super::error::AccountError;

const SHORTEST: usize = 8;

/// Passwords that every guesser tries first.
const COMMON: [&str; 24] = [
    "password",
    "password1",
    "password123",
    "passw0rd",
    "12345678",
    "123456789",
    "1234567890",
    "qwertyui",
    "qwerty123",
    "qwertyuiop",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "trustno1",
    "letmein1",
    "welcome1",
    "admin123",
    "adminadmin",
    "abcd1234",
    "11111111",
    "changeme",
];

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
    if names.iter().any(|name| name.chars().count() >= 4 && lower.contains(&name.to_lowercase())) {
        faults.push("The password is too similar to the name or e-mail address.".to_owned());
    }
    if password.chars().count() < SHORTEST {
        faults.push(format!("This password is too short. It must contain at least {SHORTEST} characters."));
    }
    if COMMON.contains(&lower.as_str()) {
        faults.push("This password is too common.".to_owned());
    }
    if !password.is_empty() && password.chars().all(|character| character.is_ascii_digit()) {
        faults.push("This password is entirely numeric.".to_owned());
    }
    faults
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
        assert_eq!(faults("Margarete-99", &["margarete"]).len(), 1);
        assert!(faults("correct horse battery", &["margarete"]).is_empty());
    }
}
