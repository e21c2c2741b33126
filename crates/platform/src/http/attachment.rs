//! Files sent as downloads, under their original names.

use actix_web::HttpResponse;
use actix_web::body::SizedStream;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, ContentEncoding};
use tokio_util::io::ReaderStream;

use super::error::{ApiError, ApiResult};
use crate::blobs::Blobs;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// Streams a stored file as a download called `name`. A missing file is a 404; a symbolic link is refused.
pub async fn attachment(blobs: &Blobs, key: &str, name: &str) -> ApiResult<HttpResponse> {
    let (blobs, key) = (blobs.clone(), key.to_owned());
    let opened = tokio::task::spawn_blocking(move || blobs.open_file(&key)).await;
    let file = opened.map_err(|error| ApiError::internal(&error))?.map_err(unreadable)?;
    attachment_of(file, name).await
}

/// Streams an open file as a download called `name`.
pub async fn attachment_of(file: std::fs::File, name: &str) -> ApiResult<HttpResponse> {
    let file = tokio::fs::File::from_std(file);
    let length = file.metadata().await.map_err(unreadable)?.len();
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((CONTENT_DISPOSITION, disposition(name)))
        .insert_header((CACHE_CONTROL, "no-cache"))
        // The bytes are sent as they are stored; compressing them would only lose their length.
        .insert_header(ContentEncoding::Identity)
        .body(SizedStream::new(length, ReaderStream::with_capacity(file, CHUNK))))
}

fn unreadable(error: std::io::Error) -> ApiError {
    match error.kind() {
        std::io::ErrorKind::NotFound => ApiError::not_found(),
        _ => ApiError::unavailable(&error),
    }
}

/// Writes the name twice (RFC 6266): in plain ASCII for old clients, and exactly (RFC 5987) for all others.
fn disposition(name: &str) -> String {
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", percent_encoded(name))
}

fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~') && !matches!(character, '"' | '\\' | ';' | '%' | '/')
}

fn percent_encoded(name: &str) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_arrive_whole_and_cannot_break_the_header() {
        assert_eq!(disposition("a b.csv"), "attachment; filename=\"a b.csv\"; filename*=UTF-8''a%20b.csv");
        assert_eq!(disposition("Sigur Rós.csv"), "attachment; filename=\"Sigur R_s.csv\"; filename*=UTF-8''Sigur%20R%C3%B3s.csv");
        let nasty = disposition("x\"; y=\r\nSet-Cookie: z/../a\\b.csv");
        assert!(nasty.chars().all(|c| matches!(c, ' '..='~')), "{nasty}");
        assert_eq!(nasty.matches('"').count(), 2, "{nasty}");
    }

    #[actix_web::test]
    async fn a_file_that_is_gone_is_404_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().join("files")).unwrap();
        std::fs::write(folder.path().join("secret"), b"x").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), blobs.path("link").unwrap()).unwrap();
        for (key, status) in [("gone", 404), ("link", 503)] {
            assert_eq!(attachment(&blobs, key, "x").await.unwrap_err().status().as_u16(), status, "{key}");
        }
    }
}
