use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::{Password, PasswordCheck};
use shared::http::{
    Anonymous, ApiError, AuthLimit, BodyErrors, Code, CommonErrors, ErrorBody, JsonBody, RateLimitScope, UserAgent,
    check_device_name,
};
use shared::models::{FieldError, Login};
use shared::storage::{Account, TokenHash};
use utoipa::ToSchema;

use crate::Auth;
use crate::tokens::Authenticated;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct LoginRequest {
    /// The user's name or e-mail address.
    #[schema(min_length = 1)]
    username: String,
    /// The user's password.
    #[schema(value_type = String, format = Password, min_length = 1)]
    password: SecretString,
    /// What to call the device among the user's sessions; by default its `User-Agent`.
    device: Option<String>,
}

/// Logs in.
#[utoipa::path(
    post,
    path = "/api/auth/login",
    tag = "auth",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "The user is logged in.", body = Authenticated),
        (status = 401, description = "Name and password do not belong together", body = ErrorBody),
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn login(
    State(auth): State<Auth>,
    visitor: Anonymous,
    agent: UserAgent,
    JsonBody(request): JsonBody<LoginRequest>,
) -> Result<Json<Authenticated>, ApiError> {
    let fields = [("username", &*request.username), ("password", request.password.expose_secret())];
    let empty = fields.into_iter().filter(|(_, value)| value.is_empty());
    let mut errors: Vec<FieldError> = empty.map(|(field, _)| FieldError::new(field, "must not be empty")).collect();
    errors.extend(check_device_name(request.device.as_deref()).err());
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let Ok(login) = request.username.parse::<Login>();
    let account = auth.accounts.find(&login).await?;
    if let Some(account) = &account {
        visitor.record_user(account.user.id);
    }
    auth.count_login(&visitor, &login, account.as_ref()).await?;
    let password = Password::new_unchecked(request.password.expose_secret());
    let hash = account.as_ref().map(|account| &account.password_hash);
    let verdict = auth.passwords.verify(&password, hash).await?;
    let account = account.filter(|_| verdict != PasswordCheck::Wrong).ok_or_else(invalid_credentials)?;
    let answer = auth.open_session(&account.user, request.device, agent, visitor.address).await?;
    auth.confirm(&account, request.password.expose_secret(), &answer).await?;
    if verdict == PasswordCheck::CorrectButOutdated {
        auth.rehash(&account, &password).await?;
    }
    Ok(Json(answer))
}

/// The same for an unknown user and for a wrong password.
pub(crate) fn invalid_credentials() -> ApiError {
    ApiError::new(Code::InvalidCredentials, "the name or the password is wrong")
}

impl Auth {
    /// Logins are also counted per account, by whatever name it is called, so that many addresses cannot guess at one.
    async fn count_login(&self, visitor: &Anonymous, login: &Login, account: Option<&Account>) -> Result<(), ApiError> {
        let key = match (account, login) {
            (Some(account), _) => format!("login:{}", account.user.id),
            (None, Login::Username(key) | Login::Email(key)) => {
                format!("login:{}", TokenHash::of(key.as_bytes()).as_str())
            }
        };
        visitor.take(&self.authenticator.rate_limits, key, AuthLimit::policy()).await
    }

    /// Looks again, now that the session is open, whether the account still has the password that was compared. Whoever
    /// changed it, or deleted the account, in the meantime has ended all sessions but this one. Another hash may be one of
    /// the same password, with raised parameters.
    async fn confirm(&self, account: &Account, presented: &str, opened: &Authenticated) -> Result<(), ApiError> {
        if let Some(now) = self.accounts.get(account.user.id).await? {
            let is_unchanged = now.password_hash.expose_secret() == account.password_hash.expose_secret();
            if is_unchanged || self.is_password(&now, presented).await? {
                return Ok(());
            }
        }
        self.authenticator.sessions.end(account.user.id, opened.session()).await?;
        Err(invalid_credentials())
    }

    /// The parameters were raised since the password was hashed, and only now is it at hand.
    async fn rehash(&self, account: &Account, password: &Password) -> Result<(), ApiError> {
        let hash = self.passwords.hash(password).await?;
        self.accounts.rehash(account.user.id, &account.password_hash, &hash).await?;
        Ok(())
    }
}
