//! Large answers that clients have not read yet. The server asks for more of an answer only once its client has read most of what
//! was sent, so a large answer stays in memory for as long as a slow client takes. So it is sent in pieces, and counted until the
//! last of them has been sent: clients of one network hold a limited number of bytes.

use std::convert::Infallible;
use std::sync::Arc;

use actix_web::body::{BodySize, BoxBody, MessageBody, SizedStream};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::web::{self, Bytes};
use actix_web::{Error, HttpResponse};
use futures_util::stream;

use super::caller::client_network;
use super::error::ApiError;
use super::pieces::pieces;
use super::room::{Buffered, Sender};
use crate::config::Settings;

/// Answers up to this size are sent whole and not counted: a server has room for one on each connection.
const UNCOUNTED: usize = 256 << 10;

/// One in this many bytes of the room may be used by one client network.
const PART_OF_NETWORK: usize = 8;

/// Seconds after which an answer that found no room may be requested again.
const COME_BACK: u64 = 5;

/// The memory of a server for large answers. Cheap to clone; clones share the count.
#[derive(Debug, Clone)]
pub struct UnreadAnswers(Arc<Buffered>);

impl UnreadAnswers {
    /// Creates the configured room.
    pub fn new(settings: &Settings) -> Self {
        let most = usize::try_from(settings.max_unread_bytes).unwrap_or(usize::MAX);
        Self(Arc::new(Buffered::new(most, PART_OF_NETWORK)))
    }

    /// Counts an answer; `None` when there is no room for it.
    fn count(&self, network: String, bytes: usize) -> Option<Counted> {
        let has_room = self.0.add(Sender { network: &network, caller: None }, 0, bytes);
        has_room.then(|| Counted { room: Arc::clone(&self.0), network, bytes })
    }
}

/// A counted answer; uncounted when this is dropped.
struct Counted {
    room: Arc<Buffered>,
    network: String,
    bytes: usize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.room.give_back(Sender { network: &self.network, caller: None }, self.bytes);
    }
}

/// Sends a large answer in pieces, or 503 in its place when there is no room for it. Files and other answers that are in pieces
/// already pass unchanged.
pub async fn hold(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    let is_large = matches!(response.response().body().size(), BodySize::Sized(bytes) if bytes > UNCOUNTED as u64);
    if !is_large {
        return Ok(response);
    }
    let Some(answers) = response.request().app_data::<web::Data<UnreadAnswers>>().cloned() else { return Ok(response) };
    let (request, response) = response.into_parts();
    let (head, body) = response.into_parts();
    let answer = match body.try_into_bytes() {
        Ok(content) => match answers.count(client_network(&request), content.len()) {
            Some(counted) => head.set_body(held(content, counted)),
            None => refusal(content.len()),
        },
        Err(body) => head.set_body(body),
    };
    Ok(ServiceResponse::new(request, answer))
}

fn held(content: Bytes, counted: Counted) -> BoxBody {
    let length = content.len() as u64;
    let pieces = pieces(content).map(move |piece| {
        // The answer is counted for as long as this iterator exists.
        let _ = &counted;
        Ok::<_, Infallible>(piece)
    });
    SizedStream::new(length, stream::iter(pieces)).boxed()
}

fn refusal(bytes: usize) -> HttpResponse {
    let message = format!(
        "This answer takes {} MB of memory until it has been read, and the large answers that your network, or all clients \
         together, have not read leave no room for it. Read them to their end, or ask for less at once, for example with a \
         smaller page_size.",
        bytes.div_ceil(1 << 20)
    );
    ApiError::coded(StatusCode::SERVICE_UNAVAILABLE, "too_many_answers", message).retry_after(COME_BACK).into_answer()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::Pin;

    use actix_web::App;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    /// Bytes of an answer of the tests, and of the share of one network: two answers fit into it, and a third does not.
    const LARGE: usize = 300_000;
    const SHARE: u64 = 700_000;

    #[actix_web::test]
    async fn one_network_holds_so_many_bytes_of_answers_until_they_are_sent() {
        let settings = Settings { max_unread_bytes: SHARE * PART_OF_NETWORK as u64, ..Settings::default() };
        let app = App::new()
            .app_data(web::Data::new(UnreadAnswers::new(&settings)))
            .wrap(from_fn(hold))
            .route("/large", web::get().to(async || HttpResponse::Ok().body("x".repeat(LARGE))))
            .route("/small", web::get().to(async || HttpResponse::Ok().body("x".repeat(UNCOUNTED))));
        let app = init_service(app).await;
        let request = |address: [u8; 4], path: &str| TestRequest::get().uri(path).peer_addr((address, 1).into()).to_request();
        let (one, other) = ([203, 0, 113, 9], [203, 0, 113, 10]);
        let mut first = call_service(&app, request(one, "/large")).await.into_body();
        let second = call_service(&app, request(one, "/large")).await.into_body();
        assert_eq!(first.size(), BodySize::Sized(LARGE as u64));

        let refused = call_service(&app, request(one, "/large")).await;
        assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (503, true));
        let words = actix_web::body::to_bytes(refused.into_body()).await.unwrap();
        let words = String::from_utf8_lossy(&words).into_owned();
        assert!(words.contains("too_many_answers") && words.contains("page_size"), "{words}");
        for (address, path) in [(one, "/small"), (other, "/large")] {
            assert_eq!(call_service(&app, request(address, path)).await.status(), 200, "{path}");
        }

        let mut sent = 0;
        while let Some(piece) = poll_fn(|context| Pin::new(&mut first).poll_next(context)).await {
            let piece = piece.unwrap().len();
            assert!(piece <= 32 << 10, "{piece} bytes at once");
            sent += piece;
        }
        assert_eq!(sent, LARGE);
        drop(first);
        let third = call_service(&app, request(one, "/large")).await;
        assert_eq!(third.status(), 200, "the first has been sent");
        assert_eq!(call_service(&app, request(one, "/large")).await.status(), 503);
        drop(second);
        assert_eq!(call_service(&app, request(one, "/large")).await.status(), 200, "the second has been given up");
    }
}
