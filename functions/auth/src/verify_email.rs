use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::OpaqueToken;
use shared::http::{
    Anonymous, ApiError, BodyErrors, ClientAddress, Code, ErrorBody, JsonBody, KeylessErrors, SmallBody, invalid_field,
};
use shared::models::{FieldError, Timestamp, UserId};
use shared::storage::{StoreResult, TokenPurpose};
use utoipa::ToSchema;

use crate::Auth;
use crate::attempts::Attempt;
use crate::change_password::wrong_password;
use crate::examples;
use crate::responses::SpentLink;
use crate::service::Acknowledgement;

/// Confirmation of an email address.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct VerifyEmailRequest {
    /// Token of the emailed link.
    #[schema(value_type = String, min_length = 43, max_length = 43, pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
    token: SecretString,
    /// Password of the account. Needed if no session of the account was opened in the client's network, so that the owner of an address
    /// does not confirm the account of a stranger who signed up with it.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
}

/// Confirms an email address with the token of an emailed link.
///
/// The link works once, for 24 hours; a newer one replaces it. A welcome email follows. From another network than the sign-up, the
/// password of the account is needed, too.
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
        (
            status = 401,
            description = "The password is wrong.",
            body = ErrorBody,
            example = json!(wrong_password("password").example())
        ),
        (
            status = 403,
            description = "The password is needed: `details` name it. The link stays valid.",
            body = ErrorBody,
            example = json!(password_needed().example())
        ),
        SpentLink,
        BodyErrors,
        KeylessErrors
    )
)]
pub(crate) async fn verify_email(
    State(auth): State<Auth>,
    Anonymous(client): Anonymous,
    JsonBody(request): SmallBody<VerifyEmailRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    let token = parse_token(request.token.expose_secret())?;
    let now = auth.clock.now();
    if let Some(owner) = auth.mail_tokens.owner(&token.hash(), TokenPurpose::VerifyEmail, now).await? {
        client.record_user(owner);
        auth.require_proof_of_sign_up(owner, &client.address, request.password.as_ref()).await?;
    }
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
    /// Checks that the client is the one that signed up as `user`: it knows the password, or shares a network with a session.
    ///
    /// # Errors
    /// 403 if the password is missing, 401 if it is wrong, 429 after too many wrong ones.
    async fn require_proof_of_sign_up(
        &self,
        user: UserId,
        address: &ClientAddress,
        password: Option<&SecretString>,
    ) -> Result<(), ApiError> {
        let sessions = self.authenticator.sessions.list(user, self.clock.now()).await?;
        if sessions.into_iter().any(|session| ClientAddress(session.ip).network() == address.network()) {
            return Ok(());
        }
        let password = password.ok_or_else(password_needed)?;
        // The account was deleted meanwhile: `verify_email` then reports the link as spent.
        let Some(account) = self.accounts.get(user).await? else { return Ok(()) };
        self.limited(Attempt::confirmation_by_link(user), self.compare(&account, "password", password.expose_secret()))
            .await
    }

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

/// Error of a confirmation from a network without a session of the account.
fn password_needed() -> ApiError {
    let details = vec![FieldError::new("password", "is needed: no session of the account was opened in this network")];
    let message = "confirm with the password of the account; if you did not sign up, reset it instead";
    ApiError { details, ..ApiError::new(Code::Forbidden, message) }
}
