use axum::extract::{FromRequestParts, Path};
use http::request::Parts;

use super::ApiError;

/// Extractor: the `{id}` of a path. An id that cannot be decoded is a 404: nothing has it.
#[derive(Debug, Clone)]
pub struct PathId(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|_| ApiError::not_found("resource"))
    }
}
