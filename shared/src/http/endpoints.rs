/// Makes of a function's endpoints, which `#[utoipa::path]` describes, a `router`, and a `document` of its own: describing
/// takes longer than all else that a function does before it can answer, and only people ask for it.
///
/// ```ignore
/// endpoints!(Uploads: upload::upload);
/// ```
#[macro_export]
macro_rules! endpoints {
    ($state:ty: $($module:ident::$handler:ident),+ $(,)?) => {
        /// The routes of this function.
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

        /// What the OpenAPI document says of them.
        pub fn document() -> ::utoipa::openapi::OpenApi {
            ::utoipa_axum::router::OpenApiRouter::<$state>::new()
                $(.routes(::utoipa_axum::routes!($module::$handler)))+
                .into_openapi()
        }
    };
}
