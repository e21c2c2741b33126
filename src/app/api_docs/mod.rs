//! The OpenAPI document, combined from the annotations of every slice and completed with facts about all routes. The UI's client
//! types are generated from it, and so is the server's own knowledge of addresses and verbs.

mod completion;
mod endpoint;
mod examples;
pub mod inference;
mod pages;
mod schemas;

use std::sync::LazyLock;

use serde::Serialize;
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::meta;
use crate::features;
use crate::platform::http::Unchanging;

pub use endpoint::{Asked, Endpoint, find, find_of_airec};
pub use pages::{redoc, redoc_script, swagger_ui};

/// How the addresses of AiREC begin.
const AIREC: &str = "/airec/";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Recotem",
        description = "From a file of user-item interactions to tuned, compared and deployed recommendations.\n\n\
            Log in with `POST auth/login/` and send the token as `Authorization: Bearer …`, or let the browser send the cookie; \
            programs send an API key as `X-API-Key`. Everything below `/api/v1/` is served below `/api/`, too.\n\n\
            Errors are JSON. What is wrong with single fields is a list of messages by field, everything else has a `detail`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(meta::root, meta::ping, meta::schema)
)]
struct Root;

/// The finished document. Not the builder's own type: that one cannot read back everything it writes.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Document(Value);

impl Document {
    /// Returns the document as JSON for people.
    pub fn to_pretty_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&self.0)
    }
}

/// Returns the whole document, with paths below `base`.
pub fn document(base: &str) -> Document {
    // A document of texts and numbers can always be written.
    Document(serde_json::to_value(merged(base)).map(completion::complete).unwrap_or_default())
}

/// Returns whether an address is beside the management API, not below it: predictions, and the addresses of AiREC.
pub fn is_beside(path: &str) -> bool {
    ["/inference/", AIREC].iter().any(|base| path.starts_with(base))
}

fn merged(base: &str) -> utoipa::openapi::OpenApi {
    let mut slices = Root::openapi();
    for slice in features::docs() {
        slices.merge(slice);
    }
    let mut document = Root::openapi();
    document.paths.paths.clear();
    document.components = slices.components.take();
    for (path, item) in slices.paths.paths {
        let base = if is_beside(&path) { "" } else { base };
        document.paths.paths.insert(format!("{base}{path}"), item);
    }
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))));
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("jwt-access"))));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    document
}

/// Returns the facts that the API states about itself.
pub fn description() -> meta::Description {
    static FACTS: LazyLock<meta::Facts> =
        LazyLock::new(|| meta::Facts { collections: endpoint::collections(), document: written() });
    &FACTS
}

fn written() -> Result<(Unchanging, Unchanging), String> {
    let document = document("/api/v1");
    let json = serde_json::to_string(&document).map_err(|error| error.to_string())?;
    let yaml = yaml_serde::to_string(&document).map_err(|error| error.to_string())?;
    Ok((Unchanging::new(json), Unchanging::new(yaml)))
}

#[cfg(test)]
mod tests;
