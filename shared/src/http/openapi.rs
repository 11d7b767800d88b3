//! The parts of the OpenAPI document that many operations share: error responses and headers.

use std::collections::BTreeMap;
use std::iter::once;

use serde_json::json;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Components, Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use super::error::{ApiError, Code, ErrorBody, RETRY_AFTER_OUTAGE};
use super::rate_limit::RATES_PER_MINUTE;

/// Request id in the examples of the document.
const EXAMPLE_REQUEST_ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

/// Seconds in a day: the longest `Retry-After`, which API Gateway sends when the monthly quota is used up.
const DAY: u32 = 86_400;

/// Headers of every response.
const COMMON_HEADERS: [&str; 2] = ["Access-Control-Allow-Origin", "X-Request-Id"];

/// Headers of every response of a rate-limited operation. `RateLimit` is described in words: linters demand either it or the older ones.
const RATE_LIMIT_HEADERS: [&str; 4] = ["RateLimit-Limit", "RateLimit-Policy", "RateLimit-Remaining", "RateLimit-Reset"];

/// An error response in `components/responses`.
struct SharedError {
    /// Name of the component.
    name: &'static str,
    description: &'static str,
    /// Headers besides the common ones.
    headers: &'static [&'static str],
    /// The error of the example.
    example: fn() -> ApiError,
}

const INVALID_REQUEST: SharedError = SharedError {
    name: "InvalidRequest",
    description: "A parameter, the body or one of its fields is missing or invalid. `details` names the fields.",
    headers: &RATE_LIMIT_HEADERS,
    example: || super::invalid_field("limit", "must be a whole number from 1 to 1000"),
};
const UNAUTHORIZED: SharedError = SharedError {
    name: "Unauthorized",
    description: "The access token is missing, invalid (`UNAUTHORIZED`) or expired (`TOKEN_EXPIRED`), or its session has \
                  ended (`UNAUTHORIZED`).",
    headers: &RATE_LIMIT_HEADERS,
    example: ApiError::unauthorized,
};
const FORBIDDEN: SharedError = SharedError {
    name: "Forbidden",
    description: "Behind API Gateway only: `X-Api-Key` is missing or not the key of a client application.",
    headers: &[],
    example: || ApiError::new(Code::Forbidden, "The X-Api-Key header must hold the key of a client application."),
};
const REQUEST_TIMEOUT: SharedError = SharedError {
    name: "RequestTimeout",
    description: "Without API Gateway only: the body did not arrive within 20 s. The connection is closed.",
    headers: &RATE_LIMIT_HEADERS,
    example: || ApiError::new(Code::RequestTimeout, "the body did not arrive within 20 seconds; send less at once"),
};
const PAYLOAD_TOO_LARGE: SharedError = SharedError {
    name: "PayloadTooLarge",
    description: "The body is too large after decompression, or the request needs more stored data than one request may \
                  load.",
    headers: &RATE_LIMIT_HEADERS,
    example: || ApiError::new(Code::PayloadTooLarge, "the body must have at most 10485760 bytes, decompressed"),
};
const UNSUPPORTED_MEDIA_TYPE: SharedError = SharedError {
    name: "UnsupportedMediaType",
    description: "`Content-Type` or `Content-Encoding` is not supported, or a body comes without a `Content-Type`.",
    headers: &RATE_LIMIT_HEADERS,
    example: || ApiError::new(Code::UnsupportedMediaType, "Content-Encoding must be gzip, zstd or identity"),
};
const RATE_LIMIT_EXCEEDED: SharedError = SharedError {
    name: "RateLimitExceeded",
    description: "Too many calls. The rate-limit headers are absent if API Gateway itself refused the call.",
    headers: &["RateLimit-Limit", "RateLimit-Policy", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After"],
    example: || ApiError::new(Code::RateLimitExceeded, "too many calls; the next one is possible in 6 seconds"),
};
const THROTTLED: SharedError = SharedError {
    name: "Throttled",
    description: "Behind API Gateway only: more calls than the API as a whole, or the client application, may make.",
    headers: &["Retry-After"],
    example: || ApiError::new(Code::RateLimitExceeded, "Too many calls; try again in a moment."),
};
const INTERNAL_ERROR: SharedError = SharedError {
    name: "InternalError",
    description: "A defect of the server. It is logged under `request_id`.",
    headers: &[],
    example: ApiError::panicked,
};
const SERVICE_UNAVAILABLE: SharedError = SharedError {
    name: "ServiceUnavailable",
    description: "A store is unreachable, or the request took longer than 25 s. Nothing that was accepted is lost.",
    headers: &["Retry-After"],
    example: || ApiError::unavailable("a store is unreachable"),
};

const SHARED_ERRORS: [SharedError; 10] = [
    INVALID_REQUEST,
    UNAUTHORIZED,
    FORBIDDEN,
    REQUEST_TIMEOUT,
    PAYLOAD_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    RATE_LIMIT_EXCEEDED,
    THROTTLED,
    INTERNAL_ERROR,
    SERVICE_UNAVAILABLE,
];

/// Defines a set of references to [`SHARED_ERRORS`] for the `responses` of an operation.
macro_rules! error_set {
    ($(#[$doc:meta])* $name:ident: $($error:ident),+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([$($error.reference()),+])
            }
        }
    };
}

error_set! {
    /// Errors of a rate-limited operation that needs the API key of a client application behind API Gateway.
    CommonErrors: FORBIDDEN, RATE_LIMIT_EXCEEDED, INTERNAL_ERROR, SERVICE_UNAVAILABLE
}
error_set! {
    /// Errors of a rate-limited operation that never needs an API key: the pages behind emailed links call it.
    KeylessErrors: RATE_LIMIT_EXCEEDED, INTERNAL_ERROR, SERVICE_UNAVAILABLE
}
error_set! {
    /// Errors of an operation without a rate limit of its own and without an API key.
    UnlimitedErrors: THROTTLED, INTERNAL_ERROR, SERVICE_UNAVAILABLE
}
error_set! {
    /// Error of an operation that needs an API key behind API Gateway.
    KeyErrors: FORBIDDEN
}
error_set! {
    /// Error of an operation that needs an access token.
    AuthErrors: UNAUTHORIZED
}
error_set! {
    /// Error of an operation that reads the query.
    QueryErrors: INVALID_REQUEST
}
error_set! {
    /// Errors of an operation that reads a body.
    BodyErrors: INVALID_REQUEST, REQUEST_TIMEOUT, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE
}

impl SharedError {
    /// Returns the status and a reference to the component.
    fn reference(&self) -> (String, RefOr<Response>) {
        let status = (self.example)().code.status().as_str().to_owned();
        (status, Ref::from_response_name(self.name).into())
    }

    fn response(&self) -> Response {
        let mut content = Content::new(Some(Ref::from_schema_name("Error")));
        content.example = Some(json!((self.example)().example()));
        let mut response = ResponseBuilder::new().description(self.description).build();
        response.content.insert("application/json".to_owned(), content.into());
        add_headers(&mut response, self.headers);
        response
    }
}

impl ApiError {
    /// Returns the body of this error as an example for the document.
    pub fn example(&self) -> ErrorBody {
        self.body(EXAMPLE_REQUEST_ID)
    }
}

fn add_headers(response: &mut Response, names: &[&str]) {
    for name in names.iter().chain(&COMMON_HEADERS) {
        let reference = Ref::new(format!("#/components/headers/{name}"));
        response.headers.insert((*name).to_owned(), RefOr::Ref(reference));
    }
}

/// Adds the shared error responses and headers to `components`.
pub fn add_components(components: &mut Components) {
    for error in SHARED_ERRORS {
        components.responses.insert(error.name.to_owned(), error.response().into());
    }
    for (name, header) in headers() {
        components.headers.insert(name.to_owned(), header.into());
    }
}

/// Completes every operation of `document`: an explicit `security`, and the headers of each response.
pub fn complete_operations(document: &mut OpenApi) {
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        operation.security.get_or_insert_default();
        let responses = &mut operation.responses.responses;
        let is_limited = responses.get("429").is_some_and(|response| match response {
            RefOr::Ref(reference) => reference.ref_location.ends_with(RATE_LIMIT_EXCEEDED.name),
            RefOr::T(_) => true,
        });
        for response in responses.values_mut() {
            if let RefOr::T(response) = response {
                add_headers(response, if is_limited { &RATE_LIMIT_HEADERS } else { &[] });
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.delete].into_iter().flatten()
}

fn headers() -> impl Iterator<Item = (&'static str, Header)> {
    let max_rate = RATES_PER_MINUTE.into_iter().max().unwrap_or_default();
    let integer = |description: &str, range: (u32, u32), example: u32| {
        let schema = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(range.0))
            .maximum(Some(range.1));
        HeaderBuilder::new().schema(Some(schema)).description(Some(description)).example(Some(json!(example))).build()
    };
    let string = |description: &str, format: &str, max_length: usize, example: &str| {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::Custom(format.to_owned())))
            .max_length(Some(max_length));
        HeaderBuilder::new().schema(Some(schema)).description(Some(description)).example(Some(json!(example))).build()
    };
    [
        (
            "RateLimit-Policy",
            string("Limit: name, calls (`q`), window in seconds (`w`).", "sf-list", 64, "\"auth\";q=20;w=60"),
        ),
        ("RateLimit-Limit", integer("Calls that the bucket holds, and that it regains per minute.", (1, max_rate), 20)),
        ("RateLimit-Remaining", integer("Calls left in the bucket.", (0, max_rate), 19)),
        ("RateLimit-Reset", integer("Seconds until the bucket is full again.", (0, 60), 3)),
        ("Retry-After", integer("Seconds after which to try again.", (1, DAY), RETRY_AFTER_OUTAGE)),
        ("X-Request-Id", string("Id under which the request is logged.", "uuid", 36, EXAMPLE_REQUEST_ID)),
    ]
    .into_iter()
    .chain(once((
        "Access-Control-Allow-Origin",
        string(
            "The request's `Origin`, if pages from there may call the API. API Gateway's own errors say `*`.",
            "uri",
            MAX_ORIGIN_CHARS,
            "https://sqlstudio.app",
        ),
    )))
}

/// Longest origin: a scheme, a host name of 253 characters and a port.
const MAX_ORIGIN_CHARS: usize = 270;

/// Schema of an HTML page.
#[derive(Debug)]
pub enum HtmlPage {}

impl PartialSchema for HtmlPage {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).description(Some("HTML page.")).into()
    }
}

impl ToSchema for HtmlPage {}
