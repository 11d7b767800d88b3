//! The `health` function: says whether the service is well, and what it offers.

mod alive;
mod openapi;
mod ready;

use std::sync::Arc;

use shared::storage::{Accounts, Feed, Sessions};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The stores that the service needs to be ready.
#[derive(Clone)]
pub struct Stores {
    /// Its accounts.
    pub accounts: Arc<dyn Accounts>,
    /// Its sync data.
    pub data: Arc<dyn Feed>,
    /// Its sessions.
    pub sessions: Arc<dyn Sessions>,
}

/// The routes of this function, which asks `stores` whether the service is ready.
pub fn router(stores: Stores) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(alive::health))
        .routes(routes!(ready::ready))
        .routes(routes!(openapi::openapi))
        .with_state(stores)
}
