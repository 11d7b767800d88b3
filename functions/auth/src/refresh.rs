use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::OpaqueToken;
use shared::http::{ApiError, BodyErrors, Client, Code, CommonErrors, ErrorBody, JsonBody, SmallBody};
use shared::storage::Rotation;
use utoipa::ToSchema;

use crate::Auth;
use crate::examples;
use crate::tokens::{Authenticated, SESSION_LIFETIME};

/// Refresh token to exchange.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RefreshRequest {
    /// Newest refresh token of the session.
    #[schema(value_type = String, min_length = 43, max_length = 43, pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
    refresh_token: SecretString,
}

/// Exchanges a refresh token for a new pair of tokens.
///
/// A refresh token works once, for 7 days. A second use within 10 s yields another pair, of which the newest 10 work; a later one ends
/// the session. A session ends 90 days after the login in any case. Refreshes are limited per user.
#[utoipa::path(
    post,
    path = "/api/auth/refresh",
    tag = "auth",
    request_body(content = RefreshRequest, example = json!({ "refresh_token": examples::OPAQUE_TOKEN })),
    responses(
        (
            status = 200,
            description = "The new pair of tokens.",
            body = Authenticated,
            example = json!(examples::authenticated())
        ),
        (
            status = 401,
            description = "The refresh token is unknown or has expired (`UNAUTHORIZED`), or it was used before \
                           (`REFRESH_TOKEN_REUSED`).",
            body = ErrorBody,
            example = json!(reused().example())
        ),
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn refresh(
    State(auth): State<Auth>,
    client: Client,
    JsonBody(request): SmallBody<RefreshRequest>,
) -> Result<Json<Authenticated>, ApiError> {
    let unknown = || ApiError::new(Code::Unauthorized, "the refresh token is unknown or has expired; log in again");
    let limits = &auth.authenticator.rate_limits;
    let presented = OpaqueToken::parse(request.refresh_token.expose_secret());
    let owner = match &presented {
        Some(presented) => auth.authenticator.sessions.token_owner(&presented.hash()).await?,
        None => None,
    };
    let (Some(presented), Some(owner)) = (presented, owner) else {
        client.count_network(limits).await?;
        return Err(unknown());
    };
    client.record_user(owner);
    client.count_user(limits, owner).await?;
    // A client that loses the new pair looks like a thief at its next refresh. So nothing is rotated while the account store is
    // unreachable.
    let account = auth.accounts.get(owner).await?.ok_or_else(unknown)?;
    let (next, now) = (OpaqueToken::generate(&*auth.random), auth.clock.now());
    let expires_at = now.plus_seconds(SESSION_LIFETIME);
    match auth.authenticator.sessions.rotate(&presented.hash(), &next.hash(), expires_at, now).await? {
        Rotation::Rotated(session) => Ok(Json(auth.token_response(&account.user, &session, &next)?)),
        Rotation::Reused(_) => Err(reused()),
        Rotation::Unknown => Err(unknown()),
    }
}

fn reused() -> ApiError {
    let message = "this refresh token was used before, so the session was ended; log in again";
    ApiError::new(Code::RefreshTokenReused, message)
}
