use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::OpaqueToken;
use shared::http::{ApiError, BodyErrors, Code, CommonErrors, ErrorBody, JsonBody, SmallBody, UncountedClient};
use shared::models::UserId;
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
    client: UncountedClient,
    JsonBody(request): SmallBody<RefreshRequest>,
) -> Result<Json<Authenticated>, ApiError> {
    let unknown = || ApiError::new(Code::Unauthorized, "the refresh token is unknown or has expired; log in again");
    let Some((presented, owner)) = auth.refreshed_session(&client, request.refresh_token.expose_secret()).await? else {
        client.count_network(&auth.authenticator.rate_limits).await?;
        return Err(unknown());
    };
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

impl Auth {
    /// Returns the refresh token `text` and the user of its session, and counts the request for that user; `None` if there is no such
    /// session.
    ///
    /// # Errors
    /// 429 if the user has made too many calls.
    async fn refreshed_session(
        &self,
        client: &UncountedClient,
        text: &str,
    ) -> Result<Option<(OpaqueToken, UserId)>, ApiError> {
        let Some(presented) = OpaqueToken::parse(text) else { return Ok(None) };
        let Some((user, session)) =
            self.authenticator.sessions.token_session(&presented.hash(), self.clock.now()).await?
        else {
            return Ok(None);
        };
        let outcome = self.authenticator.count_session(user, session).await?;
        if outcome.session.is_none() {
            return Ok(None);
        }
        client.record_user(user);
        client.show_rate_limit(&outcome)?;
        Ok(Some((presented, user)))
    }
}

fn reused() -> ApiError {
    let message = "this refresh token was used before, so the session was ended; log in again";
    ApiError::new(Code::RefreshTokenReused, message)
}
