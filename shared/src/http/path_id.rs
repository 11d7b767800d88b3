use axum::extract::{FromRequestParts, Path};
use http::request::Parts;

use super::ApiError;

/// The `{id}` of a path. One that cannot even be read names nothing there is.
#[derive(Debug, Clone)]
pub struct PathId(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|_| ApiError::not_found("thing"))
    }
}
