use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::{Password, PasswordCheck};
use shared::http::{
    ApiError, AuthLimit, BodyErrors, Caller, Code, CommonErrors, ErrorBody, JsonBody, SmallBody, invalid_field,
};
use shared::models::{FieldError, User};
use shared::storage::Account;
use shared::telemetry::SecurityEvent;
use utoipa::ToSchema;

use crate::Auth;
use crate::attempts::Attempt;
use crate::examples;
use crate::responses::ChangedMeanwhile;
use crate::service::Acknowledgement;

/// A change of the password.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ChangePasswordRequest {
    /// Current password.
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    /// New password, under the rules of the sign-up.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128, pattern = r"^[^\x00]*$")]
    new_password: SecretString,
}

/// Changes the password.
///
/// Ends every other session of the user. A message to the user's email address reports the change.
#[utoipa::path(
    post,
    path = "/api/auth/change-password",
    tag = "auth",
    security(("bearer" = [])),
    request_body(
        content = ChangePasswordRequest,
        example = json!({ "current_password": examples::PASSWORD, "new_password": "Barley77" })
    ),
    responses(
        (
            status = 200,
            description = "The password is changed.",
            body = Acknowledgement,
            example = json!({
                "success": true,
                "message": "Your password is changed; your other sessions are ended."
            })
        ),
        (
            status = 401,
            description = "The access token is missing, invalid or expired, or its session has ended (`UNAUTHORIZED`, \
                           `TOKEN_EXPIRED`); or the current password is wrong (`INVALID_CREDENTIALS`).",
            body = ErrorBody,
            example = json!(wrong_password("current_password").example())
        ),
        ChangedMeanwhile,
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn change_password(
    State(auth): State<Auth>,
    caller: Caller<AuthLimit>,
    JsonBody(request): SmallBody<ChangePasswordRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    auth.replace_password(&caller, request.current_password.expose_secret(), request.new_password.expose_secret())
        .await?;
    auth.email_queued.notify_one();
    auth.authenticator.sessions.end_others(caller.user, Some(caller.session.id)).await?;
    SecurityEvent::SessionRevoked.log();
    Ok(Acknowledgement::new("Your password is changed; your other sessions are ended."))
}

/// Attempts to compare a password whose hash is replaced meanwhile: by a login, which raises the parameters of the hash,
/// or by another request of the same user.
pub(crate) const PASSWORD_ATTEMPTS: usize = 3;

/// Error of a password that was replaced after it was compared.
pub(crate) fn changed_meanwhile() -> ApiError {
    ApiError::new(Code::Conflict, "the password was changed by another request just now")
}

impl Auth {
    /// Replaces the caller's password, which must be `current`, by `new`, and ends the other sessions.
    ///
    /// # Errors
    /// 400 for a weak new password, 401 for a wrong current one, 409 if another request changes the password at the same time.
    async fn replace_password(&self, caller: &Caller<AuthLimit>, current: &str, new: &str) -> Result<(), ApiError> {
        let account = self.accounts.get(caller.user).await?.ok_or_else(ApiError::unauthorized)?;
        let new = self.new_password("new_password", new, &account.user).await?;
        self.demand_password(&account, "current_password", current).await?;
        let hash = self.passwords.hash(&new).await?;
        // Sessions are ended before and after the change. If they cannot be ended, the password stays as it is and the
        // client can retry. The second call ends sessions that were opened in between. Of two concurrent changes, the one
        // that fails has ended sessions too.
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

    /// Returns whether `presented` is the password of `account`.
    pub(crate) async fn is_password(&self, account: &Account, presented: &str) -> Result<bool, ApiError> {
        let verdict = self.passwords.verify(&Password::new_unchecked(presented), Some(&account.password_hash)).await?;
        Ok(verdict != PasswordCheck::Wrong)
    }

    /// Checks that a caller with a session also knows the password.
    ///
    /// # Errors
    /// 401 for a wrong password, 429 after too many of them.
    pub(crate) async fn demand_password(
        &self,
        account: &Account,
        field: &str,
        presented: &str,
    ) -> Result<(), ApiError> {
        self.limited(Attempt::confirmation(account.user.id), self.compare(account, field, presented)).await
    }

    /// Compares `presented`, which is in the field `field`, with the password of `account`.
    ///
    /// # Errors
    /// 401 if it is another one.
    pub(crate) async fn compare(&self, account: &Account, field: &str, presented: &str) -> Result<(), ApiError> {
        if self.is_password(account, presented).await? { Ok(()) } else { Err(wrong_password(field)) }
    }

    /// Checks the password `text` that `user` chooses in the field `field`.
    ///
    /// # Errors
    /// 400 if it is weak.
    pub(crate) async fn new_password(&self, field: &str, text: &str, user: &User) -> Result<Password, ApiError> {
        let password = Password::parse(text, user.into()).map_err(|message| invalid_field(field, message))?;
        self.refuse_breached(field, password).await
    }

    /// Returns `password`, which the field `field` has, unless it is known from a data breach.
    ///
    /// # Errors
    /// 400 if it is.
    pub(crate) async fn refuse_breached(&self, field: &str, password: Password) -> Result<Password, ApiError> {
        match &self.breached_passwords {
            Some(breached) if breached.contains(password.expose()).await => {
                let error = FieldError::new(field, "is known from a data breach; choose another");
                Err(ApiError::invalid(vec![error]))
            }
            _ => Ok(password),
        }
    }
}

/// Error of a request that confirms itself with the account's password, which is wrong in the field `field`.
pub(crate) fn wrong_password(field: &str) -> ApiError {
    let details = vec![FieldError::new(field, "is not the password of the account")];
    ApiError { details, ..ApiError::new(Code::InvalidCredentials, "the current password is wrong") }
}
