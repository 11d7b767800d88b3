use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::{Owner, Password};
use shared::http::{Anonymous, ApiError, BodyErrors, JsonBody, KeylessErrors, SmallBody, invalid_field};
use shared::storage::TokenPurpose;
use shared::telemetry::SecurityEvent;
use utoipa::ToSchema;

use crate::Auth;
use crate::examples;
use crate::responses::SpentLink;
use crate::service::Acknowledgement;
use crate::verify_email::parse_token;

/// A new password, authorised by an emailed link.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ResetPasswordRequest {
    /// Token of the emailed link.
    #[schema(value_type = String, min_length = 43, max_length = 43, pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
    token: SecretString,
    /// New password, under the rules of the sign-up.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128, pattern = r"^[^\x00]*$")]
    new_password: SecretString,
}

/// Sets a new password with the token of an emailed link.
///
/// Ends every session of the user. A message to the user's email address reports the change.
#[utoipa::path(
    post,
    path = "/api/auth/reset-password",
    tag = "auth",
    request_body(
        content = ResetPasswordRequest,
        example = json!({ "token": examples::OPAQUE_TOKEN, "new_password": "Barley77" })
    ),
    responses(
        (
            status = 200,
            description = "The password is changed.",
            body = Acknowledgement,
            example = json!({ "success": true, "message": "Your password is changed; log in with the new one." })
        ),
        SpentLink,
        BodyErrors,
        KeylessErrors
    )
)]
pub(crate) async fn reset_password(
    State(auth): State<Auth>,
    Anonymous(client): Anonymous,
    JsonBody(request): SmallBody<ResetPasswordRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    let token = parse_token(request.token.expose_secret())?;
    // The rules that need no store; those about the owner's names follow.
    let weak = |message| invalid_field("new_password", message);
    Password::parse(request.new_password.expose_secret(), Owner::UNKNOWN).map_err(weak)?;
    let now = auth.clock.now();
    let owner = auth.mail_tokens.owner(&token.hash(), TokenPurpose::ResetPassword, now).await?;
    let account = match owner {
        Some(owner) => auth.accounts.get(owner).await?,
        None => None,
    };
    let Some(account) = account else {
        return Err(auth.spent(&token, TokenPurpose::ResetPassword, now).await?);
    };
    let owner = account.user.id;
    client.record_user(owner);
    let password = auth.new_password("new_password", request.new_password.expose_secret(), &account.user).await?;
    let hash = auth.passwords.hash(&password).await?;
    // Sessions are ended before and after the change. If they cannot be ended, the link stays valid and the client can retry. The second
    // call ends sessions that were opened in between.
    auth.authenticator.sessions.end_others(owner, None).await?;
    if auth.mail_tokens.reset_password(&token.hash(), &hash, now).await?.is_none() {
        return Err(auth.spent(&token, TokenPurpose::ResetPassword, now).await?);
    }
    auth.email_queued.notify_one();
    auth.authenticator.sessions.end_others(owner, None).await?;
    SecurityEvent::SessionRevoked.log();
    Ok(Acknowledgement::new("Your password is changed; log in with the new one."))
}
