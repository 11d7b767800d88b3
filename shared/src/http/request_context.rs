use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::Request;
use http::Extensions;
use tracing::Span;

use super::rate_limit::ShownRateLimit;
use crate::models::UserId;
use crate::telemetry;

/// Facts about a request that extractors and handlers learn and middleware reports: in the access log, in response headers.
#[derive(Debug, Clone)]
pub(super) struct RequestContext {
    request_id: Arc<str>,
    span: Span,
    rate_limit: Arc<Mutex<Option<ShownRateLimit>>>,
}

impl RequestContext {
    /// Context of the request `request_id`, whose log lines belong to `span`.
    pub(super) fn new(request_id: &str, span: Span) -> Self {
        Self { request_id: request_id.into(), span, rate_limit: Arc::default() }
    }

    /// Context of the request with these extensions. Without middleware it is one that nothing reads.
    pub(super) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(|| Self::new("", Span::none()))
    }

    /// Makes this the context of `request`.
    pub(super) fn attach_to(&self, request: &mut Request) {
        request.extensions_mut().insert(self.clone());
    }

    pub(super) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Records the user for the log, under a pseudonym.
    pub(super) fn record_user(&self, user: UserId) {
        self.span.record("user", telemetry::pseudonym(user));
    }

    /// Records the device for the log.
    pub(super) fn record_device(&self, id: &str) {
        self.span.record("device", telemetry::device(id));
    }

    /// Rate limit that the response headers show, if the route has any.
    pub(super) fn rate_limit(&self) -> MutexGuard<'_, Option<ShownRateLimit>> {
        self.rate_limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
