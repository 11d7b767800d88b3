/// Defines the `router` of a function and, separately, its OpenAPI `document`, from handlers with `#[utoipa::path]`. Building
/// the document takes longer than the rest of a function's start, and only `cargo run -- openapi` needs it.
///
/// ```ignore
/// endpoints!(Uploads: upload::upload);
/// ```
#[macro_export]
macro_rules! endpoints {
    ($state:ty: $($module:ident::$handler:ident),+ $(,)?) => {
        /// Returns the routes of this function.
        pub fn router(state: $state) -> ::axum::Router {
            use ::utoipa::Path;
            use ::utoipa_axum::PathItemExt;
            ::utoipa_axum::paste! {
                ::axum::Router::new()
                    $(.route(
                        &$module::[<__path_ $handler>]::path(),
                        $module::[<__path_ $handler>]::methods().iter().fold(
                            ::axum::routing::MethodRouter::new(),
                            |router, method| router.on(method.to_method_filter(), $module::$handler),
                        ),
                    ))+
                    .with_state(state)
            }
        }

        /// Returns the part of the OpenAPI document about these routes.
        pub fn document() -> ::utoipa::openapi::OpenApi {
            ::utoipa_axum::router::OpenApiRouter::<$state>::new()
                $(.routes(::utoipa_axum::routes!($module::$handler)))+
                .into_openapi()
        }
    };
}
