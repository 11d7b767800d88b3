use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use shared::account_eraser::AccountEraser;
use shared::http::{ApiError, AuthErrors, AuthLimit, BodyErrors, Caller, CommonErrors, ErrorBody, JsonBody, SmallBody};
use shared::models::UserId;
use utoipa::ToSchema;

use crate::Auth;
use crate::change_password::{PASSWORD_ATTEMPTS, changed_meanwhile, wrong_password};
use crate::examples;
use crate::responses::ChangedMeanwhile;
use crate::service::{Acknowledgement, UserRecord};

/// Maximum number of batches of data that the request itself removes. The purge removes the rest of a large account.
const BATCHES: usize = 100;

/// Account of the user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Profile {
    /// Account.
    user: UserRecord,
}

/// Returns the account.
///
/// The account is the one that the access token belongs to.
#[utoipa::path(
    get,
    path = "/api/auth/profile",
    operation_id = "show_profile",
    tag = "auth",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The account.", body = Profile, example = json!({ "user": examples::user() })),
        AuthErrors,
        CommonErrors
    )
)]
pub(crate) async fn show(State(auth): State<Auth>, caller: Caller<AuthLimit>) -> Result<Json<Profile>, ApiError> {
    let account = auth.accounts.get(caller.user).await?.ok_or_else(ApiError::unauthorized)?;
    Ok(Json(Profile { user: (&account.user).into() }))
}

/// Confirmation of the deletion of an account.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct DeleteAccountRequest {
    /// Password of the account: a stolen access token is not enough to delete it.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// Deletes the account.
///
/// Removes all data of the user from every store. The user name and the email address are free at once. An interrupted
/// deletion completes by itself.
#[utoipa::path(
    delete,
    path = "/api/auth/profile",
    operation_id = "delete_profile",
    tag = "auth",
    security(("bearer" = [])),
    request_body(content = DeleteAccountRequest, example = json!({ "password": examples::PASSWORD })),
    responses(
        (
            status = 200,
            description = "The account is deleted.",
            body = Acknowledgement,
            example = json!({ "success": true, "message": "Your account and all its data are deleted." })
        ),
        (
            status = 401,
            description = "The access token is missing, invalid or expired, or its session has ended (`UNAUTHORIZED`, \
                           `TOKEN_EXPIRED`); or the password is wrong (`INVALID_CREDENTIALS`).",
            body = ErrorBody,
            example = json!(wrong_password("password").example())
        ),
        ChangedMeanwhile,
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn delete(
    State(auth): State<Auth>,
    caller: Caller<AuthLimit>,
    JsonBody(request): SmallBody<DeleteAccountRequest>,
) -> Result<Json<Acknowledgement>, ApiError> {
    auth.begin_deletion(caller.user, request.password.expose_secret()).await?;
    let eraser =
        AccountEraser { accounts: &*auth.deletions, sessions: &*auth.authenticator.sessions, data: &*auth.data };
    Ok(if eraser.remove(caller.user, auth.clock.now(), BATCHES).await? {
        Acknowledgement::new("Your account and all its data are deleted.")
    } else {
        Acknowledgement::new("Your account is deleted; the rest of its data is being removed.")
    })
}

impl Auth {
    /// Begins the deletion of `user`'s account. Does nothing if the deletion has begun: an earlier request was interrupted
    /// or a concurrent one is running, and the account has no password any more.
    ///
    /// # Errors
    /// 401 for a wrong password, 409 if another request changes the password at the same time.
    async fn begin_deletion(&self, user: UserId, password: &str) -> Result<(), ApiError> {
        for _ in 0..PASSWORD_ATTEMPTS {
            let Some(account) = self.accounts.get(user).await? else { return Ok(()) };
            self.demand_password(&account, "password", password).await?;
            if self.deletions.begin_deletion(user, &account.password_hash, self.clock.now()).await? {
                return Ok(());
            }
        }
        Err(changed_meanwhile())
    }
}
