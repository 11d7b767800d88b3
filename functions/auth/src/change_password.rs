use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::{Password, PasswordCheck};
use shared::http::{ApiError, AuthLimit, BodyErrors, Caller, Code, CommonErrors, ErrorBody, JsonBody, invalid_field};
use shared::storage::Account;
use shared::telemetry::SecurityEvent;
use utoipa::ToSchema;

use crate::Auth;
use crate::service::Acknowledgement;

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
        (status = 200, description = "The password is changed.", body = Acknowledgement),
        (status = 401, description = "No valid token, or the current password is wrong", body = ErrorBody),
        (status = 409, description = "The password was changed by somebody else just now", body = ErrorBody),
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn change_password(
    State(auth): State<Auth>,
    caller: Caller<AuthLimit>,
    JsonBody(request): JsonBody<ChangePasswordRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    let password = Password::parse(request.new_password.expose_secret())
        .map_err(|message| invalid_field("new_password", message))?;
    auth.replace_password(&caller, request.current_password.expose_secret(), &password).await?;
    auth.mail_queued.notify_one();
    auth.authenticator.sessions.end_others(caller.user, Some(caller.session.id)).await?;
    SecurityEvent::SessionRevoked.log();
    Ok(Acknowledgement::new("Your password is changed; your other sessions are ended."))
}

/// How often a password is compared anew because its hash was replaced meanwhile: by a login, which raises the hash's
/// parameters, or by another request of the same user.
pub(crate) const PASSWORD_ATTEMPTS: usize = 3;

/// The password that was compared is not the account's any more.
pub(crate) fn changed_meanwhile() -> ApiError {
    ApiError::new(Code::Conflict, "the password was changed by another request just now")
}

impl Auth {
    /// Replaces the caller's password, which must be `current`, by `new`.
    async fn replace_password(
        &self,
        caller: &Caller<AuthLimit>,
        current: &str,
        new: &Password,
    ) -> Result<(), ApiError> {
        let account = self.accounts.get(caller.user).await?.ok_or_else(ApiError::unauthorized)?;
        self.demand_password(&account, current).await?;
        let hash = self.passwords.hash(new).await?;
        // Before as well as after: if the sessions cannot be ended, the password stays, so that it can be changed again.
        // Sessions that are opened meanwhile are ended after. Of two changes at once the one that is refused has ended
        // sessions all the same.
        self.authenticator.sessions.end_others(caller.user, Some(caller.session.id)).await?;
        let mut expected = account.password_hash;
        for _ in 0..PASSWORD_ATTEMPTS {
            if self.accounts.change_password(caller.user, &expected, &hash, self.clock.now()).await? {
                return Ok(());
            }
            let account = self.accounts.get(caller.user).await?.ok_or_else(ApiError::unauthorized)?;
            if !self.is_password(&account, current).await? {
                break;
            }
            expected = account.password_hash;
        }
        Err(changed_meanwhile())
    }

    /// Whether `presented` is the password of `account`.
    pub(crate) async fn is_password(&self, account: &Account, presented: &str) -> Result<bool, ApiError> {
        let verdict = self.passwords.verify(&Password::new_unchecked(presented), Some(&account.password_hash)).await?;
        Ok(verdict != PasswordCheck::Wrong)
    }

    /// Refuses whoever holds a session but does not know the password.
    pub(crate) async fn demand_password(&self, account: &Account, presented: &str) -> Result<(), ApiError> {
        if self.is_password(account, presented).await? {
            return Ok(());
        }
        Err(ApiError::new(Code::InvalidCredentials, "the current password is wrong"))
    }
}
