//! Answers that are the same for every caller: compressed once, and not sent again to a client that has them.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header::{
    ACCEPT_ENCODING, AcceptEncoding, CACHE_CONTROL, ContentEncoding, ETAG, Encoding, EntityTag, IfNoneMatch, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use ring::digest::{SHA256, digest};

use super::pieces::in_pieces;

/// The content of an answer, plain and compressed.
#[derive(Debug)]
pub struct Unchanging {
    plain: Bytes,
    /// `None` if it would not be smaller.
    compressed: Option<Bytes>,
    tag: EntityTag,
}

impl Unchanging {
    /// Compresses content.
    pub fn new(plain: impl Into<Bytes>) -> Self {
        let plain = plain.into();
        let compressed = compressed(&plain).filter(|compressed| compressed.len() < plain.len());
        let hash = digest(&SHA256, &plain);
        Self { plain, compressed, tag: EntityTag::new_weak(URL_SAFE_NO_PAD.encode(hash)) }
    }

    /// Returns the answer to a request, in the encoding that the client accepts: a 304 if the client has the content already.
    pub fn answer(&self, request: &HttpRequest, content_type: &str, cache: &'static str) -> HttpResponse {
        let has_it = match request.get_header::<IfNoneMatch>() {
            Some(IfNoneMatch::Any) => true,
            Some(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&self.tag)),
            None => false,
        };
        let mut answer = if has_it { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        answer.insert_header((CACHE_CONTROL, cache));
        answer.insert_header((ETAG, self.tag.to_string()));
        answer.insert_header((VARY, ACCEPT_ENCODING.as_str()));
        if has_it {
            return answer.finish();
        }
        // The compression middleware skips responses that name an encoding; that of plain ones is removed before they are sent.
        let (encoding, content) = match &self.compressed {
            Some(compressed) if accepts_gzip(request) => (ContentEncoding::Gzip, compressed),
            _ => (ContentEncoding::Identity, &self.plain),
        };
        answer.insert_header(encoding).content_type(content_type).body(in_pieces(content.clone()))
    }
}

fn accepts_gzip(request: &HttpRequest) -> bool {
    let accepted = request.get_header::<AcceptEncoding>();
    accepted.and_then(|accepted| accepted.negotiate([Encoding::identity(), Encoding::gzip()].iter())) == Some(Encoding::gzip())
}

fn compressed(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Files of the program by name, each compressed when it is first requested.
#[derive(Debug, Default)]
pub struct UnchangingFiles(Mutex<HashMap<String, Arc<Unchanging>>>);

impl UnchangingFiles {
    /// Returns a file with this content.
    pub fn get(&self, name: &str, content: Bytes) -> Arc<Unchanging> {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // In a debug build, files are read from the disk each time, and may change.
        let known = kept().get(name).filter(|file| file.plain.as_ptr() == content.as_ptr() || file.plain == content).cloned();
        known.unwrap_or_else(|| {
            let file = Arc::new(Unchanging::new(content));
            kept().insert(name.to_owned(), Arc::clone(&file));
            file
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes_limited;
    use actix_web::http::StatusCode;
    use actix_web::http::header::IF_NONE_MATCH;
    use actix_web::test::TestRequest;

    async fn ask(file: &Unchanging, header: (&'static str, &str)) -> (StatusCode, String, usize) {
        let request = TestRequest::get().insert_header(header).to_http_request();
        let answer = file.answer(&request, "text/plain", "no-cache");
        let encoding = answer.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
        let status = answer.status();
        let length = to_bytes_limited(answer.into_body(), 1 << 20).await.unwrap().unwrap().len();
        (status, encoding.unwrap_or_default(), length)
    }

    #[actix_web::test]
    async fn content_is_sent_in_the_accepted_encoding_and_only_to_clients_that_lack_it() {
        let file = Unchanging::new("word ".repeat(10_000));
        let (status, encoding, length) = ask(&file, ("accept-encoding", "br, gzip")).await;
        assert_eq!((status, encoding.as_str()), (StatusCode::OK, "gzip"));
        assert!((1..1_000).contains(&length), "{length}");
        for plain in ["", "br", "identity", "gzip;q=0"] {
            assert_eq!(ask(&file, ("accept-encoding", plain)).await, (StatusCode::OK, "identity".to_owned(), 50_000), "{plain}");
        }
        let tag = file.tag.to_string();
        for has_it in [tag.as_str(), "*", &format!("\"other\", {tag}")] {
            let (status, _, length) = ask(&file, (IF_NONE_MATCH.as_str(), has_it)).await;
            assert_eq!((status, length), (StatusCode::NOT_MODIFIED, 0), "{has_it}");
        }
        assert_eq!(ask(&file, (IF_NONE_MATCH.as_str(), "W/\"other\"")).await.0, StatusCode::OK);
    }

    #[actix_web::test]
    async fn what_does_not_shrink_is_sent_as_it_is() {
        let file = Unchanging::new("x");
        assert_eq!(ask(&file, ("accept-encoding", "gzip")).await, (StatusCode::OK, "identity".to_owned(), 1));
    }

    #[test]
    fn a_file_is_compressed_once_and_again_after_a_change() {
        let files = UnchangingFiles::default();
        let first = files.get("a", Bytes::from_static(b"one"));
        assert!(Arc::ptr_eq(&first, &files.get("a", Bytes::from_static(b"one"))));
        assert_eq!(files.get("a", Bytes::from_static(b"two")).plain, "two");
        assert_eq!(files.get("b", Bytes::from_static(b"one")).plain, "one");
    }
}
