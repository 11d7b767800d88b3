//! The `download` function: hands out what has changed, and says how things stand.

mod download;
mod limits;
mod service;
mod status;

pub use service::Downloads;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this function.
pub fn router(downloads: Downloads) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(download::download))
        .routes(routes!(status::status))
        .routes(routes!(limits::limits))
        .with_state(downloads)
}
