//! The operations that most resources have.

/// Adds the operations of a resource below its address: `list`, `create`, `read`, `replace`, `update` and `delete`, which are
/// functions of the module that calls this, or of the one that it names. Returns the routes, so that others can follow.
#[macro_export]
macro_rules! resource {
    ($config:expr, $address:literal $(, $module:ident)?) => {
        $config
            .service(
                ::actix_web::web::resource($address)
                    .route(::actix_web::web::get().to($($module::)? list))
                    .route(::actix_web::web::post().to($($module::)? create)),
            )
            .service(
                ::actix_web::web::resource(concat!($address, "{id}/"))
                    .route(::actix_web::web::get().to($($module::)? read))
                    .route(::actix_web::web::put().to($($module::)? replace))
                    .route(::actix_web::web::patch().to($($module::)? update))
                    .route(::actix_web::web::delete().to($($module::)? delete)),
            )
    };
}
