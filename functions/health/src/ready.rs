use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::http::{ApiError, ErrorBody};
use shared::storage::StoreResult;
use utoipa::ToSchema;

/// How long a store may take to answer.
const DEADLINE: Duration = Duration::from_secs(3);

type Asked = Pin<Box<dyn Future<Output = StoreResult<()>> + Send>>;

/// A store that can be asked whether it answers.
pub struct Probe {
    name: &'static str,
    ask: Box<dyn Fn() -> Asked + Send + Sync>,
}

impl Probe {
    /// Asks the store called `name` by `ask`.
    pub fn new<F>(name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = StoreResult<()>> + Send + 'static,
    {
        Self { name, ask: Box::new(move || Box::pin(ask())) }
    }
}

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
    responses((status = 200, body = Ready), (status = 503, description = "A store does not answer", body = ErrorBody))
)]
pub(crate) async fn ready(State(probes): State<Arc<[Probe]>>) -> Result<Json<Ready>, ApiError> {
    for probe in &*probes {
        match tokio::time::timeout(DEADLINE, (probe.ask)()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(ApiError::unavailable(format!("{}: {error}", probe.name))),
            Err(_) => return Err(ApiError::unavailable(format!("{} took too long", probe.name))),
        }
    }
    Ok(Json(Ready { status: "ready" }))
}
