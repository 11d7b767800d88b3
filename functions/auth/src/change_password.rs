use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::{Password, Verdict};
use shared::http::{ApiError, AuthCalls, BodyFailures, Caller, Code, ErrorBody, Failures, JsonBody, invalid_field};
use shared::storage::Account;
use shared::telemetry::SecurityEvent;
use utoipa::ToSchema;

use crate::Auth;
use crate::service::Done;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ChangePasswordRequest {
    /// The password as it is.
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    /// 8 to 128 characters, with upper case, lower case and a digit.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128, pattern = r"^[^\x00]*$")]
    new_password: SecretString,
}

/// Changes the password and ends every other session.
#[utoipa::path(
    post,
    path = "/api/auth/change-password",
    tag = "auth",
    security(("bearer" = [])),
    request_body = ChangePasswordRequest,
    responses(
        (status = 200, description = "The password is changed.", body = Done),
        (status = 401, description = "No valid token, or the current password is wrong", body = ErrorBody),
        (status = 409, description = "The password was changed by somebody else just now", body = ErrorBody),
        BodyFailures,
        Failures
    )
)]
pub(crate) async fn change_password(
    State(auth): State<Auth>,
    caller: Caller<AuthCalls>,
    JsonBody(request): JsonBody<ChangePasswordRequest>,
) -> Result<Json<Done>, ApiError> {
    let password = Password::parse(request.new_password.expose_secret())
        .map_err(|message| invalid_field("new_password", message))?;
    let account = auth.accounts.get(caller.user).await?.ok_or_else(ApiError::unauthorized)?;
    auth.demand_password(&account, request.current_password.expose_secret()).await?;
    let hash = auth.passwords.hash(&password).await?;
    // Before as well as after: if the sessions cannot be ended, the password stays, so that it can be changed again. Those
    // who log in meanwhile are ended after.
    auth.gate.sessions.end_others(caller.user, Some(caller.session.id)).await?;
    if !auth.accounts.change_password(caller.user, &account.password_hash, &hash, auth.clock.now()).await? {
        return Err(ApiError::new(Code::Conflict, "the password was changed by somebody else just now"));
    }
    auth.mail_queued.notify_one();
    auth.gate.sessions.end_others(caller.user, Some(caller.session.id)).await?;
    SecurityEvent::SessionRevoked.log();
    Ok(Done::because("Your password is changed; your other sessions are ended."))
}

impl Auth {
    /// Refuses whoever holds a session but does not know the password.
    pub(crate) async fn demand_password(&self, account: &Account, presented: &str) -> Result<(), ApiError> {
        let presented = Password::presented(presented);
        match self.passwords.verify(&presented, Some(&account.password_hash)).await? {
            Verdict::Right | Verdict::RightButWeak => Ok(()),
            Verdict::Wrong => Err(ApiError::new(Code::InvalidCredentials, "the current password is wrong")),
        }
    }
}
