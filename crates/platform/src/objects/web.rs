//! Files of web servers, which cannot be listed.

use chrono::DateTime;
use futures_util::StreamExt;
use futures_util::stream::try_unfold;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH,
    LAST_MODIFIED, RANGE,
};
use reqwest::{Method, Request, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::outbound::{Outbound, Streamed};

use super::answers::{Get, ObjectMeta, Reading, part_of};
use super::error::ObjectError;
use super::settings::WebSettings;
use super::transport::PATIENCE;

/// The longest beginning of an error that is read.
const LONGEST_ERROR: usize = 4 << 10;

/// Files below a URL.
#[derive(Clone)]
pub struct Web {
    base: Url,
    authorization: Option<HeaderValue>,
    outbound: Outbound,
}

impl Web {
    pub fn open(settings: &WebSettings, secret: Option<&SecretString>, outbound: &Outbound) -> Result<Self, ObjectError> {
        let base = outbound.policy().read_url(&settings.url).map_err(|refusal| ObjectError::Outbound(refusal.into()))?;
        let authorization = secret.map(|secret| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret().trim()))
                .map_err(|_| ObjectError::InvalidSecret("the token contains characters that cannot be sent"))?;
            value.set_sensitive(true);
            Ok::<_, ObjectError>(value)
        });
        Ok(Self { base, authorization: authorization.transpose()?, outbound: outbound.clone() })
    }

    /// Returns the address of a file: the URL itself for an empty key. A key leads to no other place.
    pub fn address(&self, key: &str) -> Result<Url, ObjectError> {
        let wrong = || ObjectError::InvalidKey(key.to_owned());
        if key.is_empty() {
            return Ok(self.base.clone());
        }
        if key.contains(['\\', '#']) || key.chars().any(char::is_control) {
            return Err(wrong());
        }
        let address = self.base.join(key).map_err(|_| wrong())?;
        let folder = self.base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        let is_below = address.path().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let is_same = address.origin() == self.base.origin() && address.username().is_empty() && address.password().is_none();
        if is_below && is_same { Ok(address) } else { Err(wrong()) }
    }

    /// Returns what the server says of a file, by HEAD, or by the head of a GET if it does not know HEAD.
    pub async fn head(&self, key: &str) -> Result<ObjectMeta, ObjectError> {
        let answer = self.send(Method::HEAD, key, &[]).await?;
        let knows_no_head = [StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED, StatusCode::FORBIDDEN];
        let answer = if knows_no_head.contains(&answer.status) { self.send(Method::GET, key, &[]).await? } else { answer };
        let answer = succeeded(answer, key).await?;
        Ok(meta(key, &answer.headers, header(&answer.headers, CONTENT_LENGTH).and_then(|length| length.parse().ok())))
    }

    /// Begins to read a file.
    pub async fn get(&self, key: &str, get: Get) -> Result<Reading, ObjectError> {
        let mut headers = Vec::new();
        if let Some(range) = &get.range {
            headers.push((RANGE, format!("bytes={}-{}", range.start, range.end.max(1) - 1)));
        }
        // A weak etag never matches by the rules of HTTP; it is compared below.
        if let Some(etag) = get.if_match.as_ref().filter(|etag| !etag.starts_with("W/")) {
            headers.push((IF_MATCH, etag.clone()));
        }
        let answer = succeeded(self.send(Method::GET, key, &headers).await?, key).await?;
        if get.if_match.is_some() && get.if_match.as_deref() != header(&answer.headers, ETAG) {
            return Err(ObjectError::Changed(key.to_owned()));
        }
        let length: Option<u64> = header(&answer.headers, CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let is_part = answer.status == StatusCode::PARTIAL_CONTENT;
        let whole = if is_part { whole_length(&answer.headers) } else { length };
        let described = meta(key, &answer.headers, whole);
        let of = key.to_owned();
        let pieces = try_unfold(answer.body, move |mut body| {
            let of = of.clone();
            async move {
                let piece = body.next().await.map_err(|_| ObjectError::Interrupted(of))?;
                Ok::<_, ObjectError>(piece.map(|piece| (piece, body)))
            }
        });
        Ok(match get.range {
            // A server may send more than it was asked for: one that knows no ranges sends everything.
            Some(range) if is_part => Reading::new(described, length, part_of(pieces.boxed(), 0..range.end - range.start)),
            Some(range) => Reading::new(described, None, part_of(pieces.boxed(), range)),
            None => Reading::new(described, length, pieces.boxed()),
        })
    }

    async fn send(&self, method: Method, key: &str, headers: &[(HeaderName, String)]) -> Result<Streamed, ObjectError> {
        let mut request = Request::new(method, self.address(key)?);
        let sent = request.headers_mut();
        // The bytes are those of the file, so that sizes and ranges are.
        sent.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|_| ObjectError::Changed(key.to_owned()))?;
            sent.insert(name.clone(), value);
        }
        if let Some(authorization) = &self.authorization {
            sent.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(self.outbound.open(request, PATIENCE).await?)
    }
}

async fn succeeded(answer: Streamed, key: &str) -> Result<Streamed, ObjectError> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    let status = answer.status.as_u16();
    let beginning = answer.body.beginning(LONGEST_ERROR).await.unwrap_or_default();
    let said = super::error::said_in(&String::from_utf8_lossy(&beginning));
    let what = if key.is_empty() { "such file" } else { key };
    Err(ObjectError::of_status(status, what, said))
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Returns the length of the whole file from an answer with a part of it.
fn whole_length(headers: &HeaderMap) -> Option<u64> {
    header(headers, CONTENT_RANGE)?.rsplit_once('/')?.1.parse().ok()
}

fn meta(key: &str, headers: &HeaderMap, size: Option<u64>) -> ObjectMeta {
    let modified = header(headers, LAST_MODIFIED).and_then(|text| DateTime::parse_from_rfc2822(text).ok());
    ObjectMeta {
        key: key.to_owned(),
        size,
        etag: header(headers, ETAG).map(str::to_owned),
        modified: modified.map(|modified| modified.to_utc()),
    }
}
