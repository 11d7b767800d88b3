//! What every endpoint shares: the error shape, who is asking, bodies, and the frame around it all.

mod authenticator;
mod body;
mod cors;
mod device;
mod endpoints;
mod error;
mod frame;
mod path_id;
mod query;
mod visitor;
mod zstd;

pub use authenticator::{AuthLimit, Authenticator, Caller, ConflictLimit, DownloadLimit, RateLimitScope, UploadLimit};
pub use body::{JsonBody, RawBody, from_json};
pub use cors::{Origins, cors};
pub use device::{UserAgent, check_device_name, device_id};
pub use error::{ApiError, AuthErrors, BodyErrors, Code, CommonErrors, ErrorBody, invalid_field};
pub use frame::{Frame, RequestId, framed};
pub use path_id::PathId;
pub use query::Query;
pub use visitor::{Anonymous, ClientAddress};
