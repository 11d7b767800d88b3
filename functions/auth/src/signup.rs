use axum::Json;
use axum::extract::State;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::auth::{KnownDevice, Owner, Password};
use shared::clock::random_uuid;
use shared::http::{
    Anonymous, ApiError, BodyErrors, Code, CommonErrors, ErrorBody, JsonBody, SmallBody, UserAgent, check_device_name,
};
use shared::models::{EmailAddress, FieldError, User, UserId, Username};
use shared::placement::choose_database;
use shared::storage::{NewAccount, SignUpOutcome};
use utoipa::ToSchema;

use crate::Auth;
use crate::examples;
use crate::tokens::Authenticated;

/// A new account.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SignupRequest {
    /// User name: 1 to 64 visible characters of any script, without `@` and outer white space. Names are compared without case. Names
    /// such as `admin` are reserved.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\s@\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ue000-\uf8ff]([^@\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ue000-\uf8ff]*[^\s@\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ue000-\uf8ff])?$"
    )]
    username: String,
    /// Email address: at most 254 bytes. A link that confirms it is sent there.
    #[schema(format = IdnEmail, max_length = 254)]
    email: String,
    /// Password: 8 to 128 characters of any kind. It is none of the 100,000 most common passwords, and contains neither the user name nor
    /// the email address, with or without its domain, nor the name of the product (names from 4 letters).
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128, pattern = r"^[^\x00]*$")]
    password: SecretString,
    /// Name of the device in the list of sessions, cut to 128 characters; the `X-Client-Version` or `User-Agent` header by
    /// default.
    #[schema(pattern = r"^[^\x00]*$")]
    device: Option<String>,
}

/// Creates an account.
///
/// Opens a session and emails a link that confirms the address.
#[utoipa::path(
    post,
    path = "/api/auth/signup",
    tag = "auth",
    request_body(
        content = SignupRequest,
        example = json!({
            "username": "ada",
            "email": "ada@example.com",
            "password": examples::PASSWORD,
            "device": "laptop"
        })
    ),
    responses(
        (
            status = 201,
            description = "The account exists, and a session is open.",
            body = Authenticated,
            example = json!(examples::authenticated())
        ),
        (
            status = 409,
            description = "The user name or the email address is taken. `details` name the field.",
            body = ErrorBody,
            example = json!(taken("username").example())
        ),
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn signup(
    State(auth): State<Auth>,
    Anonymous(client): Anonymous,
    agent: UserAgent,
    JsonBody(request): SmallBody<SignupRequest>,
) -> Result<(StatusCode, Json<Authenticated>), ApiError> {
    let (username, email, password) = parse(&request)?;
    let password = auth.refuse_breached("password", password).await?;
    let password_hash = auth.passwords.hash(&password).await?;
    let created_at = auth.clock.now();
    let id = UserId::new(random_uuid(&*auth.random));
    let database = choose_database(id, &auth.placements.database_set().await?.members);
    let account = NewAccount { id, username, email, password_hash, created_at, database };
    match auth.accounts.create(&account).await? {
        SignUpOutcome::Created => {}
        SignUpOutcome::UsernameTaken => return Err(taken("username")),
        SignUpOutcome::EmailTaken => return Err(taken("email")),
    }
    let NewAccount { id, username, email, password_hash, created_at, database } = account;
    let user = User { id, username, email, email_verified_at: None, created_at, database };
    auth.email_queued.notify_one();
    let response = auth.open_session(&user, request.device, agent, &client.address).await?;
    let known = KnownDevice::new(user.id, random_uuid(&*auth.random), &password_hash);
    Ok((StatusCode::CREATED, Json(auth.with_device_token(response, &known)?)))
}

fn parse(request: &SignupRequest) -> Result<(Username, EmailAddress, Password), ApiError> {
    let username = Username::parse(&request.username).map_err(|message| FieldError::new("username", message));
    let email = EmailAddress::parse(&request.email).map_err(|message| FieldError::new("email", message));
    let owner = Owner { username: username.as_ref().ok(), email: email.as_ref().ok() };
    let password = Password::parse(request.password.expose_secret(), owner)
        .map_err(|message| FieldError::new("password", message));
    match (username, email, password, check_device_name(request.device.as_deref())) {
        (Ok(username), Ok(email), Ok(password), Ok(())) => Ok((username, email, password)),
        (username, email, password, device) => {
            let errors = [username.err(), email.err(), password.err(), device.err()];
            Err(ApiError::invalid(errors.into_iter().flatten().collect()))
        }
    }
}

fn taken(field: &str) -> ApiError {
    let details = vec![FieldError::new(field, "is taken")];
    ApiError { details, ..ApiError::new(Code::Conflict, format!("this {field} is taken")) }
}
