//! Files sent as downloads, under their original names.

use std::fs::File;
use std::io;

use actix_web::HttpResponse;
use actix_web::body::SizedStream;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, ContentEncoding};
use futures_util::StreamExt;
use tokio::io::AsyncReadExt;
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
async fn attachment_of(file: File, name: &str) -> ApiResult<HttpResponse> {
    let file = tokio::fs::File::from_std(file);
    let length = file.metadata().await.map_err(unreadable)?.len();
    Ok(streamed(file, length, name, |_| Ok(())))
}

/// Streams the first `length` bytes of an open file as a download called `name`. Each part goes through `check` before it is sent;
/// one that fails ends the download early, so that the client does not take it for the whole file.
pub fn checked_attachment(
    file: File,
    length: u64,
    name: &str,
    check: impl FnMut(&[u8]) -> io::Result<()> + 'static,
) -> HttpResponse {
    streamed(tokio::fs::File::from_std(file), length, name, check)
}

fn streamed(
    file: tokio::fs::File,
    length: u64,
    name: &str,
    mut check: impl FnMut(&[u8]) -> io::Result<()> + 'static,
) -> HttpResponse {
    let parts = ReaderStream::with_capacity(file.take(length), CHUNK);
    let checked = parts.map(move |part| part.and_then(|part| check(&part).map(|()| part)));
    HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((CONTENT_DISPOSITION, disposition(name)))
        .insert_header((CACHE_CONTROL, "no-cache"))
        // The bytes are sent as they are stored; compressing them would only lose their length.
        .insert_header(ContentEncoding::Identity)
        .body(SizedStream::new(length, checked))
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
    async fn a_part_that_fails_its_check_is_not_sent() {
        let file = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut file, bytes).unwrap();
            io::Seek::rewind(&mut file).unwrap();
            file
        };
        let whole = checked_attachment(file(b"model and more"), 5, "x", |part| {
            assert_eq!(part, b"model");
            Ok(())
        });
        assert_eq!(actix_web::body::to_bytes(whole.into_body()).await.unwrap(), "model");
        let refused = checked_attachment(file(b"modem"), 5, "x", |_| Err(io::ErrorKind::InvalidData.into()));
        assert!(actix_web::body::to_bytes(refused.into_body()).await.is_err());
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
