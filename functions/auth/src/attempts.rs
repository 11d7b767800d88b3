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
    /// Counts by the text that the client typed, whether or not there is such an account: a name and an address do not show that they
    /// belong together.
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
    /// Counts `attempt` as failed.
    ///
    /// # Errors
    /// 429 if too many have failed.
    pub(crate) async fn count_failure(&self, attempt: &Attempt) -> Result<(), ApiError> {
        match self.authenticator.rate_limits.take_all(&attempt.0).await? {
            Some(status) if !status.taken => {
                let message =
                    format!("too many wrong passwords; the next try is possible in {} seconds", status.next_in);
                Err(ApiError { retry_after: Some(status.next_in), ..ApiError::new(Code::RateLimitExceeded, message) })
            }
            _ => Ok(()),
        }
    }

    /// Takes back that `attempt` has failed.
    pub(crate) async fn count_success(&self, attempt: &Attempt) -> Result<(), ApiError> {
        self.authenticator.rate_limits.give_back(&attempt.0).await
    }
}
