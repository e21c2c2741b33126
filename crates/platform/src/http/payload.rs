//! Reading a whole request body into memory, when a handler needs it.

use std::pin::Pin;

use actix_web::dev::{Decompress, Payload};
use actix_web::error::PayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{HttpMessage, HttpRequest};
use futures_util::StreamExt;

use super::error::{ApiError, ApiResult};

/// Largest body of a request that is not an upload, unpacked.
pub(super) const LARGEST: usize = 10 << 20;

/// A smaller limit for the body of one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct LargestBody(pub usize);

/// Reads a body to its end and unpacks it; 413 when it is too large, as soon as that is known.
pub fn whole(request: &HttpRequest, payload: &mut Payload) -> Pin<Box<dyn Future<Output = ApiResult<Bytes>>>> {
    let limit = request.extensions().get::<LargestBody>().map_or(LARGEST, |largest| largest.0);
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok()).unwrap_or_default();
    let mut pieces = Decompress::from_headers(payload.take(), request.headers());
    Box::pin(async move {
        if length > limit {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| unreadable(&error))?;
            if piece.len() > limit - body.len() {
                return Err(too_large());
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    })
}

fn too_large() -> ApiError {
    ApiError::detail(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large.")
}

fn unreadable(error: &PayloadError) -> ApiError {
    match error {
        PayloadError::Overflow => too_large(),
        error => ApiError::bad_request(format!("The body could not be read: {error}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    async fn read(limit: Option<usize>, body: Vec<u8>, headers: &[(&str, &str)]) -> Result<usize, u16> {
        let request = headers.iter().fold(TestRequest::post(), |request, header| request.append_header(*header));
        let (request, mut payload) = request.set_payload(body).to_http_parts();
        if let Some(limit) = limit {
            request.extensions_mut().insert(LargestBody(limit));
        }
        whole(&request, &mut payload).await.map(|body| body.len()).map_err(|error| error.status().as_u16())
    }

    #[actix_web::test]
    async fn a_body_has_a_largest_size_that_counts_what_it_unpacks_to() {
        assert_eq!(read(None, vec![b' '; LARGEST], &[]).await, Ok(LARGEST));
        assert_eq!(read(None, vec![b' '; LARGEST + 1], &[]).await, Err(413));
        assert_eq!(read(Some(100), vec![b' '; 100], &[]).await, Ok(100));
        assert_eq!(read(Some(100), vec![b' '; 101], &[]).await, Err(413));
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut packed, &[b' '; 101]).unwrap();
        let packed = packed.finish().unwrap();
        let gzip = [("content-encoding", "gzip")];
        assert!(packed.len() < 100);
        assert_eq!(read(Some(101), packed.clone(), &gzip).await, Ok(101));
        assert_eq!(read(Some(100), packed, &gzip).await, Err(413));
        assert_eq!(read(None, b"no gzip".to_vec(), &gzip).await, Err(400));
    }
}
