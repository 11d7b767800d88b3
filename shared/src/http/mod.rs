//! HTTP: extractors, errors, bodies, rate limits, and the middleware that every function shares.
//!
//! [`auth`](Caller) says who is calling, [`rate_limit`](RateLimitScope) how often, [`with_middleware`] adds everything else
//! that is the same for all routes.

mod auth;
mod body;
mod client_address;
mod device;
mod endpoints;
mod error;
mod gzip;
mod middleware;
pub mod openapi;
mod path_id;
mod query;
mod rate_limit;
mod request_context;
mod zstd;

pub use auth::{Anonymous, Authenticator, Caller, UncountedClient};
pub use body::{JsonBody, RawBody, SmallBody, from_json};
pub use client_address::{ClientAddress, client_network};
pub use device::{UserAgent, check_device_name, device_id};
pub use error::{ApiError, Code, ErrorBody, invalid_field};
pub use middleware::{RequestId, with_middleware};
pub use openapi::{AuthErrors, BodyErrors, CommonErrors, KeyErrors, KeylessErrors, QueryErrors, UnlimitedErrors};
pub use path_id::PathId;
pub use query::Query;
pub use rate_limit::{AuthLimit, ConflictLimit, DownloadLimit, PollLimit, RateLimitScope, RateLimits, UploadLimit};
