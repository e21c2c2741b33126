//! The document as pages for people. This server serves everything that they load, so they work offline and within the content
//! security policy.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use actix_web::http::header::{CACHE_CONTROL, ContentEncoding};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, Resource, guard};
use utoipa_swagger_ui::Config;

use crate::platform::http::{ApiError, Unchanging, UnchangingFiles, embedded, in_pieces};

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
    let config = Arc::new(Config::from(document.clone()));
    let file = move |request: HttpRequest, name: web::Path<String>| {
        let (config, document) = (Arc::clone(&config), document.clone());
        async move { swagger_file(&request, &name, &document, config) }
    };
    web::resource(format!("{address}/{{_:.*}}")).guard(guard::Get()).to(file)
}

fn swagger_file(request: &HttpRequest, name: &str, document: &str, config: Arc<Config<'static>>) -> HttpResponse {
    static FILES: LazyLock<UnchangingFiles> = LazyLock::new(UnchangingFiles::default);
    match utoipa_swagger_ui::serve(name, config) {
        Ok(Some(file)) => {
            // Only the file with the address of the document differs between documents.
            let is_shared = matches!(file.bytes, Cow::Borrowed(_));
            let name = if is_shared { name.to_owned() } else { format!("{name} of {document}") };
            FILES.get(&name, embedded(file.bytes)).answer(request, &file.content_type, "no-cache")
        }
        Ok(None) => ApiError::not_found().into_answer(),
        Err(error) => ApiError::internal(&error).into_answer(),
    }
}

/// Answers `GET schema/redoc/`.
pub async fn redoc(request: HttpRequest) -> HttpResponse {
    static PAGE: LazyLock<Unchanging> = LazyLock::new(|| Unchanging::new(REDOC_PAGE));
    PAGE.answer(&request, "text/html; charset=utf-8", "no-cache")
}

/// Answers `GET schema/redoc/redoc.standalone.js`. Every browser supports gzip.
pub async fn redoc_script() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript")
        .insert_header(ContentEncoding::Gzip)
        .insert_header((CACHE_CONTROL, "public, max-age=86400"))
        .body(in_pieces(Bytes::from_static(REDOC)))
}
