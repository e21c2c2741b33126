//! The addresses of AiREC, for clients that were written for it: each says in AiREC's words what the studio, accounts, apps and
//! predictions do. They exist where the setting `compat.airec` is on.

mod accounts;
mod apps;
mod form;
mod lists;
mod projects;
mod recommending;
mod schema;

use actix_web::web;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(
    accounts::sign_up,
    accounts::log_in,
    projects::list,
    projects::create,
    projects::status,
    lists::items,
    lists::users,
    recommending::of_project,
    recommending::for_app,
    apps::register,
    apps::list,
    apps::usage
))]
pub struct Docs;

/// Registers the URLs for people and their pages, below `/airec`.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/signup", web::post().to(accounts::sign_up))
        .route("/login", web::post().to(accounts::log_in))
        .route("/projects", web::get().to(projects::list))
        .route("/create-project", web::post().to(projects::create))
        .route("/project/{id}/status", web::get().to(projects::status))
        .route("/project/{id}/items", web::get().to(lists::items))
        .route("/project/{id}/users", web::get().to(lists::users))
        .route("/project/{id}/recommendations", web::get().to(recommending::of_project))
        .route("/api/apps/register", web::post().to(apps::register))
        .route("/api/apps/usage", web::get().to(apps::usage))
        .route("/api/apps", web::get().to(apps::list));
}

/// Registers the URL for programs, whose key is looked up like those of predictions: `/airec/api/recommend`.
pub fn predictions(config: &mut web::ServiceConfig) {
    config.service(web::resource(["", "/"]).route(web::post().to(recommending::for_app)));
}
