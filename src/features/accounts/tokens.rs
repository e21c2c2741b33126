//! Access and refresh tokens: JWTs signed with HS256, carrying the claims Recotem clients know.

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::error::AccountError;

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    Access,
    Refresh,
}

/// The content of a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    pub token_type: TokenType,
    /// Unix seconds.
    pub exp: i64,
    /// Unix seconds.
    pub iat: i64,
    pub jti: String,
    /// A string: existing clients expect one.
    pub user_id: String,
    /// The session that it was issued for.
    pub session_id: i64,
}

/// The id of a token and its period of validity.
#[derive(Debug)]
pub struct Life {
    pub id: String,
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// Returns an id that no other token has.
pub fn random_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Returns the id of the one token that replaces the token with this digest. It need not be secret: tokens are signed.
pub fn id_after(digest: &[u8]) -> String {
    hex::encode(digest.get(..16).unwrap_or(digest))
}

/// Issues a token. The same arguments give the same token.
pub fn issue(
    secret: &SecretString,
    token_type: TokenType,
    user_id: i64,
    session_id: i64,
    life: Life,
) -> Result<String, AccountError> {
    let claims = Claims {
        token_type,
        exp: life.until.timestamp(),
        iat: life.from.timestamp(),
        jti: life.id,
        user_id: user_id.to_string(),
        session_id,
    };
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(|error| AccountError::Hashing(error.to_string()))
}

/// Returns the digest that is stored of a secret: enough to recognise it, too little to use it. Such secrets are random and long,
/// so a slow hash would add no protection.
pub fn digest(secret: &str) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, secret.as_bytes()).as_ref().to_vec()
}

/// Reads a token and checks its signature, kind and expiry at `now`.
pub fn read(
    secret: &SecretString,
    token: &str,
    token_type: Option<TokenType>,
    now: DateTime<Utc>,
) -> Result<Claims, AccountError> {
    let mut validation = Validation::new(Algorithm::HS256);
    // The expiry is checked below, against the given clock.
    validation.validate_exp = false;
    let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(|_| AccountError::BadToken)?.claims;
    let expired = claims.exp <= now.timestamp();
    if expired || token_type.is_some_and(|kind| kind != claims.token_type) { Err(AccountError::BadToken) } else { Ok(claims) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn life() -> Life {
        Life { id: random_id(), from: at(0), until: at(300) }
    }

    #[test]
    fn a_token_has_one_successor() {
        let secret = SecretString::from("s".repeat(32));
        let after =
            |token: &str| issue(&secret, TokenType::Refresh, 7, 1, Life { id: id_after(&digest(token)), ..life() }).unwrap();
        assert_eq!(after("one"), after("one"));
        assert_ne!(after("one"), after("another"));
    }

    #[test]
    fn the_payload_is_plain_ascii_that_browsers_decode_without_translation() {
        let secret = SecretString::from("s".repeat(32));
        for user in [1, i64::MAX] {
            let token = issue(&secret, TokenType::Access, user, i64::MAX, life()).unwrap();
            let payload = token.split('.').nth(1).unwrap();
            assert!(!payload.contains(['-', '_']), "{payload}");
        }
    }

    #[test]
    fn a_token_is_good_until_it_expires_and_only_unaltered() {
        let secret = SecretString::from("s".repeat(32));
        let token = issue(&secret, TokenType::Access, 7, 0, life()).unwrap();
        assert_eq!(read(&secret, &token, Some(TokenType::Access), at(299)).unwrap().user_id, "7");
        assert!(read(&secret, &token, Some(TokenType::Access), at(300)).is_err());
        assert!(read(&secret, &token, Some(TokenType::Refresh), at(0)).is_err());
        assert!(read(&SecretString::from("t".repeat(32)), &token, None, at(0)).is_err());
        let mut altered = token.into_bytes();
        let middle = altered.len() / 2;
        altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
        assert!(read(&secret, &String::from_utf8(altered).unwrap(), None, at(0)).is_err());
    }
}
