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
use crate::models::{ConflictRecord, FieldError};
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
    /// The name is taken, or the resource has changed since it was seen.
    Conflict,
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
            Self::Conflict => StatusCode::CONFLICT,
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

/// An answer that is an error. What the client reads and what the log keeps are two messages; the frame writes both,
/// for it knows the request's id.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// What went wrong.
    pub code: Code,
    /// The sentence that the client reads.
    pub message: Cow<'static, str>,
    /// The fields at fault.
    pub details: Vec<FieldError>,
    /// Seconds after which to try again.
    pub retry_after: Option<u32>,
    /// The conflict as it stands now, where one has moved on.
    pub conflict: Option<Box<ConflictRecord>>,
    /// What the log keeps besides.
    pub cause: Option<Arc<Cause>>,
}

/// What is behind an error, for the log.
#[derive(Debug)]
pub struct Cause {
    /// What went wrong, and why.
    pub text: String,
    /// Where, if it is a defect.
    pub backtrace: Option<Backtrace>,
}

impl Cause {
    fn of(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { text: scrubbed(&chain(&*cause.into())), backtrace: None }
    }
}

impl ApiError {
    /// An error with nothing but a sentence.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), retry_after: None, conflict: None, cause: None }
    }

    /// The request holds wrong fields.
    pub fn invalid(details: Vec<FieldError>) -> Self {
        let message = match details.as_slice() {
            [only] => format!("{} {}", only.field, only.message),
            many => format!("{} fields of the request are wrong; see details", many.len()),
        };
        Self { details, ..Self::new(Code::InvalidRequest, message) }
    }

    /// A defect; `cause` is for the log, together with the way to here.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let cause = Cause { backtrace: Some(Backtrace::force_capture()), ..Cause::of(cause) };
        Self { cause: Some(Arc::new(cause)), ..Self::panicked() }
    }

    /// A panic, which is in the log already.
    pub fn panicked() -> Self {
        let message = "something went wrong on our side; it has been logged under this request_id";
        Self::new(Code::InternalError, message)
    }

    /// An outage; `cause` is for the log.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let message = "the service is briefly unavailable; nothing was lost, try again soon";
        Self {
            retry_after: Some(RETRY_AFTER_OUTAGE),
            cause: Some(Arc::new(Cause::of(cause))),
            ..Self::new(Code::ServiceUnavailable, message)
        }
    }

    /// Who asks is nobody we know.
    pub fn unauthorized() -> Self {
        Self::new(Code::Unauthorized, "this needs a valid access token; log in")
    }

    /// There is no `what` here, or it is somebody else's.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// The body to send.
    pub fn body(&self, request_id: &str) -> ErrorBody {
        ErrorBody {
            error: true,
            code: self.code,
            message: self.message.to_string(),
            request_id: request_id.to_owned(),
            details: self.details.clone(),
            conflict: self.conflict.clone(),
        }
    }
}

/// The error of a request whose field `field` is wrong.
pub fn invalid_field(field: &str, message: impl Into<String>) -> ApiError {
    ApiError::invalid(vec![FieldError::new(field, message)])
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Self::unavailable(error),
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
    /// Status alone: [`super::framed`] finds the error in the extensions and writes the body.
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
}
