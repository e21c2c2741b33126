//! Passwords: Argon2id hashes, and the rules for a new one.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use ring::rand::{SecureRandom, SystemRandom};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::error::AccountError;

const SHORTEST: usize = 8;

/// The passwords that are guessed first, one per line: those of Royce Williams' list of 20 000 (as shipped with Django) that are
/// neither short nor all digits, which other rules refuse.
const COMMON: &str = include_str!("common_passwords.txt");

/// The share of characters in common with a name from which a password is too similar to it.
const SIMILAR: f64 = 0.7;

/// Bytes of salt, as the standard recommends.
const SALT: usize = 16;

/// The memory in which hashes are computed; it is reused, so that no hash allocates.
#[derive(Default)]
pub struct Scratch(Vec<Block>);

impl Scratch {
    fn compute(&mut self, argon2: &Argon2<'_>, password: &[u8], salt: &[u8], length: usize) -> argon2::Result<Output> {
        let blocks = argon2.params().block_count();
        if self.0.len() < blocks {
            self.0.resize(blocks, Block::new());
        }
        let mut out = [0; Output::MAX_LENGTH];
        let out = out.get_mut(..length).ok_or(argon2::Error::OutputTooLong)?;
        argon2.hash_password_into_with_memory(password, salt, out, &mut self.0)?;
        Output::new(out).map_err(|_| argon2::Error::OutputTooShort)
    }
}

/// Hashes a password with a random salt. Slow on purpose: call it through [`super::hashing`].
pub fn hash(password: &str, scratch: &mut Scratch) -> Result<String, AccountError> {
    let mut salt = [0; SALT];
    SystemRandom::new().fill(&mut salt).map_err(|_| AccountError::Hashing("the system gave no random bytes".to_owned()))?;
    new_hash(password, &salt, scratch).map_err(|error| AccountError::Hashing(error.to_string()))
}

fn new_hash(password: &str, salt: &[u8], scratch: &mut Scratch) -> Result<String, argon2::password_hash::Error> {
    let (algorithm, version, params) = (Algorithm::default(), Version::default(), Params::default());
    let argon2 = Argon2::new(algorithm, version, params.clone());
    let output = scratch.compute(&argon2, password.as_bytes(), salt, Params::DEFAULT_OUTPUT_LEN)?;
    let hash = PasswordHash {
        algorithm: algorithm.ident(),
        version: Some(version.into()),
        params: ParamsString::try_from(&params)?,
        salt: Some(Salt::new(salt)?),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// Returns whether a hash is that of this password. Slow on purpose, as [`hash`].
pub fn matches(password: &str, hash: &str, scratch: &mut Scratch) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| is_hash_of(password, &hash, scratch).unwrap_or(false))
}

fn is_hash_of(password: &str, hash: &PasswordHash, scratch: &mut Scratch) -> Result<bool, argon2::password_hash::Error> {
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else { return Ok(false) };
    let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
    let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let argon2 = Argon2::new(algorithm, version, Params::try_from(hash)?);
    // Outputs are compared in constant time.
    Ok(scratch.compute(&argon2, password.as_bytes(), salt, expected.len())? == *expected)
}

/// Returns the faults of a new password for a user with these names; empty if there are none.
pub fn faults(password: &str, names: &[&str]) -> Vec<String> {
    let lower = password.to_lowercase();
    let mut faults = Vec::new();
    if names.iter().any(|name| is_similar(&lower, &name.to_lowercase())) {
        faults.push("The password is too similar to the name or e-mail address.".to_owned());
    }
    let (all, seen) = (password.chars().count(), password.chars().filter(|character| can_be_seen(*character)).count());
    let is_blank = all > 0 && seen == 0;
    if all < SHORTEST || (seen < SHORTEST && !is_blank) {
        faults.push(format!("This password is too short. It must contain at least {SHORTEST} characters."));
    }
    if is_blank {
        faults.push("This password is entirely blank.".to_owned());
    }
    if COMMON.lines().any(|common| common == lower.trim()) {
        faults.push("This password is too common.".to_owned());
    }
    if !password.is_empty() && password.chars().all(|character| character.is_ascii_digit()) {
        faults.push("This password is entirely numeric.".to_owned());
    }
    faults
}

/// Returns whether a character leaves a mark where it is shown. Blanks, controls, marks of format and fillers do not.
fn can_be_seen(character: char) -> bool {
    let is_filler = matches!(
        character,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}'
    );
    let is_format = character.general_category() == GeneralCategory::Format;
    !(is_filler || is_format || character.is_whitespace() || character.is_control())
}

/// Returns whether a password shares most of its characters with a name, or with a word of it.
fn is_similar(password: &str, name: &str) -> bool {
    let words = name.split(|character: char| !character.is_alphanumeric()).chain([name]);
    words.filter(|word| !word.is_empty()).any(|word| shared(password, word) >= SIMILAR)
}

/// Returns the share of the characters of both texts that they have in common, in any order.
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
        let scratch = &mut Scratch::default();
        let hashes = [hash("correct horse", scratch).unwrap(), hash("correct horse", scratch).unwrap()];
        assert_ne!(hashes[0], hashes[1], "each has a salt of its own");
        for hash in &hashes {
            assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
            assert!(matches("correct horse", hash, scratch));
            assert!(!matches("correct horsf", hash, scratch));
        }
        assert!(!matches("x", "not a hash", scratch));
    }

    #[test]
    fn hashes_that_the_library_made_are_understood_and_ours_by_it() {
        use argon2::password_hash::{PasswordHasher, PasswordVerifier};
        let scratch = &mut Scratch::default();
        let theirs = Argon2::default().hash_password(b"correct horse").unwrap().to_string();
        assert!(matches("correct horse", &theirs, scratch));
        let small = Argon2::from(Params::new(64, 3, 2, Some(16)).unwrap());
        let cheap = small.hash_password(b"correct horse").unwrap().to_string();
        assert!(matches("correct horse", &cheap, scratch) && !matches("correct", &cheap, scratch), "{cheap}");
        let ours = PasswordHash::new(&hash("correct horse", scratch).unwrap()).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", &ours).is_ok());
    }

    #[test]
    fn weak_passwords_say_every_reason() {
        assert_eq!(faults("1234567", &[]).len(), 2);
        assert_eq!(faults("Password123", &[]).len(), 1);
        for blanks in ["        ", "\t \u{3000}\u{a0}    ", "\n\n\n\n\n\n\n\n\n"] {
            assert_eq!(faults(blanks, &[]), ["This password is entirely blank."], "{blanks:?}");
        }
        assert!(faults("        correct horse        ", &[]).is_empty());
        for unseen in
            ["\u{200b}".repeat(10), "\u{3164}".repeat(10), "\u{200b}\u{feff}\u{ad}\u{2060} \t\u{e0020}\u{fe0f}".to_owned()]
        {
            assert_eq!(faults(&unseen, &[]), ["This password is entirely blank."], "{unseen:?}");
        }
        let short = ["This password is too short. It must contain at least 8 characters."];
        assert_eq!(faults("q7\u{200b}x\u{200b}\u{200b}v\u{200b}\u{200b}w2", &[]), short);
        assert_eq!(faults("q 7 x v w 2", &[]), short);
        assert!(faults("पासवर्ड-क ख", &[]).is_empty() && faults("合言葉は長いほど良い", &[]).is_empty());
        assert_eq!(faults("xmargarete", &["", "margarete@example.com"]).len(), 1);
        assert_eq!(faults("Margarete-99", &["margarete"]).len(), 1);
        assert!(faults("correct horse battery", &["margarete"]).is_empty());
    }
}
