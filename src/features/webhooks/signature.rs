//! Signatures of messages, as Standard Webhooks defines them: <https://www.standardwebhooks.com>.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{self, HMAC_SHA256};

use super::secrets::PREFIX;

/// The version of the scheme, in front of each signature.
const VERSION: &str = "v1";

/// How far the time of a message may be from the receiver's, in seconds.
pub const TOLERANCE: i64 = 5 * 60;

/// Why a message is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("The secret is not valid. It begins with whsec_, followed by base64.")]
    Secret,
    #[error("The timestamp is not a number of seconds since 1970.")]
    Timestamp,
    #[error("The message is more than {} minutes old. It may have been recorded and sent again.", TOLERANCE / 60)]
    TooOld,
    #[error("The message is from more than {} minutes in the future. Check the clock of this machine.", TOLERANCE / 60)]
    TooNew,
    #[error("No signature matches. The message was changed, or signed with another secret.")]
    NoMatch,
}

/// A secret that signs messages.
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Reads a secret as it is shown: `whsec_` and base64.
    pub fn read(secret: &str) -> Result<Self, SignatureError> {
        let encoded = secret.trim().strip_prefix(PREFIX).ok_or(SignatureError::Secret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SignatureError::Secret)?;
        if bytes.is_empty() { Err(SignatureError::Secret) } else { Ok(Self(hmac::Key::new(HMAC_SHA256, &bytes))) }
    }

    fn tag(&self, id: &str, timestamp: &str, body: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            context.update(part);
        }
        context.sign()
    }

    /// Returns whether a signature is this key's.
    fn matches(&self, id: &str, timestamp: &str, body: &[u8], signature: &[u8]) -> bool {
        let content = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
        hmac::verify(&self.0, &content, signature).is_ok()
    }
}

/// Returns the value of the header `webhook-signature`: one signature for each key, with a space between them.
pub fn sign(keys: &[SigningKey], id: &str, timestamp: i64, body: &[u8]) -> String {
    let timestamp = timestamp.to_string();
    keys.iter().fold(String::new(), |mut header, key| {
        let space = if header.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        let _ = write!(header, "{space}{VERSION},{}", STANDARD.encode(key.tag(id, &timestamp, body)));
        header
    })
}

/// Checks a message by its headers: that one of the signatures is the key's, and that its time is near `now`, in seconds since
/// 1970.
pub fn verify(key: &SigningKey, id: &str, timestamp: &str, header: &str, body: &[u8], now: i64) -> Result<(), SignatureError> {
    let sent: i64 = timestamp.parse().map_err(|_| SignatureError::Timestamp)?;
    if sent < now.saturating_sub(TOLERANCE) {
        return Err(SignatureError::TooOld);
    }
    if sent > now.saturating_add(TOLERANCE) {
        return Err(SignatureError::TooNew);
    }
    let signatures = header.split(' ').filter_map(|one| one.strip_prefix(VERSION)?.strip_prefix(','));
    let mut decoded = signatures.filter_map(|encoded| STANDARD.decode(encoded).ok());
    if decoded.any(|signature| key.matches(id, timestamp, body, &signature)) { Ok(()) } else { Err(SignatureError::NoMatch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    /// The example of the specification.
    #[test]
    fn a_message_is_signed_as_in_the_specification() {
        let header = sign(&[SigningKey::read(SECRET).unwrap()], ID, 1_614_265_330, BODY);
        assert_eq!(header, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_key_signs_and_any_of_them_verifies() {
        let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let keys = [SigningKey::read(other).unwrap(), SigningKey::read(SECRET).unwrap()];
        let header = sign(&keys, ID, 1_614_265_330, BODY);
        assert_eq!(header.split(' ').count(), 2);
        for key in &keys {
            assert_eq!(verify(key, ID, "1614265330", &header, BODY, 1_614_265_330), Ok(()));
        }
        let third = SigningKey::read("whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=").unwrap();
        assert_eq!(verify(&third, ID, "1614265330", &header, BODY, 1_614_265_330), Err(SignatureError::NoMatch));
    }

    #[test]
    fn a_changed_message_is_not_accepted() {
        let key = SigningKey::read(SECRET).unwrap();
        let header = sign(&[SigningKey::read(SECRET).unwrap()], ID, 1_614_265_330, BODY);
        let check = |id: &str, time: &str, header: &str, body: &[u8]| verify(&key, id, time, header, body, 1_614_265_330);
        assert_eq!(check(ID, "1614265330", &header, b"{}"), Err(SignatureError::NoMatch));
        assert_eq!(check("msg_other", "1614265330", &header, BODY), Err(SignatureError::NoMatch));
        assert_eq!(check(ID, "1614265331", &header, BODY), Err(SignatureError::NoMatch));
        assert_eq!(check(ID, "1614265330", "v1,AAAA v2,x nonsense", BODY), Err(SignatureError::NoMatch));
        assert_eq!(check(ID, "yesterday", &header, BODY), Err(SignatureError::Timestamp));
    }

    #[test]
    fn a_message_is_accepted_for_five_minutes() {
        let key = SigningKey::read(SECRET).unwrap();
        let header = sign(&[SigningKey::read(SECRET).unwrap()], ID, 1_000_000, BODY);
        let at = |now: i64| verify(&key, ID, "1000000", &header, BODY, now);
        assert_eq!(at(1_000_000 + TOLERANCE), Ok(()));
        assert_eq!(at(1_000_001 + TOLERANCE), Err(SignatureError::TooOld));
        assert_eq!(at(1_000_000 - TOLERANCE), Ok(()));
        assert_eq!(at(999_999 - TOLERANCE), Err(SignatureError::TooNew));
    }

    #[test]
    fn a_text_that_is_no_secret_is_refused() {
        for wrong in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!"] {
            assert_eq!(SigningKey::read(wrong).map(drop), Err(SignatureError::Secret), "{wrong}");
        }
    }
}
