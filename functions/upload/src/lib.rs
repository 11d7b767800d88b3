//! The `upload` function: takes what a device has changed.

mod answer;
mod request;
mod service;
mod upload;

pub use service::Uploads;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this function.
pub fn router(uploads: Uploads) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(upload::upload)).with_state(uploads)
}
