//! Limits of wrong passwords. An attempt counts as failed until it has succeeded, so that concurrent attempts cannot exceed a limit.

use std::sync::Arc;

use shared::auth::KnownDevice;
use shared::http::{ApiError, Authenticator, ClientAddress, Code};
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
    pub(crate) fn login_on(device: &KnownDevice) -> Self {
        Self(vec![RateLimitRequest::new(format!("{{{}}}:device:{}", device.user, device.device), FAILURES)])
    }

    /// Confirmation of a request about the account `user` with its password.
    pub(crate) fn confirmation(user: UserId) -> Self {
        Self(vec![RateLimitRequest::new(format!("{{{user}}}:password"), FAILURES)])
    }

    /// Confirmation of an email address with the password of the account `user`. The holder of a link is not the user.
    pub(crate) fn confirmation_by_link(user: UserId) -> Self {
        Self(vec![RateLimitRequest::new(format!("{{{user}}}:link"), FAILURES)])
    }
}

impl Auth {
    /// Runs `check`, and leaves `attempt` counted as failed only if the password is wrong: not if a store fails, nor if the request is
    /// abandoned.
    ///
    /// # Errors
    /// 429 if too many attempts have failed; those of `check`.
    pub(crate) async fn limited<T>(
        &self,
        attempt: Attempt,
        check: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let limits = &self.authenticator.rate_limits;
        if let Some(status) = limits.take_all(&attempt.0).await?.filter(|status| !status.taken) {
            let message = format!("too many wrong passwords; the next try is possible in {} seconds", status.next_in);
            return Err(ApiError::rate_limit_exceeded(message, status.next_in));
        }
        let mut taken = Taken { authenticator: Arc::clone(&self.authenticator), buckets: attempt.0 };
        let result = check.await;
        if matches!(&result, Err(error) if error.code == Code::InvalidCredentials) {
            taken.buckets.clear();
        }
        taken.give_back().await;
        result
    }
}

/// Tokens that are given back, at the latest when this is dropped.
struct Taken {
    authenticator: Arc<Authenticator>,
    buckets: Vec<RateLimitRequest>,
}

impl Taken {
    async fn give_back(&mut self) {
        let buckets = std::mem::take(&mut self.buckets);
        if !buckets.is_empty() && self.authenticator.rate_limits.give_back(&buckets).await.is_err() {
            tracing::warn!("an attempt that did not fail stays counted as failed");
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.buckets.is_empty() {
            return;
        }
        let buckets = std::mem::take(&mut self.buckets);
        let mut abandoned = Self { authenticator: Arc::clone(&self.authenticator), buckets };
        tokio::spawn(async move { abandoned.give_back().await });
    }
}
