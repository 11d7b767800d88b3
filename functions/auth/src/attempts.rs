//! Limits of wrong passwords. An attempt counts as failed until it has succeeded, so that concurrent attempts cannot exceed a limit.

use shared::auth::KnownDevice;
use shared::http::{ApiError, ClientAddress, Code};
use shared::models::{Login, UserId};
use shared::storage::{RateLimitPolicy, RateLimitRequest, TokenHash};

use crate::Auth;

/// Failures of one owner of a bucket: enough for typing errors, and less than 1,000 guesses a day.
const FAILURES: RateLimitPolicy = RateLimitPolicy { tokens: 10, seconds: 15 * 60 };

/// Failures of one name from all networks: far more, because each of them delays the user on a new device.
const FAILURES_OF_ALL_NETWORKS: RateLimitPolicy = RateLimitPolicy { tokens: 300, seconds: 15 * 60 };

/// Attempt to present a password.
pub(crate) struct Attempt(Vec<RateLimitRequest>);

impl Attempt {
    /// Login with `login` by a client at `address`.
    ///
    /// Counts by the normalised text of the login, whether or not the account exists. A user name and an email address have separate
    /// buckets, so the limits do not reveal that they belong to one account.
    pub(crate) fn login(login: &Login, address: &ClientAddress) -> Self {
        let (Login::Username(key) | Login::Email(key)) = login;
        let name = TokenHash::of(key.as_bytes());
        Self(vec![
            RateLimitRequest::new(format!("{{{}}}:login:{}", name.as_str(), address.network()), FAILURES),
            RateLimitRequest::new(format!("{{{}}}:login", name.as_str()), FAILURES_OF_ALL_NETWORKS),
        ])
    }

    /// Login on a device on which the user has logged in before. Failures of others do not count.
    pub(crate) fn login_on(device: KnownDevice) -> Self {
        Self(vec![RateLimitRequest::new(format!("{{{}}}:device:{}", device.user, device.device), FAILURES)])
    }

    /// Confirmation of a request about the account `user` with its password.
    pub(crate) fn confirmation(user: UserId) -> Self {
        Self(vec![RateLimitRequest::new(format!("{{{user}}}:password"), FAILURES)])
    }
}

impl Auth {
    /// Runs `check`, and leaves `attempt` counted as failed only if the password is wrong.
    ///
    /// # Errors
    /// 429 if too many attempts have failed; those of `check`.
    pub(crate) async fn limited<T>(
        &self,
        attempt: &Attempt,
        check: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let limits = &self.authenticator.rate_limits;
        if let Some(status) = limits.take_all(&attempt.0).await?.filter(|status| !status.taken) {
            let message = format!("too many wrong passwords; the next try is possible in {} seconds", status.next_in);
            return Err(ApiError {
                retry_after: Some(status.next_in),
                ..ApiError::new(Code::RateLimitExceeded, message)
            });
        }
        let result = check.await;
        let is_wrong = matches!(&result, Err(error) if error.code == Code::InvalidCredentials);
        if !is_wrong && limits.give_back(&attempt.0).await.is_err() {
            tracing::warn!("an attempt with the right password stays counted as failed");
        }
        result
    }
}
