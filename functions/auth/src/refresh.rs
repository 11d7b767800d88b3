use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::OpaqueToken;
use shared::http::{Anonymous, ApiError, BodyErrors, Code, CommonErrors, ErrorBody, JsonBody};
use shared::storage::Rotation;
use utoipa::ToSchema;

use crate::Auth;
use crate::tokens::{Authenticated, SESSION_LIFETIME};

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RefreshRequest {
    /// The newest refresh token of the session.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
    refresh_token: SecretString,
}

/// Exchanges a refresh token for a new pair.
#[utoipa::path(
    post,
    path = "/api/auth/refresh",
    tag = "auth",
    request_body = RefreshRequest,
    responses(
        (status = 200, description = "The new pair.", body = Authenticated),
        (status = 401, description = "The token is unknown, has expired, or was used before", body = ErrorBody),
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn refresh(
    State(auth): State<Auth>,
    visitor: Anonymous,
    JsonBody(request): JsonBody<RefreshRequest>,
) -> Result<Json<Authenticated>, ApiError> {
    let unknown = || ApiError::new(Code::Unauthorized, "the refresh token is unknown or has expired; log in again");
    let presented = OpaqueToken::parse(request.refresh_token.expose_secret()).ok_or_else(unknown)?;
    let next = OpaqueToken::generate(&*auth.random);
    let now = auth.clock.now();
    let expires_at = now.plus_seconds(SESSION_LIFETIME);
    // Whoever rotates and then gets no pair is soon taken for a thief: better not to begin while accounts are out.
    auth.accounts.ping().await?;
    match auth.authenticator.sessions.rotate(&presented.hash(), &next.hash(), expires_at, now).await? {
        Rotation::Rotated(session) => {
            visitor.record_user(session.user);
            let account = auth.accounts.get(session.user).await?.ok_or_else(unknown)?;
            Ok(Json(auth.token_response(&account.user, &session, &next)?))
        }
        Rotation::Reused(session) => {
            visitor.record_user(session.user);
            let message = "this refresh token was used before, so the session was ended; log in again";
            Err(ApiError::new(Code::RefreshTokenReused, message))
        }
        Rotation::Unknown => Err(unknown()),
    }
}
