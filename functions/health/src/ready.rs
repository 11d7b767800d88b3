use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::http::{ApiError, UnlimitedErrors};
use shared::storage::{StoreError, StoreResult};
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::LazyDependencies;

/// Maximum time for a store to respond.
const DEADLINE: Duration = Duration::from_secs(3);

/// State of the stores.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ready {
    /// Always `ready`.
    #[schema(max_length = 5, pattern = "^ready$")]
    status: &'static str,
}

/// Reports whether every store responds.
///
/// Each store gets 3 s.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "health",
    responses(
        (status = 200, description = "Every store responds.", body = Ready, example = json!({ "status": "ready" })),
        UnlimitedErrors
    )
)]
pub(crate) async fn ready(State(stores): State<LazyDependencies>) -> Result<Json<Ready>, ApiError> {
    let stores = stores.get().await.map_err(ApiError::unavailable)?;
    let (accounts, data, sessions) = tokio::join!(
        ping("postgres", stores.accounts.ping()),
        ping("libsql", stores.data.ping()),
        ping("redis", stores.sessions.ping()),
    );
    accounts.and(data).and(sessions)?;
    Ok(Json(Ready { status: "ready" }))
}

async fn ping(store: &'static str, ping: impl Future<Output = StoreResult<()>>) -> Result<(), ApiError> {
    let no_response = || StoreError::Unavailable { store, reason: "no response in time".to_owned() };
    timeout(DEADLINE, ping).await.unwrap_or_else(|_| Err(no_response())).map_err(ApiError::unavailable)
}
