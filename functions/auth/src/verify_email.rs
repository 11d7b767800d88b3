use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::OpaqueToken;
use shared::http::{Anonymous, ApiError, BodyErrors, Code, CommonErrors, ErrorBody, JsonBody, invalid_field};
use shared::models::{FieldError, Timestamp};
use shared::storage::{StoreResult, TokenPurpose};
use utoipa::ToSchema;

use crate::Auth;
use crate::service::Acknowledgement;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct VerifyEmailRequest {
    /// The token of the link in the mail.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
    token: SecretString,
}

/// Confirms the address that a link was mailed to.
#[utoipa::path(
    post,
    path = "/api/auth/verify-email",
    tag = "auth",
    request_body = VerifyEmailRequest,
    responses(
        (status = 200, description = "The address is confirmed.", body = Acknowledgement),
        (status = 410, description = "The link `has expired`, or it `was used or replaced`, as `details` say of `token`",
            body = ErrorBody),
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn verify_email(
    State(auth): State<Auth>,
    _visitor: Anonymous,
    JsonBody(request): JsonBody<VerifyEmailRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    let token = parse_token(request.token.expose_secret())?;
    let now = auth.clock.now();
    if auth.mail_tokens.verify_email(&token.hash(), now).await?.is_none() {
        return Err(auth.spent(&token, TokenPurpose::VerifyEmail, now).await?);
    }
    auth.mail_queued.notify_one();
    Ok(Acknowledgement::new("Your e-mail address is confirmed."))
}

/// The token of a link, if it can be one at all.
pub(crate) fn parse_token(text: &str) -> Result<OpaqueToken, ApiError> {
    OpaqueToken::parse(text).ok_or_else(|| invalid_field("token", "is not the token of a link; copy the link whole"))
}

impl Auth {
    /// The answer to a link that leads nowhere any more.
    pub(crate) async fn spent(
        &self,
        token: &OpaqueToken,
        purpose: TokenPurpose,
        now: Timestamp,
    ) -> StoreResult<ApiError> {
        let (message, detail) = if self.mail_tokens.has_expired(&token.hash(), purpose, now).await? {
            ("this link has expired; ask for a new one", "has expired")
        } else {
            ("this link was used before, or there is a newer one", "was used or replaced")
        };
        let details = vec![FieldError::new("token", detail)];
        Ok(ApiError { details, ..ApiError::new(Code::TokenSpent, message) })
    }
}
