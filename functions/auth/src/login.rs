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
use crate::examples;
use crate::tokens::Authenticated;

/// Credentials of a user.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct LoginRequest {
    /// User name or email address, compared without case.
    #[schema(min_length = 1)]
    username: String,
    /// Password.
    #[schema(value_type = String, format = Password, min_length = 1)]
    password: SecretString,
    /// Name of the device in the list of sessions, cut to 128 characters; the `X-Client-Version` or `User-Agent` header by
    /// default.
    #[schema(pattern = r"^[^\x00]*$")]
    device: Option<String>,
}

/// Opens a session.
///
/// A user has at most 100 sessions; a further login ends the one that was used longest ago. Logins are limited per client
/// address and per account.
#[utoipa::path(
    post,
    path = "/api/auth/login",
    tag = "auth",
    request_body(
        content = LoginRequest,
        example = json!({ "username": "ada", "password": examples::PASSWORD, "device": "laptop" })
    ),
    responses(
        (
            status = 200,
            description = "The session is open.",
            body = Authenticated,
            example = json!(examples::authenticated())
        ),
        (
            status = 401,
            description = "The user name or the password is wrong. The response is the same for both.",
            body = ErrorBody,
            example = json!(invalid_credentials().example())
        ),
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn login(
    State(auth): State<Auth>,
    client: Anonymous,
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
        client.record_user(account.user.id);
    }
    auth.count_login(&client, &login, account.as_ref()).await?;
    let password = Password::new_unchecked(request.password.expose_secret());
    let hash = account.as_ref().map(|account| &account.password_hash);
    let verdict = auth.passwords.verify(&password, hash).await?;
    let account = account.filter(|_| verdict != PasswordCheck::Wrong).ok_or_else(invalid_credentials)?;
    let response = auth.open_session(&account.user, request.device, agent, client.address).await?;
    auth.confirm(&account, request.password.expose_secret(), &response).await?;
    if verdict == PasswordCheck::CorrectButOutdated {
        auth.rehash(&account, &password).await?;
    }
    Ok(Json(response))
}

/// Error of a login with an unknown user name or a wrong password.
pub(crate) fn invalid_credentials() -> ApiError {
    ApiError::new(Code::InvalidCredentials, "the name or the password is wrong")
}

impl Auth {
    /// Counts a login against the account's rate limit, so that many addresses cannot guess one password. The user name and
    /// the email address of an account share one bucket.
    ///
    /// # Errors
    /// 429 if the bucket is empty.
    async fn count_login(&self, client: &Anonymous, login: &Login, account: Option<&Account>) -> Result<(), ApiError> {
        let key = match (account, login) {
            (Some(account), _) => format!("login:{}", account.user.id),
            (None, Login::Username(key) | Login::Email(key)) => {
                format!("login:{}", TokenHash::of(key.as_bytes()).as_str())
            }
        };
        client.take(&self.authenticator.rate_limits, key, AuthLimit::policy()).await
    }

    /// Checks, after the session is open, that the account still has the password that was compared. A password change or
    /// account deletion in between ended all sessions but this one. Another hash may be one of the same password, with
    /// raised parameters.
    ///
    /// # Errors
    /// 401 if the password is no longer valid; the session is ended.
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

    /// Hashes the password again with the current parameters, if the account still has its old hash.
    async fn rehash(&self, account: &Account, password: &Password) -> Result<(), ApiError> {
        let hash = self.passwords.hash(password).await?;
        self.accounts.rehash(account.user.id, &account.password_hash, &hash).await?;
        Ok(())
    }
}
