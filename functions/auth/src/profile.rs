use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use shared::deletion::Remains;
use shared::http::{ApiError, AuthCalls, BodyFailures, Caller, ErrorBody, Failures, JsonBody, TokenFailures};
use shared::models::UserId;
use utoipa::ToSchema;

use crate::Auth;
use crate::change_password::{PASSWORD_ATTEMPTS, changed_meanwhile};
use crate::service::{Done, UserRecord};

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
    responses((status = 200, description = "The account.", body = Profile), TokenFailures, Failures)
)]
pub(crate) async fn show(State(auth): State<Auth>, caller: Caller<AuthCalls>) -> Result<Json<Profile>, ApiError> {
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
        (status = 200, description = "The account is deleted.", body = Done),
        (status = 401, description = "No valid token, or the password is wrong", body = ErrorBody),
        BodyFailures,
        Failures
    )
)]
pub(crate) async fn delete(
    State(auth): State<Auth>,
    caller: Caller<AuthCalls>,
    JsonBody(request): JsonBody<DeleteAccountRequest>,
) -> Result<Json<Done>, ApiError> {
    auth.begin_deletion(caller.user, request.password.expose_secret()).await?;
    let remains = Remains { accounts: &*auth.deletions, sessions: &*auth.gate.sessions, data: &*auth.data };
    Ok(if remains.remove(caller.user, auth.clock.now(), BATCHES).await? {
        Done::because("Your account and all its data are deleted.")
    } else {
        Done::because("Your account is deleted; the rest of its data is being removed.")
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
