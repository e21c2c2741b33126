//! The browser UI, embedded in the binary. Without a built UI, a page that says how to build it.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::RustEmbed;

/// `build.rs` makes the folder, so that the program builds without Node.
#[derive(RustEmbed)]
#[folder = "web/dist"]
struct BuiltUi;

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Recotem</title>\
<h1>The user interface is not part of this build</h1>\
<p>Run <code>make build</code>, or <code>npm ci &amp;&amp; npm run build</code> in the folder <code>web</code> and then <code>cargo build</code>.</p>\
<p>The API works: see <a href=\"/api/v1/schema/swagger-ui/\">its documentation</a>.</p></html>";

/// A file of the UI, or its first page for every address the UI routes itself.
pub async fn page(request: HttpRequest) -> HttpResponse {
    let path = request.path().trim_start_matches('/');
    match BuiltUi::get(path).filter(|_| !path.is_empty()) {
        Some(file) => serve(path, &file.data),
        None if path.starts_with("assets/") => HttpResponse::NotFound().json(serde_json::json!({ "detail": "Not found." })),
        None => match BuiltUi::get("index.html") {
            Some(file) => serve("index.html", &file.data),
            None => HttpResponse::Ok().content_type("text/html; charset=utf-8").body(NOT_BUILT),
        },
    }
}

fn serve(path: &str, bytes: &[u8]) -> HttpResponse {
    // Built assets carry a hash of their content in their name; the page that names them must always be asked for anew.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, cache))
        .content_type(mime_guess::from_path(path).first_or_octet_stream().essence_str())
        .body(bytes.to_vec())
}
