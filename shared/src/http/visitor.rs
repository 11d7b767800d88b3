use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;

use super::authenticator::{AuthLimit, Authenticator, RateLimitScope};
use super::frame::Notes;
use super::{ApiError, frame};
use crate::models::UserId;
use crate::storage::RateLimitStatus;

/// Where a request comes from, as the one who accepted the connection knows it: the socket's peer, or what API Gateway
/// says. Never a header that a client can write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAddress(pub String);

impl ClientAddress {
    pub(super) fn of(parts: &Parts) -> Self {
        parts.extensions.get().cloned().unwrap_or_else(|| Self("unknown".to_owned()))
    }
}

/// Somebody who has shown no token: one call of those that their address has.
#[derive(Debug, Clone)]
pub struct Anonymous {
    /// Where they come from.
    pub address: ClientAddress,
    notes: Notes,
}

impl Anonymous {
    /// Says how a further bucket stands that this call took a token of.
    ///
    /// # Errors
    /// When it is empty.
    pub fn count(&self, bucket: RateLimitStatus) -> Result<(), ApiError> {
        frame::note(&self.notes, bucket)
    }

    /// Says, for the log, who it turned out to be.
    pub fn record_user(&self, user: UserId) {
        self.notes.user(user);
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Anonymous
where
    Arc<Authenticator>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let authenticator = Arc::<Authenticator>::from_ref(state);
        let address = ClientAddress::of(parts);
        let notes = Notes::of(parts);
        frame::announce(parts, AuthLimit::policy());
        let rate_limit =
            AuthLimit::key(None, &address).and_then(|key| authenticator.rate_limit(key, AuthLimit::policy()));
        if let Some(rate_limit) = rate_limit {
            let bucket = authenticator.rate_limiter.take(&rate_limit, authenticator.clock.now()).await?;
            frame::note(&notes, bucket)?;
        }
        Ok(Self { address, notes })
    }
}
