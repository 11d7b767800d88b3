use std::backtrace::Backtrace;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::HashingFailed;
use crate::error_text::{chain, scrubbed};
use crate::models::{ConflictRecord, CurrentRecord, FieldError};
use crate::storage::StoreError;

/// Kind of error. `Code::status` maps it to the HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = ErrorCode)]
pub enum Code {
    /// A field, a parameter or the whole body is missing or invalid.
    InvalidRequest,
    /// The access token is missing or invalid, or its session has ended.
    Unauthorized,
    /// The user name or the password is wrong.
    InvalidCredentials,
    /// The access token has expired.
    TokenExpired,
    /// The refresh token was used before, so its session was ended.
    RefreshTokenReused,
    /// The API key of the client application is missing or unknown.
    Forbidden,
    /// The resource does not exist or belongs to another user.
    NotFound,
    /// The route does not support the method.
    MethodNotAllowed,
    /// The content type or encoding of the body is not supported.
    UnsupportedMediaType,
    /// The body arrived too slowly.
    RequestTimeout,
    /// The name is taken, or the resource has changed since it was seen.
    Conflict,
    /// The request would make the account larger than its quota.
    QuotaExceeded,
    /// The one-time link was used or replaced, or has expired.
    TokenSpent,
    /// The body is too large.
    PayloadTooLarge,
    /// The rate limit is exceeded.
    RateLimitExceeded,
    /// A defect of the server.
    InternalError,
    /// A store is unreachable, or the request took too long.
    ServiceUnavailable,
}

impl fmt::Display for Code {
    /// As on the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Code {
    /// Returns the HTTP status of the error.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized | Self::InvalidCredentials | Self::TokenExpired | Self::RefreshTokenReused => {
                StatusCode::UNAUTHORIZED
            }
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict | Self::QuotaExceeded => StatusCode::CONFLICT,
            Self::TokenSpent => StatusCode::GONE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RateLimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// `Retry-After` of an outage, in seconds: long enough for a store to recover, short enough to go unnoticed.
pub(super) const RETRY_AFTER_OUTAGE: u32 = 5;

/// An error response. The client and the log get separate texts. Middleware writes both, because it knows the id of the
/// request.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// Kind of error.
    pub code: Code,
    /// Message for the client.
    pub message: Cow<'static, str>,
    /// Invalid fields of the request.
    pub details: Vec<FieldError>,
    /// Value of `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// Current state of a conflict that has changed since the client saw it.
    pub conflict: Option<Box<ConflictRecord>>,
    /// Current state of an item that has changed since the client saw it.
    pub current: Option<Box<CurrentRecord>>,
    /// Cause, for the log only.
    pub cause: Option<Arc<Cause>>,
}

/// Cause of an error, for the log.
#[derive(Debug)]
pub struct Cause {
    /// Text of the error and its sources, without addresses.
    pub text: String,
    /// Backtrace of a defect.
    pub backtrace: Option<Backtrace>,
}

impl Cause {
    fn of(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { text: scrubbed(&chain(&*cause.into())), backtrace: None }
    }
}

impl ApiError {
    /// Creates an error with a message only.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
            retry_after: None,
            conflict: None,
            current: None,
            cause: None,
        }
    }

    /// 400 for invalid fields.
    pub fn invalid(details: Vec<FieldError>) -> Self {
        let message = match details.as_slice() {
            [only] => format!("{} {}", only.field, only.message),
            many => format!("{} fields of the request are wrong; see details", many.len()),
        };
        Self { details, ..Self::new(Code::InvalidRequest, message) }
    }

    /// 500 for a defect. `cause` and a backtrace are logged.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let cause = Cause { backtrace: Some(Backtrace::force_capture()), ..Cause::of(cause) };
        Self { cause: Some(Arc::new(cause)), ..Self::panicked() }
    }

    /// 500 for a panic, which the panic hook has logged.
    pub fn panicked() -> Self {
        let message = "something went wrong on our side; it has been logged under this request_id";
        Self::new(Code::InternalError, message)
    }

    /// 503 for an outage. `cause` is logged.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let message = "the service is briefly unavailable; nothing was lost, try again soon";
        Self {
            retry_after: Some(RETRY_AFTER_OUTAGE),
            cause: Some(Arc::new(Cause::of(cause))),
            ..Self::new(Code::ServiceUnavailable, message)
        }
    }

    /// 401 for a missing or invalid access token.
    pub fn unauthorized() -> Self {
        Self::new(Code::Unauthorized, "this needs a valid access token; log in")
    }

    /// 404 for a `what` that does not exist or belongs to another user.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// 409 for a request that would make the account larger than its quota.
    pub fn quota_exceeded() -> Self {
        let message = "the account has no room for this; delete what is not needed, or wait until old versions expire";
        Self::new(Code::QuotaExceeded, message)
    }

    /// 429 for a request that is possible again in `retry_after` seconds.
    pub fn rate_limit_exceeded(message: String, retry_after: u32) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Code::RateLimitExceeded, message) }
    }

    /// Returns the body of the response.
    pub fn body(&self, request_id: &str) -> ErrorBody {
        ErrorBody {
            error: true,
            code: self.code,
            message: self.message.to_string(),
            request_id: request_id.to_owned(),
            details: self.details.clone(),
            conflict: self.conflict.clone(),
            current: self.current.clone(),
        }
    }
}

/// Returns a 400 for one invalid field.
pub fn invalid_field(field: &str, message: impl Into<String>) -> ApiError {
    ApiError::invalid(vec![FieldError::new(field, message)])
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } | StoreError::Moved { .. } => Self::unavailable(error),
            StoreError::AccountDeleted => Self::unauthorized(),
            StoreError::TooLarge => {
                let message = "this touches more data than one request may load; send fewer changes at once";
                Self::new(Code::PayloadTooLarge, message)
            }
            StoreError::Corrupt { .. } | StoreError::Refused { .. } => Self::internal(error),
        }
    }
}

impl From<HashingFailed> for ApiError {
    fn from(error: HashingFailed) -> Self {
        Self::unavailable(error)
    }
}

impl IntoResponse for ApiError {
    /// Returns the status only. The middleware `error_body` finds the error in the extensions and writes the body.
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Body of every error response.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody {
    /// Always `true`.
    pub error: bool,
    /// Kind of error, for a program.
    pub code: Code,
    /// Cause and remedy, for a person.
    pub message: String,
    /// Id under which the request is logged.
    #[schema(format = Uuid, max_length = 36)]
    pub request_id: String,
    /// Invalid fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(nullable = false, required = false, max_items = 10)]
    pub details: Vec<FieldError>,
    /// Current state of the conflict that the request would have resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub conflict: Option<Box<ConflictRecord>>,
    /// Current state of the item that the request would have changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub current: Option<Box<CurrentRecord>>,
}
