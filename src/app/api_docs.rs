//! The OpenAPI document, put together from the annotations of every slice. The UI's client types are made from it.

use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::features;

#[derive(OpenApi)]
#[openapi(info(
    title = "Recotem",
    description = "From a file of user-item interactions to tuned, compared and deployed recommendations.",
    license(name = "Apache-2.0")
))]
struct Root;

/// The whole document, with paths below `base`.
pub fn document(base: &str) -> utoipa::openapi::OpenApi {
    let mut slices = Root::openapi();
    for slice in features::docs() {
        slices.merge(slice);
    }
    let mut document = Root::openapi();
    document.components = slices.components.take();
    for (path, item) in slices.paths.paths {
        // Predictions lie beside the management API, not below it.
        let base = if path.starts_with("/inference/") { "" } else { base };
        document.paths.paths.insert(format!("{base}{path}"), item);
    }
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))));
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("jwt-access"))));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    document
}

/// `GET schema/`: YAML unless JSON is asked for.
pub async fn schema(request: HttpRequest) -> HttpResponse {
    let accepts_json =
        request.headers().get("accept").and_then(|value| value.to_str().ok()).is_some_and(|text| text.contains("json"));
    let document = document("/api/v1");
    if accepts_json || request.query_string().contains("format=json") {
        return HttpResponse::Ok().content_type("application/vnd.oai.openapi+json").json(document);
    }
    match document.to_yaml() {
        Ok(yaml) => HttpResponse::Ok().content_type("application/vnd.oai.openapi").body(yaml),
        Err(error) => crate::platform::http::ApiError::internal(&error).into_answer(),
    }
}

/// The documentation as a page.
pub fn swagger_ui() -> utoipa_swagger_ui::SwaggerUi {
    utoipa_swagger_ui::SwaggerUi::new("/docs/{_:.*}").url("/docs/openapi.json", document("/api/v1"))
}

/// Sends 1.x's address of the page to where it is now.
pub async fn swagger_redirect() -> web::Redirect {
    web::Redirect::to("/docs/").see_other()
}
