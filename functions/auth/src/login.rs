use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::{KnownDevice, Password, PasswordCheck};
use shared::clock::random_uuid;
use shared::http::{
    ApiError, BodyErrors, Code, CommonErrors, ErrorBody, JsonBody, SmallBody, UncountedClient, UserAgent,
    check_device_name,
};
use shared::models::{FieldError, Login};
use shared::storage::Account;
use shared::telemetry::SecurityEvent;
use utoipa::ToSchema;

use crate::Auth;
use crate::attempts::Attempt;
use crate::examples;
use crate::tokens::Authenticated;

/// Credentials of a user.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct LoginRequest {
    /// User name or email address, compared without case.
    #[schema(min_length = 1, max_length = 256)]
    username: String,
    /// Password.
    #[schema(value_type = String, format = Password, min_length = 1)]
    password: SecretString,
    /// Name of the device in the list of sessions, cut to 128 characters; the `X-Client-Version` or `User-Agent` header by
    /// default.
    #[schema(pattern = r"^[^\x00]*$")]
    device: Option<String>,
    /// `device_token` of an earlier login on this device. With it, wrong passwords that others try do not delay the login. One that has
    /// expired, is of an earlier password or belongs to another account has no effect.
    #[schema(value_type = Option<String>, max_length = 1024, pattern = r"^[^\x00]*$")]
    device_token: Option<SecretString>,
}

/// Opens a session.
///
/// A user has at most 100 sessions; a further login ends the one that was used longest ago. Logins are limited per network, or per
/// user on a device that presents its `device_token`. Failed ones are limited further, by token buckets that are full after 15 minutes:
/// 10 per name and network, and 300 per name; on a device that presents its `device_token`, 10 per device instead.
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
    client: UncountedClient,
    agent: UserAgent,
    JsonBody(request): SmallBody<LoginRequest>,
) -> Result<Json<Authenticated>, ApiError> {
    let login = parse(&request)?;
    let (now, limits) = (auth.clock.now(), &auth.authenticator.rate_limits);
    let claimed = match &request.device_token {
        Some(token) => auth.authenticator.device_tokens.verify(token.expose_secret(), now).await,
        None => None,
    };
    if claimed.is_none() {
        client.count_network(limits).await?;
    }
    let account = auth.accounts.find(&login).await?;
    let owns = |known: &KnownDevice| {
        account.as_ref().is_some_and(|account| known.belongs_to(account.user.id, &account.password_hash))
    };
    let device = match claimed {
        Some(known) if owns(&known) => {
            client.count_login_of(limits, known.user).await?;
            Some(known)
        }
        Some(_) => {
            client.count_network(limits).await?;
            None
        }
        None => None,
    };
    if let Some(account) = &account {
        client.record_user(account.user.id);
    }
    let attempt = match &device {
        Some(known) => Attempt::login_on(known),
        None => Attempt::login(&login, &client.address),
    };
    let (account, response) = auth.limited(attempt, auth.log_in(account, request, agent, &client)).await?;
    SecurityEvent::LoginSucceeded.log();
    let device = device.map_or_else(|| random_uuid(&*auth.random), |known| known.device);
    let known = KnownDevice::new(account.user.id, device, &account.password_hash);
    Ok(Json(auth.with_device_token(response, &known)?))
}

/// Checks the fields of a login.
///
/// # Errors
/// 400 that names each invalid field.
fn parse(request: &LoginRequest) -> Result<Login, ApiError> {
    let login = request.username.parse::<Login>().map_err(|message| FieldError::new("username", message));
    let fields = [("username", &*request.username), ("password", request.password.expose_secret())];
    let empty = fields.into_iter().filter(|(_, value)| value.is_empty());
    let mut errors: Vec<FieldError> = empty.map(|(field, _)| FieldError::new(field, "must not be empty")).collect();
    errors.extend(check_device_name(request.device.as_deref()).err());
    match login {
        Ok(login) if errors.is_empty() => Ok(login),
        login => {
            errors.extend(login.err());
            Err(ApiError::invalid(errors))
        }
    }
}

/// Error of a login with an unknown user name or a wrong password.
pub(crate) fn invalid_credentials() -> ApiError {
    ApiError::new(Code::InvalidCredentials, "the name or the password is wrong")
}

impl Auth {
    /// Compares the password of `request` with that of `account`, which is `None` if there is no such account, and opens a session. Returns
    /// the account with the hash that it has then.
    ///
    /// # Errors
    /// 401 for a wrong password.
    async fn log_in(
        &self,
        account: Option<Account>,
        request: LoginRequest,
        agent: UserAgent,
        client: &UncountedClient,
    ) -> Result<(Account, Authenticated), ApiError> {
        let presented = request.password.expose_secret();
        let password = Password::new_unchecked(presented);
        let hash = account.as_ref().map(|account| &account.password_hash);
        let verdict = self.passwords.verify(&password, hash).await?;
        let mut account = account.filter(|_| verdict != PasswordCheck::Wrong).ok_or_else(invalid_credentials)?;
        let response = self.open_session(&account.user, request.device, agent, &client.address).await?;
        self.confirm(&account, presented, &response).await?;
        if verdict == PasswordCheck::CorrectButOutdated {
            account.password_hash = self.rehash(&account, &password).await?;
        }
        Ok((account, response))
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

    /// Hashes the password again with the current parameters, if the account still has its old hash. Returns the new one.
    async fn rehash(&self, account: &Account, password: &Password) -> Result<SecretString, ApiError> {
        let hash = self.passwords.hash(password).await?;
        self.accounts.rehash(account.user.id, &account.password_hash, &hash).await?;
        Ok(hash)
    }
}
