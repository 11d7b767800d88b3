use axum::Json;
use serde::Serialize;
use shared::http::UnlimitedErrors;
use utoipa::ToSchema;

/// State of the process.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alive {
    /// Always `healthy`.
    #[schema(max_length = 7, pattern = "^healthy$")]
    status: &'static str,
    /// Always `sql-studio-sync`.
    #[schema(max_length = 15, pattern = "^sql-studio-sync$")]
    service: &'static str,
    /// Version of this server (semantic versioning).
    #[schema(max_length = 32, pattern = r"^[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*$")]
    version: &'static str,
}

/// Reports that the process is alive.
///
/// Calls no store.
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    responses(
        (
            status = 200,
            description = "The process is alive.",
            body = Alive,
            example = json!({ "status": "healthy", "service": "sql-studio-sync", "version": env!("CARGO_PKG_VERSION") })
        ),
        UnlimitedErrors
    )
)]
pub(crate) async fn health() -> Json<Alive> {
    Json(Alive { status: "healthy", service: "sql-studio-sync", version: env!("CARGO_PKG_VERSION") })
}
