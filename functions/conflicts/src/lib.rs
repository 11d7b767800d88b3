//! The `conflicts` function: shows conflicts and settles them.

mod list;
mod resolve;
mod service;

pub use service::Conflicts;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this function.
pub fn router(conflicts: Conflicts) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list::list)).routes(routes!(resolve::resolve)).with_state(conflicts)
}
