//! The `health` function: says whether the service is well, and what it offers.

mod alive;
mod openapi;
mod ready;

use std::sync::Arc;

pub use ready::Probe;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this function, which asks `probes` whether the service is ready.
pub fn router(probes: Vec<Probe>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(alive::health))
        .routes(routes!(ready::ready))
        .routes(routes!(openapi::openapi))
        .with_state(Arc::from(probes))
}
