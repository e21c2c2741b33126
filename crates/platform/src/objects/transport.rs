//! The way out of the library `object_store`: it sends nothing itself.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use reqwest::{Body, Method, Request};
use url::Url;

use crate::outbound::{Outbound, OutboundError, Patience};

/// How long a store may take.
pub const PATIENCE: Patience = Patience { head: Duration::from_secs(30), between: Duration::from_secs(30) };

/// The most bytes of an answer that is not an object, such as a page of a listing.
const LONGEST_ANSWER: usize = 16 << 20;

/// The most bytes of an error that are looked at.
const LONGEST_ERROR: usize = 64 << 10;

/// Sends what the library wants to send, as far as the policy allows.
#[derive(Clone)]
pub struct Transport(pub Outbound);

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl HttpConnector for Transport {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let is_object = parts.method == Method::GET && !is_listing(&url);
        let mut sent = Request::new(parts.method, url);
        *sent.headers_mut() = parts.headers;
        // An empty body has no length on the way, unlike one that is streamed.
        *sent.body_mut() = Some(if body.content_length() == 0 { Body::from(Bytes::new()) } else { Body::wrap(body) });
        let answer = self.0.open(sent, PATIENCE).await.map_err(failed)?;
        let body = if !answer.status.is_success() {
            HttpResponseBody::from(Bytes::from(answer.body.beginning(LONGEST_ERROR).await.map_err(failed)?))
        } else if is_object {
            HttpResponseBody::new(answer.body.map_err(failed))
        } else {
            let cut = |error| HttpError::new_boxed(HttpErrorKind::Decode, error);
            HttpResponseBody::new(Limited::new(answer.body, LONGEST_ANSWER).map_err(cut))
        };
        let mut response = HttpResponse::new(body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

/// Returns whether a GET asks for a listing rather than an object.
fn is_listing(url: &Url) -> bool {
    url.query_pairs().any(|(name, value)| name == "list-type" || (name == "comp" && value == "list"))
}

/// Tells the library what may be tried again.
fn failed(error: OutboundError) -> HttpError {
    let kind = match &error {
        OutboundError::Unreachable(_) => HttpErrorKind::Interrupted,
        OutboundError::TimedOut(_) => HttpErrorKind::Timeout,
        OutboundError::Refused(_) | OutboundError::Tls(_) | OutboundError::Settings(_) => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}
