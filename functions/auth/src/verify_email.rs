use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::OpaqueToken;
use shared::http::{Anonymous, ApiError, BodyErrors, Code, JsonBody, KeylessErrors, invalid_field};
use shared::models::{FieldError, Timestamp};
use shared::storage::{StoreResult, TokenPurpose};
use utoipa::ToSchema;

use crate::Auth;
use crate::examples;
use crate::responses::SpentLink;
use crate::service::Acknowledgement;

/// Confirmation of an email address.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct VerifyEmailRequest {
    /// Token of the emailed link.
    #[schema(value_type = String, min_length = 43, max_length = 43, pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
    token: SecretString,
}

/// Confirms an email address with the token of an emailed link.
///
/// The link works once, for 24 hours; a newer one replaces it. A welcome email follows.
#[utoipa::path(
    post,
    path = "/api/auth/verify-email",
    tag = "auth",
    request_body(content = VerifyEmailRequest, example = json!({ "token": examples::OPAQUE_TOKEN })),
    responses(
        (
            status = 200,
            description = "The email address is confirmed.",
            body = Acknowledgement,
            example = json!({ "success": true, "message": "Your email address is confirmed." })
        ),
        SpentLink,
        BodyErrors,
        KeylessErrors
    )
)]
pub(crate) async fn verify_email(
    State(auth): State<Auth>,
    _client: Anonymous,
    JsonBody(request): JsonBody<VerifyEmailRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    let token = parse_token(request.token.expose_secret())?;
    let now = auth.clock.now();
    if auth.mail_tokens.verify_email(&token.hash(), now).await?.is_none() {
        return Err(auth.spent(&token, TokenPurpose::VerifyEmail, now).await?);
    }
    auth.email_queued.notify_one();
    Ok(Acknowledgement::new("Your email address is confirmed."))
}

/// Parses the token of an emailed link.
///
/// # Errors
/// 400 if the text cannot be such a token.
pub(crate) fn parse_token(text: &str) -> Result<OpaqueToken, ApiError> {
    OpaqueToken::parse(text).ok_or_else(|| invalid_field("token", "is not the token of a link; copy the link whole"))
}

impl Auth {
    /// Returns the error of a link that is no longer valid.
    pub(crate) async fn spent(
        &self,
        token: &OpaqueToken,
        purpose: TokenPurpose,
        now: Timestamp,
    ) -> StoreResult<ApiError> {
        Ok(spent_link(self.mail_tokens.has_expired(&token.hash(), purpose, now).await?))
    }
}

/// Error of a link that has expired, or was used or replaced.
pub(crate) fn spent_link(has_expired: bool) -> ApiError {
    let (message, detail) = if has_expired {
        ("this link has expired; ask for a new one", "has expired")
    } else {
        ("this link was used before, or there is a newer one", "was used or replaced")
    };
    let details = vec![FieldError::new("token", detail)];
    ApiError { details, ..ApiError::new(Code::TokenSpent, message) }
}
