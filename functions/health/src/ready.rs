use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::http::{ApiError, ErrorBody};
use shared::storage::StoreResult;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::LazyDependencies;

/// How long a store may take to answer.
const DEADLINE: Duration = Duration::from_secs(3);

/// Every store answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ready {
    /// Always `ready`.
    status: &'static str,
}

/// Asks every store whether it answers.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "health",
    responses(
        (status = 200, description = "Every store answers.", body = Ready),
        (status = 503, description = "A store does not answer", body = ErrorBody)
    )
)]
pub(crate) async fn ready(State(stores): State<LazyDependencies>) -> Result<Json<Ready>, ApiError> {
    let stores = stores.get().await.map_err(ApiError::unavailable)?;
    let (accounts, data, sessions) = tokio::join!(
        answers("accounts", stores.accounts.ping()),
        answers("sync data", stores.data.ping()),
        answers("sessions", stores.sessions.ping()),
    );
    accounts.and(data).and(sessions)?;
    Ok(Json(Ready { status: "ready" }))
}

async fn answers(store: &str, asked: impl Future<Output = StoreResult<()>>) -> Result<(), ApiError> {
    match timeout(DEADLINE, asked).await {
        Ok(answer) => answer.map_err(|error| ApiError::unavailable(format!("{store}: {error}"))),
        Err(_) => Err(ApiError::unavailable(format!("{store} took too long"))),
    }
}
