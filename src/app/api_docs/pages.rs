//! The document as pages for people. This server serves everything that they load, so they work offline and within the content
//! security policy.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, ContentEncoding};
use actix_web::web::{self, Bytes};
use actix_web::{HttpResponse, Resource, guard};
use utoipa_swagger_ui::Config;

use crate::platform::http::{ApiError, embedded, in_pieces};

/// ReDoc as published; see the README beside it.
const REDOC: &[u8] = include_bytes!("redoc/redoc.standalone.js.gz");
const REDOC_PAGE: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Recotem API</title>\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>body { margin: 0 }</style></head>\
    <body><redoc spec-url=\"../?format=json\" disable-search=\"true\" hide-loading></redoc>\
    <script src=\"redoc.standalone.js\"></script></body></html>";

/// Serves Swagger UI below `{base}/schema/swagger-ui/`.
pub fn swagger_ui(base: &str) -> Resource {
    swagger_ui_of(format!("{base}/schema/?format=json"), format!("{base}/schema/swagger-ui"))
}

/// Serves Swagger UI for a document, below an address. The library's own service would copy a whole file for each request.
pub(super) fn swagger_ui_of(document: String, address: String) -> Resource {
    let config = Arc::new(Config::from(document));
    let file = move |name: web::Path<String>| {
        let config = Arc::clone(&config);
        async move { swagger_file(&name, config) }
    };
    web::resource(format!("{address}/{{_:.*}}")).guard(guard::Get()).to(file)
}

fn swagger_file(name: &str, config: Arc<Config<'static>>) -> HttpResponse {
    match utoipa_swagger_ui::serve(name, config) {
        Ok(Some(file)) => {
            let mut answer = HttpResponse::Ok();
            if file.gzpipped {
                answer.insert_header(ContentEncoding::Gzip);
            }
            answer.content_type(file.content_type).body(in_pieces(embedded(file.bytes)))
        }
        Ok(None) => ApiError::not_found().into_answer(),
        Err(error) => ApiError::internal(&error).into_answer(),
    }
}

/// Answers `GET schema/redoc/`.
pub async fn redoc() -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(REDOC_PAGE)
}

/// Answers `GET schema/redoc/redoc.standalone.js`. Every browser supports gzip.
pub async fn redoc_script() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript")
        .insert_header(ContentEncoding::Gzip)
        .insert_header((CACHE_CONTROL, "public, max-age=86400"))
        .body(in_pieces(Bytes::from_static(REDOC)))
}
