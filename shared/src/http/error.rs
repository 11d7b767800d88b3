use std::backtrace::Backtrace;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

use crate::auth::HashingFailed;
use crate::error_text::{chain, scrubbed};
use crate::models::{ConflictRecord, FieldError};
use crate::storage::StoreError;

/// What went wrong, for a program to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = ErrorCode)]
pub enum Code {
    /// A field, or the whole body, is missing or wrong.
    InvalidRequest,
    /// There is no valid access token.
    Unauthorized,
    /// Name and password do not belong together.
    InvalidCredentials,
    /// The token was good once.
    TokenExpired,
    /// The refresh token was used before: the session has ended.
    RefreshTokenReused,
    /// The user may not do this.
    Forbidden,
    /// There is no such thing, or it is somebody else's.
    NotFound,
    /// The route does not take this method.
    MethodNotAllowed,
    /// The body is of a kind that is not understood.
    UnsupportedMediaType,
    /// The name is taken, or the thing has moved on.
    Conflict,
    /// The one-time link was used, or has expired.
    TokenSpent,
    /// The body is too large.
    PayloadTooLarge,
    /// Too many calls.
    RateLimitExceeded,
    /// A defect.
    InternalError,
    /// An outage.
    ServiceUnavailable,
}

impl fmt::Display for Code {
    /// As on the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Code {
    /// The one map from what went wrong to HTTP's status.
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

/// Seconds after which to try again when a store is out: long enough to let it breathe, short enough not to be noticed.
const RETRY_AFTER_OUTAGE: u32 = 5;

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

/// The body of every error.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody {
    /// Always `true`.
    pub error: bool,
    /// What went wrong, for a program.
    pub code: Code,
    /// What went wrong, for a person.
    pub message: String,
    /// The id under which this request is logged.
    pub request_id: String,
    /// The fields at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(nullable = false, required = false)]
    pub details: Vec<FieldError>,
    /// The conflict as it stands now, where one has moved on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub conflict: Option<Box<ConflictRecord>>,
}

/// What any endpoint may answer besides its own, for the OpenAPI document.
#[derive(IntoResponses)]
pub enum CommonErrors {
    /// The path or the query is wrong.
    #[response(status = 400)]
    InvalidRequest(ErrorBody),
    /// Too many calls.
    #[response(status = 429, headers(("Retry-After" = u32, description = "Seconds until the next call")))]
    RateLimitExceeded(ErrorBody),
    /// A defect.
    #[response(status = 500)]
    InternalError(ErrorBody),
    /// An outage.
    #[response(status = 503, headers(("Retry-After" = u32, description = "Seconds after which to try again")))]
    ServiceUnavailable(ErrorBody),
}

/// What an endpoint that asks for a token may answer besides, for the OpenAPI document.
#[derive(IntoResponses)]
pub enum AuthErrors {
    /// There is no valid access token, or its session has ended.
    #[response(status = 401)]
    Unauthorized(ErrorBody),
}

/// What an endpoint that takes a body may answer besides, for the OpenAPI document.
#[derive(IntoResponses)]
pub enum BodyErrors {
    /// The body is too large.
    #[response(status = 413)]
    PayloadTooLarge(ErrorBody),
    /// The body is of a kind that is not understood.
    #[response(status = 415)]
    UnsupportedMediaType(ErrorBody),
}
