use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use shared::account_eraser::AccountEraser;
use shared::http::{ApiError, AuthErrors, AuthLimit, BodyErrors, Caller, CommonErrors, ErrorBody, JsonBody};
use shared::models::UserId;
use utoipa::ToSchema;

use crate::Auth;
use crate::change_password::{PASSWORD_ATTEMPTS, changed_meanwhile};
use crate::service::{Acknowledgement, UserRecord};

/// Batches of data that the request itself removes; the purge removes the rest of a large account.
const BATCHES: usize = 100;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Profile {
    /// The account.
    user: UserRecord,
}

/// Shows the account.
#[utoipa::path(
    get,
    path = "/api/auth/profile",
    operation_id = "show_profile",
    tag = "auth",
    security(("bearer" = [])),
    responses((status = 200, description = "The account.", body = Profile), AuthErrors, CommonErrors)
)]
pub(crate) async fn show(State(auth): State<Auth>, caller: Caller<AuthLimit>) -> Result<Json<Profile>, ApiError> {
    let account = auth.accounts.get(caller.user).await?.ok_or_else(ApiError::unauthorized)?;
    Ok(Json(Profile { user: (&account.user).into() }))
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct DeleteAccountRequest {
    /// The account's password: a stolen session must not suffice.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// Deletes the account and all its data. Its name and address are free at once.
#[utoipa::path(
    delete,
    path = "/api/auth/profile",
    operation_id = "delete_profile",
    tag = "auth",
    security(("bearer" = [])),
    request_body = DeleteAccountRequest,
    responses(
        (status = 200, description = "The account is deleted.", body = Acknowledgement),
        (status = 401, description = "No valid token, or the password is wrong", body = ErrorBody),
        BodyErrors,
        CommonErrors
    )
)]
pub(crate) async fn delete(
    State(auth): State<Auth>,
    caller: Caller<AuthLimit>,
    JsonBody(request): JsonBody<DeleteAccountRequest>,
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
    /// Begins the deletion of `user`'s account for a caller who knows its password. Where it has begun already, because an
    /// earlier request was interrupted or another one is under way, there is no password any more, and nothing to begin.
    async fn begin_deletion(&self, user: UserId, password: &str) -> Result<(), ApiError> {
        for _ in 0..PASSWORD_ATTEMPTS {
            let Some(account) = self.accounts.get(user).await? else { return Ok(()) };
            self.demand_password(&account, password).await?;
            if self.deletions.begin_deletion(user, &account.password_hash, self.clock.now()).await? {
                return Ok(());
            }
        }
        Err(changed_meanwhile())
    }
}
