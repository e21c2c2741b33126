//! Response bodies that are in memory as a whole, sent piece by piece. The server copies each piece of a body into the buffer of its
//! connection, and requests the next one once the client has read most of it: a body sent as one piece would be copied for
//! each client that does not read.

use std::borrow::Cow;
use std::convert::Infallible;

use actix_web::body::SizedStream;
use actix_web::web::Bytes;
use futures_util::stream::{self, Stream};

/// Bytes copied at once: the amount that the server buffers of an answer before it waits for the client.
const PIECE: usize = 32 << 10;

/// Returns the content of an embedded file without copying it.
pub fn embedded(content: Cow<'static, [u8]>) -> Bytes {
    match content {
        Cow::Borrowed(content) => Bytes::from_static(content),
        Cow::Owned(content) => Bytes::from(content),
    }
}

/// Returns the pieces of a body, which share its memory.
pub fn pieces(content: Bytes) -> impl Iterator<Item = Bytes> {
    let length = content.len();
    (0..length).step_by(PIECE).map(move |start| content.slice(start..length.min(start + PIECE)))
}

/// Returns a body that is sent in pieces.
pub fn in_pieces(content: Bytes) -> SizedStream<impl Stream<Item = Result<Bytes, Infallible>>> {
    SizedStream::new(content.len() as u64, stream::iter(pieces(content).map(Ok)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::{BodySize, MessageBody};
    use std::future::poll_fn;
    use std::pin::pin;

    async fn pieces_of(content: Bytes) -> Vec<Bytes> {
        let body = in_pieces(content.clone());
        assert_eq!(body.size(), BodySize::Sized(content.len() as u64));
        let mut body = pin!(body);
        let mut pieces = Vec::new();
        while let Some(Ok(piece)) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
            pieces.push(piece);
        }
        pieces
    }

    #[actix_web::test]
    async fn a_large_body_is_sent_in_small_pieces_of_the_same_memory() {
        let content = Bytes::from((0..100_000_u32).map(|n| (n % 251) as u8).collect::<Vec<u8>>());
        let pieces = pieces_of(content.clone()).await;
        assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE), "{}", pieces.len());
        let whole: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
        assert_eq!(whole, content.to_vec());
        assert_eq!(pieces[0].as_ptr(), content.as_ptr());
        assert!(pieces_of(Bytes::new()).await.is_empty());
    }

    #[test]
    fn an_embedded_file_is_not_copied() {
        static FILE: [u8; 3] = [1, 2, 3];
        assert_eq!(embedded(Cow::Borrowed(&FILE)).as_ptr(), FILE.as_ptr());
        assert_eq!(embedded(Cow::Owned(FILE.to_vec())), FILE.as_slice());
    }
}
