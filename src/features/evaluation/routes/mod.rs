//! `/split_config/` and `/evaluation_config/`.

mod evaluation_config;
mod split_config;

use actix_web::web;
use utoipa::OpenApi;

use crate::platform::http::body::{Id, Nullable};
use crate::platform::http::{FieldReader, Write};
use crate::platform::request_fields;

#[derive(OpenApi)]
#[openapi(paths(
    split_config::list,
    split_config::create,
    split_config::read,
    split_config::replace,
    split_config::update,
    split_config::delete,
    evaluation_config::list,
    evaluation_config::create,
    evaluation_config::read,
    evaluation_config::replace,
    evaluation_config::update,
    evaluation_config::delete
))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config.configure(split_config::routes).configure(evaluation_config::routes);
}

request_fields! {
    /// The owner of a config.
    struct ConfigHome {
        /// Its project, which cannot change. Without one, the config belongs to the caller's personal organisation, and moves to
        /// that of the first project that uses it.
        project: Option<i64> = None => Nullable(Id),
    }
}

impl ConfigHome {
    /// Refuses a body that names a project other than the one the config was created for.
    fn refuse_move(fields: &mut FieldReader, project: Option<i64>) {
        if Self::read(fields, Write::Change(&Self { project })).project != project {
            fields.fault("project", "A config stays where it was made. Make another one for that project.");
        }
    }
}
