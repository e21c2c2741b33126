//! The document as pages for people. This server serves everything that they load, so they work offline and within the content
//! security policy.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ContentEncoding};

/// ReDoc as published; see the README beside it.
const REDOC: &[u8] = include_bytes!("redoc/redoc.standalone.js.gz");
const REDOC_PAGE: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Recotem API</title>\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>body { margin: 0 }</style></head>\
    <body><redoc spec-url=\"../?format=json\" disable-search=\"true\" hide-loading></redoc>\
    <script src=\"redoc.standalone.js\"></script></body></html>";

/// Serves Swagger UI below `{base}/schema/swagger-ui/`.
pub fn swagger_ui(base: &str) -> utoipa_swagger_ui::SwaggerUi {
    let config = utoipa_swagger_ui::Config::from(format!("{base}/schema/?format=json"));
    utoipa_swagger_ui::SwaggerUi::new(format!("{base}/schema/swagger-ui/{{_:.*}}")).config(config)
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
        .body(REDOC)
}
