use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The process is alive.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alive {
    /// Always `healthy`.
    status: &'static str,
    /// Always `sql-app-sync`.
    service: &'static str,
    /// The version of this server.
    version: &'static str,
}

/// Says that the process is alive, and touches nothing else.
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    responses((status = 200, description = "It is alive.", body = Alive))
)]
pub(crate) async fn health() -> Json<Alive> {
    Json(Alive { status: "healthy", service: "sql-studio-sync", version: env!("CARGO_PKG_VERSION") })
}
