//! The browser UI, embedded in the binary. Without a built UI, a page that says how to build it.

use std::borrow::Cow;
use std::sync::LazyLock;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::RustEmbed;

use super::headers;
use crate::platform::http::{ApiError, UnchangingFiles, embedded};

/// `build.rs` creates the folder, so that the program builds without Node.
#[derive(RustEmbed)]
#[folder = "web/dist"]
struct BuiltUi;

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Recotem</title>\
<h1>The user interface is not part of this build</h1>\
<p>Run <code>make build</code>, or <code>npm ci &amp;&amp; npm run build</code> in the folder <code>web</code> and then <code>cargo build</code>.</p>\
<p>The API works: see <a href=\"/api/v1/schema/swagger-ui/\">its documentation</a>.</p></html>";

/// Folders of files, in the UI and in 1.x: an address below one of them is not a page.
const FOLDERS: [&str; 3] = ["assets", "static", "admin"];

/// Pages that show pictures of items: the demo shop, and runs of the studio. `web/src/lib/item-look.ts` has the same.
const WITH_PICTURES: [&str; 2] = ["demo/", "studio/"];

/// Serves a file of the UI, or its first page for every address that the UI routes itself; 404 for a missing file.
pub async fn page(request: HttpRequest) -> HttpResponse {
    let path = request.path().trim_start_matches('/');
    match BuiltUi::get(path).filter(|_| !path.is_empty()) {
        Some(file) => serve(&request, path, file.data),
        None if names_file(path) => ApiError::not_found().into_answer(),
        None => match BuiltUi::get("index.html") {
            Some(file) => with_policy(path, serve(&request, "index.html", file.data)),
            None => HttpResponse::Ok().content_type("text/html; charset=utf-8").body(NOT_BUILT),
        },
    }
}

/// Returns whether a path can only be that of a file: it lies in a folder of files, or ends in an extension, which no route of
/// the UI has.
fn names_file(path: &str) -> bool {
    let folder = path.split('/').next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    FOLDERS.contains(&folder)
        || extension.is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Allows a page that shows pictures of items to load them; all others have the default policy.
fn with_policy(path: &str, mut response: HttpResponse) -> HttpResponse {
    if WITH_PICTURES.iter().any(|folder| path.starts_with(folder)) {
        let policy = HeaderValue::from_static(headers::POLICY_WITH_PICTURES);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn serve(request: &HttpRequest, path: &str, content: Cow<'static, [u8]>) -> HttpResponse {
    static FILES: LazyLock<UnchangingFiles> = LazyLock::new(UnchangingFiles::default);
    // Built assets have a hash of their content in their name; the page that names them must be requested each time.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let content_type = mime_guess::from_path(path).first_or_octet_stream();
    FILES.get(path, embedded(content)).answer(request, content_type.essence_str(), cache)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_with_items_load_pictures_from_elsewhere() {
        let policy = |path: &str| {
            let response = with_policy(path, HttpResponse::Ok().finish());
            response.headers().get(header::CONTENT_SECURITY_POLICY).map(|value| value.to_str().unwrap_or_default().to_owned())
        };
        for page in ["demo/1", "studio/7"] {
            let policy = policy(page).unwrap_or_default();
            assert!(policy.contains("img-src 'self' data: https:;"), "{page}: {policy}");
            assert!(policy.starts_with("default-src 'self';") && !policy.contains("script-src"), "{page}: {policy}");
        }
        for page in ["", "studio", "demo", "projects/1", "demonstration/1", "login"] {
            assert_eq!(policy(page), None, "{page}");
        }
    }

    #[test]
    fn files_are_told_from_pages_of_the_ui() {
        for file in ["static/x.css", "nothing.js", "favicon.png", "assets/", "admin/", "admin", "a/b/c.map", ".env"] {
            assert!(names_file(file), "{file}");
        }
        for page in ["", "login", "projects/1/jobs/2", "projects/1.", "administration", "users/a.b c", "assets2/x"] {
            assert!(!names_file(page), "{page}");
        }
    }
}
