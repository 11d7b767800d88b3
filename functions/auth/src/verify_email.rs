use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::OpaqueToken;
use shared::http::{ApiError, BodyFailures, Code, ErrorBody, Failures, JsonBody, Visitor, invalid_field};
use utoipa::ToSchema;

use crate::Auth;
use crate::service::Done;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct VerifyEmailRequest {
    /// The token of the link in the mail.
    #[schema(value_type = String)]
    token: SecretString,
}

/// Confirms the address that a link was mailed to.
#[utoipa::path(
    post,
    path = "/api/auth/verify-email",
    tag = "auth",
    request_body = VerifyEmailRequest,
    responses(
        (status = 200, body = Done),
        (status = 410, description = "The link was used before or has expired", body = ErrorBody),
        BodyFailures,
        Failures
    )
)]
pub(crate) async fn verify_email(
    State(auth): State<Auth>,
    _visitor: Visitor,
    JsonBody(request): JsonBody<VerifyEmailRequest>,
) -> Result<Json<Done>, ApiError> {
    let token = parse_token(request.token.expose_secret())?;
    let verified = auth.mail_tokens.verify_email(&token.hash(), auth.clock.now()).await?;
    verified.ok_or_else(spent)?;
    auth.mail_queued.notify_one();
    Ok(Done::because("Your e-mail address is confirmed."))
}

/// The token of a link, if it can be one at all.
pub(crate) fn parse_token(text: &str) -> Result<OpaqueToken, ApiError> {
    OpaqueToken::parse(text).ok_or_else(|| invalid_field("token", "is not the token of a link; copy the link whole"))
}

/// The answer to a link that leads nowhere any more.
pub(crate) fn spent() -> ApiError {
    ApiError::new(Code::TokenSpent, "this link was used before or has expired; ask for a new one")
}
